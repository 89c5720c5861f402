/**
 * Whether a verdict can be trusted: servers that do not do what was recorded, with their own account
 * and the target's packets as oracles.
 */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { percentileOf, turnTimesMs } from '../helpers/answer-times.ts';
import { startCapture } from '../helpers/capture.ts';
import { keepGround } from '../helpers/ground.ts';
import { makeToken, startIntercept } from '../helpers/intercept.ts';
import { onLabGround } from '../helpers/lab-ground.ts';
import { CLIENTS_ROUTED, type Lab, mustInside } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { until } from '../helpers/process.ts';
import {
  connectionsGone,
  FIRST,
  fixture,
  type Replayed,
  replay,
  withLedger,
} from '../helpers/replay.ts';
import { makeFolder, startNginx, startOther } from '../helpers/servers.ts';

const TOOLS = ['ip', 'ethtool', 'ss', 'chrt', 'nginx', 'tcpdump', 'tshark', '/usr/bin/python3'];
const RANGE = CLIENTS_ROUTED.ipv4;
const KEEPALIVE = fixture('http-keepalive.pcap');
const GREETING = fixture('greeting.pcap');
const HTTP_PORT = 8_080;
const USERS = 48;

describe.runIf(canRun('verdicts of replays', TOOLS))('the verdict', () => {
  let lab: Lab;

  onLabGround({ isRouted: true }, (ground) => {
    ({ lab } = ground);
  });

  keepGround(() => [lab.client, lab.target]);

  const argvOf = (capture: string, port: number, more: readonly string[]): string[] => [
    capture,
    ...['--target', `${lab.target.ipv4}:${port}`, '--clients', RANGE],
    ...['--users', `${USERS}`, ...more],
  ];
  const play = (capture: string, port: number, ...more: string[]): Promise<Replayed> =>
    replay(lab.client, argvOf(capture, port, more));

  test('on a server that is busy before it is asked: nobody completed, nothing was answered', async () => {
    const server = await startOther(lab.target, HTTP_PORT, 'first');
    try {
      // Slowly, so that every 503 is there before the first request is due.
      const asked = ['--accel', '0.0005', '--rate', '100/s', '--threshold', 'errors:rate<1%'];
      const replayed = await play(KEEPALIVE, HTTP_PORT, ...asked);
      const { users, exchanges } = withLedger(replayed);
      expect(users).toMatchObject({ completed: 0, aborted: USERS });
      expect(exchanges).toMatchObject({ answered: 0, unsolicited: USERS });
      expect(exchanges.sent + exchanges.unsent).toBeGreaterThan(USERS);
      expect(replayed.code).toBe(5);
      expect(replayed.stdout).toMatch(/^✗ 0 of 48 users completed/);
      expect(await server.finish()).toBe(USERS);
    } finally {
      await server.stop();
    }
    await connectionsGone(lab.target, RANGE);
  });

  test.each([
    { thresholds: [], code: 0, mark: '!' },
    { thresholds: ['--threshold', 'errors:rate<0.1%'], code: 99, mark: '✗' },
    { thresholds: ['--threshold', 'errors:rate<=100%'], code: 0, mark: '!' },
  ])('on a server that answers 503 to everything, with $thresholds', async (row) => {
    const server = await startOther(lab.target, HTTP_PORT, 'busy');
    try {
      const replayed = await play(KEEPALIVE, HTTP_PORT, '--accel', '4', ...row.thresholds);
      const { users, exchanges } = withLedger(replayed);
      expect(users.completed).toBe(USERS);
      const answered = await server.finish();
      expect(exchanges).toMatchObject({ answered, failed: answered, unsolicited: 0 });
      expect(exchanges.statuses).toMatchObject({ '2xx': 0, '5xx': answered });
      expect(replayed.code).toBe(row.code);
      expect(replayed.stdout.slice(0, 2)).toBe(`${row.mark} `);
      expect(replayed.stdout.slice(0, 300).replace(/\s+/g, ' ')).toContain('another status');
    } finally {
      await server.stop();
    }
    await connectionsGone(lab.target, RANGE);
  });

  test('times of answers that are told by quiet are the wire’s', async () => {
    const server = await startOther(lab.target, 7_000, 'short');
    const path = join(makeFolder('times').path, 'target.pcap');
    try {
      const filter = `tcp port 7000 and net ${RANGE}`;
      const capture = await startCapture(lab.target, path, { filter });
      const slowly = argvOf(GREETING, 7_000, ['--accel', '10', '--rate', '20/s']);
      const replayed = await replay(lab.client, slowly, FIRST);
      await capture.stop();
      const { answerRules, latency } = withLedger(replayed);
      expect(answerRules['push-quiet']).toBeGreaterThan(USERS);
      const onWireMs = percentileOf(await turnTimesMs(path, 7_000), 50);
      const reportedMs = latency.service?.p50 ?? Number.NaN;
      expect(reportedMs).toBeGreaterThanOrEqual(onWireMs * 0.99);
      // Both machines are this one: beyond the link's few microseconds there is nothing to add.
      expect(reportedMs - onWireMs).toBeLessThan(0.3);
    } finally {
      await server.stop();
    }
    await connectionsGone(lab.target, RANGE);
  });

  test('on an intercept that ends and never comes back: the run ends under its name', async () => {
    const nginx = await startNginx(lab.target);
    // The sink makes a route of its own.
    await mustInside(lab.target, ['ip', 'route', 'del', RANGE]);
    const token = makeToken();
    const intercept = await startIntercept(lab.target, ['--mode', 'sink'], { token });
    try {
      const replaying = replay(
        lab.client,
        [
          KEEPALIVE,
          ...['--target', `${lab.target.ipv4}:80`, '--token-file', token, '-s', lab.target.ipv4],
          ...['--users', `${USERS}`, '--accel', '0.01', '--timeout', '10m'],
        ],
        { timeoutMs: 120_000 },
      );
      await until('users at nginx', async () => (await nginx.stubStatus()).active > 0, 30_000);
      await intercept.stop('SIGTERM');
      const replayed = await replaying;
      const { users } = withLedger(replayed);
      expect(users).toMatchObject({ planned: USERS, completed: 0, live: 0 });
      expect(replayed.code).toBe(5);
      const said = replayed.stdout.slice(0, 300).replace(/\s+/g, ' ');
      expect(said).toMatch(/^✗ the intercept at \S+ was lost and did not come back/);
      expect(replayed.stderr).toContain('did not come back');
    } finally {
      await intercept.stop('SIGKILL');
      await nginx.stop();
    }
  });
});
