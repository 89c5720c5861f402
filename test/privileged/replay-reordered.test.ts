/** Replays over a path on which packets overtake each other and are lost; the servers' own accounts are the oracle. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { captureWhile } from '../helpers/capture.ts';
import {
  CLIENTS_ROUTED,
  DEVICE_TO_TARGET,
  type Host,
  type Lab,
  makeLab,
  mustInside,
  routeClients,
  startInside,
} from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { until } from '../helpers/process.ts';
import { completed, FIRST, fixture, type ReplayResult, replay } from '../helpers/replay.ts';
import { type Folder, makeFolder, startNginx, startRedis } from '../helpers/servers.ts';

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
/** Each fifth packet is overtaken by four, by more than makes a repetition where order is trusted; and 2 % are lost. */
const REORDER = [
  ...[PYTHON, '-B'],
  fileURLToPath(new URL('servers/reorder.py', import.meta.url)),
  ...['5', '4', '0.02'],
];
/** Of pages and values, other than recorded: six packets. */
const BYTES = 8_000;
const USERS = 1_000;

describe.runIf(canRun('replay over a path that reorders', TOOLS))('packets overtake', () => {
  let lab: Lab;
  let folder: Folder;

  beforeAll(async () => {
    lab = await makeLab({ gateway: true });
    await routeClients(lab);
    folder = makeFolder('reordered');
  });

  afterAll(async () => {
    await lab?.close();
    folder?.remove();
  });

  const macOf = async (host: Host): Promise<string> =>
    (await mustInside(host, ['cat', `/sys/class/net/${host.device}/address`])).trim();

  /** Replays while not the kernel forwards. @returns the result, after it is sure that something was overtaken */
  const reordered = async (capture: string, port: number): Promise<ReplayResult> => {
    const sides = [
      `${lab.gateway.device}:${await macOf(lab.client)}`,
      `${DEVICE_TO_TARGET}:${await macOf(lab.target)}`,
    ];
    await mustInside(lab.gateway, ['sysctl', '-qw', 'net.ipv4.ip_forward=0']);
    const path = startInside(lab.gateway, [...FIRST.prefix, ...REORDER, ...sides]);
    try {
      await until('the path', () => path.output().includes('forwarding'));
      const load = ['--users', `${USERS}`, '--rate', '500', '--clients', CLIENTS_ROUTED.ipv4];
      const argv = [capture, '--target', `${lab.target.ipv4}:${port}`, ...load];
      const result = completed(await replay(lab.client, argv, FIRST), USERS);
      await path.stop('SIGTERM');
      const overtaken = /^overtaken \[\d+, (\d+)\]$/m.exec(path.output())?.at(1);
      expect(Number(overtaken)).toBeGreaterThan(USERS);
      return result;
    } finally {
      await path.stop('SIGKILL');
      await mustInside(lab.gateway, ['sysctl', '-qw', 'net.ipv4.ip_forward=1']);
    }
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
