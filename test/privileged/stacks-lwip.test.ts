/** Replays to a server on lwIP, a TCP for small devices: what it read is the oracle. */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { clientStreams } from '../helpers/capture.ts';
import { canRun } from '../helpers/privilege.ts';
import { completed, fixture, replay } from '../helpers/replay.ts';
import { type LwipLab, startLwip } from '../helpers/stacks.ts';
import { playedInTurn, tally } from '../helpers/tally.ts';

const TOOLS = ['ip', 'cc', 'tshark', '/usr/include/lwip/lwip/tcp.h'];
const USERS = 200;
/** lwIP has room for some tens of connections at once, and drops whoever comes then. */
const RATE = 100;

describe.runIf(canRun('replay to lwIP', TOOLS))('a server on lwIP', () => {
  let lab: LwipLab;

  beforeAll(async () => {
    lab = await startLwip();
  });

  afterAll(async () => {
    await lab?.close();
  });

  const received = (): string[] => readdirSync(lab.streams.path);

  beforeEach(() => {
    for (const name of received()) rmSync(join(lab.streams.path, name));
  });

  const play = (capture: string, port: number, users: number, ...argv: string[]) => {
    const target = ['--target', `${lab.target}:${port}`, '--clients', '10.8.0.16-10.8.0.79'];
    const options = ['--users', `${users}`, '--rate', `${RATE}`, '--accel', '10', ...argv];
    return replay(lab.load, [fixture(capture), ...target, ...options]);
  };

  test.each([
    { capture: 'http-short.pcap', port: 80 },
    { capture: 'http-keepalive.pcap', port: 80 },
    { capture: 'http-post-20k.pcap', port: 80 },
    { capture: 'greeting.pcap', port: 7000 },
    { capture: 'smtp.pcap', port: 25 },
    { capture: 'redis.pcap', port: 6379 },
    { capture: 'redis-pipelined.pcap', port: 6379 },
    { capture: 'mysql.pcap', port: 3306 },
  ])('reads every octet of every user once: $capture', async ({ capture, port }) => {
    const server = await lab.startServer(fixture(capture), port);
    try {
      completed(await play(capture, port, USERS), USERS);
      const streams = await clientStreams(fixture(capture), port);
      const planned = playedInTurn(streams, USERS).map((stream) => stream.toString('latin1'));
      const seen = received().map((name) => readFileSync(join(lab.streams.path, name), 'latin1'));
      expect(tally(seen)).toEqual(tally(planned));
      expect(server.output()).toBe('ready\n');
    } finally {
      await server.stop();
    }
  });

  // lwIP keeps connections in TIME-WAIT and heeds no RST there: only other ports help.
  test('lets a second run in right after the first', async () => {
    const server = await lab.startServer(fixture('http-short.pcap'), 80);
    try {
      for (const seed of ['1', '2']) {
        completed(await play('http-short.pcap', 80, 50, '--seed', seed), 50);
      }
    } finally {
      await server.stop();
    }
  });
});
