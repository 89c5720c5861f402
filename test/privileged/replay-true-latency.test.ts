/** Latencies against what the kernel saw at the server: tcpdump and tshark are the oracle. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { answerTimesMs, turnTimesMs } from '../helpers/answer-times.ts';
import { startCapture } from '../helpers/capture.ts';
import { onLabGround } from '../helpers/lab-ground.ts';
import { CLIENTS_ON_LINK, type Lab, startInside } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { FIRST_OF_ALL, type Running } from '../helpers/process.ts';
import { completed, FIRST, fixture, replay } from '../helpers/replay.ts';
import { type Folder, listening, startRedis } from '../helpers/servers.ts';
import { expectThinkTimes } from '../helpers/think-times.ts';
import { expectTrueTimes } from '../helpers/true-times.ts';

const SERVER = fileURLToPath(new URL('servers/uneven-http.mjs', import.meta.url));
const TOOLS = ['ip', 'ss', 'chrt', 'tcpdump', 'tshark', 'redis-server', 'redis-cli'];

describe.runIf(canRun('true latencies', TOOLS))('latencies of 1,000 requests a second', () => {
  let lab: Lab;
  let folder: Folder;
  let server: Running;

  onLabGround({}, async (ground) => {
    ({ lab, folder } = ground);
    server = startInside(lab.target, [...FIRST_OF_ALL, process.execPath, SERVER, '80']);
    await listening(lab.target, server, 80);
  });

  afterAll(() => server?.stop('SIGTERM'));

  test('are those of the packets at the server, within 100 µs or 2 %', async () => {
    const path = join(folder.path, 'server.pcap');
    const capture = await startCapture(lab.target, path, { filter: 'tcp port 80' });
    const rate = ['--request-rate', '1000/s', '--duration', '3s', '--check', 'off'];
    const clients = ['--clients', CLIENTS_ON_LINK.ipv4];
    const target = ['--target', `${lab.target.ipv4}:80`];
    const argv = [fixture('http-short.pcap'), ...target, ...clients, ...rate];
    const replayed = await replay(lab.client, argv, FIRST);
    await capture.stop();
    const { latency, exchanges } = completed(replayed, replayed.result?.users.planned ?? 0);
    const told = await answerTimesMs(path);
    expect(told).toHaveLength(exchanges.answered);
    expect(exchanges.answered).toBeGreaterThan(2_900);
    const { service, response } = latency;
    expectTrueTimes(told, [
      [50, service?.p50],
      [90, service?.p90],
      [99, service?.p99],
    ]);
    expect(response?.p99).toBeGreaterThanOrEqual(service?.p99 ?? Number.NaN);
  });

  test('of Redis are those of the packets at the server, within 100 µs or 2 %', async () => {
    const redis = await startRedis(lab.target);
    try {
      const path = join(folder.path, 'redis.pcap');
      const capture = await startCapture(lab.target, path, { filter: 'tcp port 6379' });
      const target = ['--target', `${lab.target.ipv4}:6379`, '--clients', CLIENTS_ON_LINK.ipv4];
      const load = ['--users', '1050', '--rate', '500/s', '--check', 'off', '--threads', '1'];
      const argv = [fixture('redis.pcap'), ...target, ...load];
      const replayed = await replay(lab.client, argv, FIRST);
      await capture.stop();
      const result = completed(replayed, 1_050);
      const { latency } = result;
      const told = await turnTimesMs(path, 6_379);
      // Each of the capture's 21 sessions was played 50 times.
      const recorded = await turnTimesMs(fixture('redis.pcap'), 6_379);
      expect(told).toHaveLength(50 * recorded.length);
      expectTrueTimes(told, [
        [50, latency.service?.p50],
        [90, latency.service?.p90],
      ]);
      const thinking = { recorded: fixture('redis.pcap'), played: path, port: 6_379 };
      await expectThinkTimes({ ...thinking, users: 1_050, result });
    } finally {
      await redis.stop();
    }
  });
});
