/** Replays across a gateway that loses packets in both directions: TCP has to make up for it. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clientStreams } from '../helpers/capture.ts';
import { keepGround } from '../helpers/ground.ts';
import { type Lab, loseAtGateway, makeLab, mustInside, routeClients } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { completed, connectionsGone, fixture, replay } from '../helpers/replay.ts';
import { httpRequests } from '../helpers/requests.ts';
import { type Nginx, type NotingServer, startGreeting, startNginx } from '../helpers/servers.ts';
import { playedInTurn, tally } from '../helpers/tally.ts';

const TOOLS = [
  'ip',
  'ethtool',
  'ss',
  'iptables',
  'ip6tables',
  'nginx',
  'tshark',
  '/usr/bin/python3',
];

/** A range of its own for each case, so that none finds the connections that another left. */
let cases = 0;
const ownRange = (): string => `198.18.${++cases}.0/24`;

describe.runIf(canRun('replay across a lossy path', TOOLS))('replay across a lossy path', () => {
  let lab: Lab;
  let greeting: NotingServer;
  let nginx: Nginx;

  beforeAll(async () => {
    lab = await makeLab({ gateway: true });
    await routeClients(lab);
    greeting = await startGreeting(lab.target);
    nginx = await startNginx(lab.target);
  });

  keepGround(() => [lab.gateway]);

  afterAll(async () => {
    await greeting?.stop();
    await nginx?.stop();
    await lab?.close();
  });

  test.each([
    { lost: 'no', share: 0 },
    { lost: '1 %', share: 0.01 },
    { lost: '5 %', share: 0.05 },
  ])('every octet arrives once and in order with $lost loss', async ({ share }) => {
    const users = 100;
    const range = ownRange();
    await loseAtGateway(lab, share);
    const before = greeting.connections().length;
    const recorded = await clientStreams(fixture('greeting.pcap'), 7000);
    const argv = [fixture('greeting.pcap'), '--target', `${lab.target.ipv4}:7000`];

    const value = await replay(lab.client, [...argv, '--clients', range, '--users', `${users}`]);

    const result = completed(value, users);
    await connectionsGone(lab.target, range);
    const received = greeting.connections().slice(before);
    const sent = playedInTurn(recorded, users).map((octets) => octets.toString('latin1'));
    expect(tally(received.map(({ octets }) => octets.toString('latin1')))).toEqual(tally(sent));
    const { retransmitted, synRetransmitted } = result.packets;
    if (share === 0) expect(synRetransmitted).toBe(0);
    else expect(retransmitted + synRetransmitted).toBeGreaterThan(0);
  });

  test.each([
    { lost: '1 %', share: 0.01 },
    { lost: '5 %', share: 0.05 },
  ])('every octet of 20 KB bodies arrives with $lost loss', async ({ share }) => {
    const users = 50;
    const range = ownRange();
    await loseAtGateway(lab, share);
    const before = nginx.accessLog().length;
    const streams = await clientStreams(fixture('http-post-gso.pcap'), 80);
    const argv = [fixture('http-post-gso.pcap'), '--target', `${lab.target.ipv4}:80`];

    const value = await replay(lab.client, [...argv, '--clients', range, '--users', `${users}`]);

    completed(value, users);
    await connectionsGone(lab.target, range);
    const bodies = nginx
      .accessLog()
      .slice(before)
      .map(({ body }) => readFileSync(body, 'latin1'));
    const requests = playedInTurn(streams.map(httpRequests), users).flat();
    expect(tally(bodies)).toEqual(tally(requests.map(({ body }) => body.toString('latin1'))));
  });

  test.each([
    { who: 'the server', capture: 'greeting.pcap', port: 7000 },
    { who: 'the client', capture: 'http-post-gso.pcap', port: 80 },
  ])('the first FIN each way is lost, where $who closes first', async ({ capture, port }) => {
    const range = ownRange();
    await loseAtGateway(lab, 0);
    const first = ['-m', 'statistic', '--mode', 'nth', '--every', '1000000', '--packet', '0'];
    for (const way of ['-s', '-d']) {
      const fin = ['-p', 'tcp', way, range, '--tcp-flags', 'FIN', 'FIN', ...first];
      await mustInside(lab.gateway, ['iptables', '-A', 'FORWARD', ...fin, '-j', 'DROP']);
    }
    const argv = [fixture(capture), '--target', `${lab.target.ipv4}:${port}`];

    const value = await replay(lab.client, [...argv, '--clients', range, '--users', '1']);

    completed(value, 1);
    await connectionsGone(lab.target, range);
    const counts = await mustInside(lab.gateway, ['iptables', '-nvxL', 'FORWARD']);
    const dropped = [...counts.matchAll(/^ *(\d+) .*DROP/gm)].map(([, packets]) => packets);
    expect(dropped).toEqual(['1', '1']);
    await loseAtGateway(lab, 0);
  });
});
