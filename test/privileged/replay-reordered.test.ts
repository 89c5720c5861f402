/** Replays over a path on which packets overtake each other and are lost; the servers' own accounts are the oracle. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { captureWhile } from '../helpers/capture.ts';
import { onLabGround } from '../helpers/lab-ground.ts';
import { CLIENTS_ROUTED, type Lab, mustInside } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { completed, FIRST, fixture, type ReplayResult, replay } from '../helpers/replay.ts';
import { expectOvertaken, onRoughPath } from '../helpers/rough-path.ts';
import { type Folder, startLengths, startNginx, startRedis } from '../helpers/servers.ts';

const PYTHON = '/usr/bin/python3';
const TOOLS = [
  'ip',
  'ethtool',
  'ss',
  'chrt',
  'tcpdump',
  'nginx',
  'redis-server',
  'redis-cli',
  PYTHON,
];
/** Of pages and values, other than recorded: six packets. */
const BYTES = 8_000;
const USERS = 1_000;

describe.runIf(canRun('replay over a path that reorders', TOOLS))('packets overtake', () => {
  let lab: Lab;
  let folder: Folder;

  onLabGround({ gateway: true, isRouted: true }, (ground) => {
    ({ lab, folder } = ground);
  });

  /** Replays. @returns the result, after it is sure that something was overtaken */
  const reordered = async (capture: string, port: number): Promise<ReplayResult> => {
    const load = ['--users', `${USERS}`, '--rate', '500', '--clients', CLIENTS_ROUTED.ipv4];
    const argv = [capture, '--target', `${lab.target.ipv4}:${port}`, ...load];
    const { value, overtaken } = await onRoughPath(lab, () => replay(lab.client, argv, FIRST));
    expectOvertaken(overtaken, USERS);
    return completed(value, USERS);
  };

  /** Every answer was followed to its end, and what came next was asked when it was due. */
  const expectFollowed = ({ exchanges, answerRules, latency }: ReplayResult) => {
    expect(exchanges).toMatchObject({ unanswered: 0, unsolicited: 0, unfollowed: 0 });
    expect(answerRules).toMatchObject({ protocol: exchanges.answered });
    // Of most, for the path and the generator want the same cores.
    expect(latency.lag?.p50).toBeLessThanOrEqual(2);
  };

  test('pages of nginx arrive whole, and are followed', async () => {
    const nginx = await startNginx(lab.target);
    try {
      nginx.addPage('page.html', BYTES);
      const result = await reordered(fixture('http-keepalive.pcap'), 80);
      const log = nginx.accessLog();
      expectFollowed(result);
      expect(log).toHaveLength(result.exchanges.answered);
      expect(log.filter(({ status }) => status !== 200)).toEqual([]);
      expect(result.bytes.received).toBeGreaterThanOrEqual(
        log.reduce((sum, { sentBytes }) => sum + sentBytes, 0),
      );
    } finally {
      await nginx.stop();
    }
  });

  test('answers of Python in four forms are followed', async () => {
    const server = await startLengths(lab.target, 80, ['length', 'chunks', 'pieces', 'header']);
    try {
      const result = await reordered(fixture('http-keepalive.pcap'), 80);
      const written = Object.values(await server.finish());
      expectFollowed(result);
      expect(written.reduce((sum, count) => sum + count)).toBe(result.exchanges.answered);
    } finally {
      await server.stop();
    }
  });

  test('values of Redis arrive whole, and are followed', async () => {
    const redis = await startRedis(lab.target);
    try {
      await redis.cli('set', 'value', 'recorded');
      const capture = join(folder.path, 'redis.pcap');
      const gets = 3;
      const ask = ['redis-cli', '-h', lab.target.ipv4];
      const act = () => mustInside(lab.client, ask, { input: 'get value\n'.repeat(gets) });
      await captureWhile(lab.client, capture, { filter: 'tcp port 6379' }, act);
      await redis.cli('setrange', 'value', `${BYTES}`, 'live');
      const before = (await redis.calls()).get('get') ?? 0;
      const result = await reordered(capture, 6_379);
      expect(((await redis.calls()).get('get') ?? 0) - before).toBe(USERS * gets);
      expectFollowed(result);
      expect(result.bytes.received).toBeGreaterThan(USERS * gets * BYTES);
    } finally {
      await redis.stop();
    }
  });
});
