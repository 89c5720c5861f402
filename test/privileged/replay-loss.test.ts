/** Replays across a gateway that loses packets in both directions: TCP has to make up for it. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clientStreams } from '../helpers/capture.ts';
import { keepGround } from '../helpers/ground.ts';
import { type Lab, loseAtGateway, makeLab, mustInside, routeClients } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { completed, connectionsGone, fixture, replay } from '../helpers/replay.ts';
import { httpRequests, mysqlQueries } from '../helpers/requests.ts';
import {
  type Nginx,
  type NotingServer,
  startGreeting,
  startMariadb,
  startNginx,
  startSmtp,
} from '../helpers/servers.ts';
import { playedInTurn, tally } from '../helpers/tally.ts';

const TOOLS = [
  'ip',
  'ethtool',
  'ss',
  'iptables',
  'ip6tables',
  'mariadbd',
  'mariadb',
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

  test('of SMTP every octet arrives, and every reply is told by itself, with 2 % loss', async () => {
    const users = 60;
    const range = ownRange();
    await loseAtGateway(lab, 0.02);
    const smtp = await startSmtp(lab.target);
    try {
      const recorded = await clientStreams(fixture('smtp.pcap'), smtp.port);
      const argv = [fixture('smtp.pcap'), '--target', `${lab.target.ipv4}:${smtp.port}`];
      const value = await replay(lab.client, [...argv, '--clients', range, '--users', `${users}`]);
      const { exchanges, answerRules, packets } = completed(value, users);
      await connectionsGone(lab.target, range);
      const received = smtp.connections().map(({ octets }) => octets.toString('latin1'));
      const sent = playedInTurn(recorded, users).map((octets) => octets.toString('latin1'));
      expect(tally(received)).toEqual(tally(sent));
      expect(answerRules).toMatchObject({ protocol: exchanges.answered });
      expect(exchanges).toMatchObject({ unfollowed: 0, unsolicited: 0 });
      expect(packets.retransmitted + packets.synRetransmitted).toBeGreaterThan(0);
    } finally {
      await smtp.stop();
    }
  });

  test('of MariaDB every statement is run once, and every answer told by itself, with 2 % loss', async () => {
    const users = 60;
    const range = ownRange();
    await loseAtGateway(lab, 0.02);
    const mariadb = await startMariadb(lab.target);
    try {
      await mariadb.sql('create table `load`.visits (id int primary key auto_increment, who text)');
      const streams = playedInTurn(await clientStreams(fixture('mysql.pcap'), 3306), users);
      const argv = [fixture('mysql.pcap'), '--target', `${lab.target.ipv4}:3306`];
      const value = await replay(lab.client, [...argv, '--clients', range, '--users', `${users}`]);
      const { exchanges, answerRules, packets } = completed(value, users);
      await connectionsGone(lab.target, range);
      const statements = streams.flatMap(mysqlQueries);
      expect(tally(mariadb.statements())).toEqual(tally(statements));
      const inserts = statements.filter((text) => /^insert/i.test(text)).length;
      const rows = await mariadb.sql('select count(*) from `load`.visits');
      expect(Number(rows)).toBe(inserts);
      expect(answerRules).toMatchObject({ protocol: exchanges.answered });
      expect(exchanges).toMatchObject({ unfollowed: 0, unsolicited: 0 });
      expect(packets.retransmitted + packets.synRetransmitted).toBeGreaterThan(0);
    } finally {
      await mariadb.stop();
    }
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
