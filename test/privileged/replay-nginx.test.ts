/** Replays against nginx; its access log, its counters and the uploaded files are the oracle. */
import { readFileSync } from 'node:fs';
import { beforeEach, describe, expect, test } from 'vitest';
import { clientStreams } from '../helpers/capture.ts';
import { onNginxGround } from '../helpers/lab-ground.ts';
import { CLIENTS_ON_LINK, CLIENTS_ROUTED, type Lab } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { completed, connectionsGone, fixture, replay, watched } from '../helpers/replay.ts';
import { type HttpRequest, httpRequests } from '../helpers/requests.ts';
import type { AccessLogEntry, Nginx } from '../helpers/servers.ts';
import { playedInTurn, tally } from '../helpers/tally.ts';

const TOOLS = ['ip', 'ethtool', 'ss', 'nginx', 'curl', 'tcpdump', 'tshark'];

/** A session as nginx's log shows it: each request's line and length, in order. */
const asText = (requests: { method: string; uri: string; bytes: number }[]) =>
  requests.map(({ method, uri, bytes }) => `${method} ${uri} ${bytes}`).join('\n');

const sessionsOf = async (capture: string): Promise<HttpRequest[][]> =>
  (await clientStreams(fixture(capture), 80)).map(httpRequests);

/** Log entries by connection, each connection's in the order of its requests. */
function byConnection(entries: readonly AccessLogEntry[]): AccessLogEntry[][] {
  const connections = new Map<number, AccessLogEntry[]>();
  for (const entry of entries) {
    const found = connections.get(entry.connection) ?? [];
    connections.set(entry.connection, [...found, entry]);
  }
  return [...connections.values()].map((found) => found.sort((a, b) => a.nth - b.nth));
}

describe.runIf(canRun('replay against nginx', TOOLS))('replay against nginx', () => {
  let lab: Lab;
  let nginx: Nginx;

  onNginxGround({ isRouted: true }, (ground) => {
    ({ lab, nginx } = ground);
  });

  let loggedBefore = 0;
  beforeEach(() => {
    loggedBefore = nginx.accessLog().length;
  });

  test.each([
    {
      name: 'keep-alive, clients on the link, which need no route',
      capture: 'http-keepalive.pcap',
      clients: CLIENTS_ON_LINK.ipv4,
      users: 320,
    },
    {
      name: 'keep-alive, clients that the target has a route for',
      capture: 'http-keepalive.pcap',
      clients: CLIENTS_ROUTED.ipv4,
      users: 320,
    },
    {
      name: 'the same packets, big-endian and in nanoseconds',
      capture: 'http-keepalive-be-ns.pcap',
      clients: CLIENTS_ROUTED.ipv4,
      users: 32,
    },
    {
      name: 'a connection a request, closed by the server',
      capture: 'http-short.pcap',
      clients: CLIENTS_ROUTED.ipv4,
      users: 500,
    },
    {
      name: 'IPv6, clients on the link, which need no route',
      capture: 'http-ipv6.pcap',
      clients: CLIENTS_ON_LINK.ipv6,
      users: 120,
    },
    {
      name: 'IPv6, clients that the target has a route for',
      capture: 'http-ipv6.pcap',
      clients: CLIENTS_ROUTED.ipv6,
      users: 120,
    },
  ])('every request of every user arrives once and in order: $name', async (row) => {
    const { capture, clients, users } = row;
    const target = clients.includes(':') ? `[${lab.target.ipv6}]:80` : `${lab.target.ipv4}:80`;
    const sessions = playedInTurn(await sessionsOf(capture), users);
    const requests = sessions.flat().length;
    const before = await nginx.stubStatus();

    const argv = [fixture(capture), '--target', target, '--clients', clients];
    const { value, seen } = await watched(lab, 80, () =>
      replay(lab.client, [...argv, '--users', `${users}`, '--accel', '4']),
    );

    const result = completed(value, users);
    expect(result.exchanges.answered).toBe(requests);
    expect(result.latency.response?.count).toBe(requests);

    await connectionsGone(lab.target, clients);
    const after = await nginx.stubStatus();
    expect(after.requests - before.requests).toBe(requests);
    expect(after.accepted - before.accepted).toBe(users);
    expect(after.handled - before.handled).toBe(users);

    const entries = nginx.accessLog().slice(loggedBefore);
    expect(tally(entries.map(({ status }) => `${status}`))).toEqual(new Map([['200', requests]]));
    const connections = byConnection(entries);
    expect(connections).toHaveLength(users);
    expect(new Set(connections.map(([one]) => `${one?.address} ${one?.port}`)).size).toBe(users);
    const arrived = connections.map((found) =>
      asText(found.map(({ requestBytes, ...rest }) => ({ ...rest, bytes: requestBytes }))),
    );
    expect(tally(arrived)).toEqual(tally(sessions.map(asText)));

    const bytes = sessions.flat().reduce((sum, request) => sum + request.bytes, 0);
    expect(result.bytes.sent).toBe(bytes);
    expect(result.bytes.received).toBe(entries.reduce((sum, entry) => sum + entry.sentBytes, 0));

    expect(seen).toMatchObject({ wrong: 0, clients: users });
    expect(seen.packets).toBeGreaterThan(requests);
  });

  test.each([
    { name: 'recorded packet by packet', capture: 'http-post-20k.pcap' },
    { name: 'recorded in frames larger than the MTU', capture: 'http-post-gso.pcap' },
  ])('every octet of 20 KB bodies arrives once and in order: $name', async ({ capture }) => {
    const users = 100;
    const sessions = playedInTurn(await sessionsOf(capture), users);
    const target = `${lab.target.ipv4}:80`;
    const argv = [fixture(capture), '--target', target, '--clients', CLIENTS_ROUTED.ipv4];

    const { value, seen } = await watched(lab, 80, () =>
      replay(lab.client, [...argv, '--users', `${users}`]),
    );

    const result = completed(value, users);
    expect(result.exchanges.answered).toBe(users);
    await connectionsGone(lab.target, CLIENTS_ROUTED.ipv4);
    const entries = nginx.accessLog().slice(loggedBefore);
    const bodies = entries.map(({ body }) => readFileSync(body, 'latin1'));
    const expected = sessions.flat().map(({ body }) => body.toString('latin1'));
    expect(tally(bodies)).toEqual(tally(expected));
    expect(seen).toMatchObject({ wrong: 0, clients: users });
  });
});
