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

  const play = (capture: string, users: number, ...argv: string[]) => {
    const target = ['--target', `${lab.target}:80`, '--clients', '10.8.0.16-10.8.0.79'];
    const options = ['--users', `${users}`, '--rate', `${RATE}`, '--accel', '10', ...argv];
    return replay(lab.load, [fixture(capture), ...target, ...options]);
  };

  test.each(['http-short.pcap', 'http-keepalive.pcap', 'http-post-20k.pcap'])(
    'reads every octet of every user once: %s',
    async (capture) => {
      completed(await play(capture, USERS), USERS);
      const streams = await clientStreams(fixture(capture), 80);
      const planned = playedInTurn(streams, USERS).map((stream) => stream.toString('latin1'));
      const seen = received().map((name) => readFileSync(join(lab.streams.path, name), 'latin1'));
      expect(tally(seen)).toEqual(tally(planned));
      expect(lab.server.output()).toBe('ready\n');
    },
  );

  // lwIP keeps connections in TIME-WAIT and heeds no RST there: only other ports help.
  test('lets a second run in right after the first', async () => {
    for (const seed of ['1', '2']) completed(await play('http-short.pcap', 50, '--seed', seed), 50);
  });
});
