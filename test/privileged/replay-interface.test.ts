/** What the load machine itself does to a run: its interface goes down or away, its firewall refuses. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { keepGround } from '../helpers/ground.ts';
import {
  CLIENTS_ROUTED,
  DEVICE,
  type Lab,
  makeLab,
  mustInside,
  routeClients,
} from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { until } from '../helpers/process.ts';
import { completed, connectionsGone, fixture, replay, withLedger } from '../helpers/replay.ts';
import { makeFolder, type Nginx, startNginx } from '../helpers/servers.ts';

const TOOLS = ['ip', 'ethtool', 'ss', 'iptables', 'nginx', 'curl'];
const KEEPALIVE = fixture('http-keepalive.pcap');
/** Users start over some two seconds, and play for a tenth of one at least. */
const ASKED = ['--users', '160', '--accel', '0.8', '--seed', '7'];

describe.runIf(canRun('replay on a machine with faults', TOOLS))('a replay whose machine', () => {
  let lab: Lab;
  let nginx: Nginx;

  const open = async (): Promise<void> => {
    lab = await makeLab();
    await routeClients(lab);
    nginx = await startNginx(lab.target);
  };
  const close = async (): Promise<void> => {
    await nginx?.stop();
    await lab?.close();
  };

  const link = (...how: string[]) => mustInside(lab.client, ['ip', 'link', ...how]);
  const toTarget = (...more: string[]) => [
    KEEPALIVE,
    ...['--target', `${lab.target.ipv4}:80`, '--clients', CLIENTS_ROUTED.ipv4],
    ...ASKED,
    ...more,
  ];
  /** Called when users play; its fault is the test's. */
  const whilePlaying = async (act: () => Promise<void>) => {
    const before = (await nginx.stubStatus()).requests;
    let acting: Promise<void> = Promise.resolve();
    const onStart = (): void => {
      const isUnderWay = async () => (await nginx.stubStatus()).requests - before >= 20;
      acting = until('users play', isUnderWay).then(act);
      acting.catch(() => undefined);
    };
    return { onStart, acted: () => acting };
  };

  describe('goes on', () => {
    beforeAll(open);
    keepGround(() => [lab.client, lab.target]);
    afterAll(close);

    // Three threads and more listen together: the kernel makes that group anew when the interface is up again.
    test.each([
      { name: 'a thread', threads: '1' },
      { name: 'four threads', threads: '4' },
    ])(
      'with $name, though its interface is down for two seconds: what was lost comes again, all complete',
      async ({ threads }) => {
        const before = nginx.accessLog().length;
        const { onStart, acted } = await whilePlaying(async () => {
          await link('set', DEVICE, 'down');
          await new Promise((resolve) => setTimeout(resolve, 2_000));
          await link('set', DEVICE, 'up');
        });
        const replayed = await replay(lab.client, toTarget('--threads', threads), { onStart });
        await acted();
        const { packets, exchanges } = completed(replayed, 160);
        expect(packets.dropped.unsentInterfaceDown).toBeGreaterThan(0);
        expect(packets.dropped.unsentOther).toBe(0);
        expect(packets.retransmitted + packets.synRetransmitted).toBeGreaterThan(0);
        expect(replayed.stderr).toContain(`the interface ${DEVICE} is down`);
        expect(replayed.stderr).toMatch(new RegExp(`the interface ${DEVICE} was down for [12]\\.`));
        // Sent again is not asked again.
        expect(nginx.accessLog().length - before).toBe(exchanges.sent);
        await connectionsGone(lab.target, CLIENTS_ROUTED.ipv4);
      },
    );

    test('though its firewall refuses every tenth packet: charged to the firewall, repeated, all complete', async () => {
      const before = nginx.accessLog().length;
      const local = await startNginx(lab.client);
      try {
        const every = [
          '-m',
          'statistic',
          '--mode',
          'nth',
          '--every',
          '10',
          '--packet',
          '9',
          '-j',
          'DROP',
        ];
        const match = ['-p', 'tcp', '--dport', '80', '-o', 'lo'];
        await mustInside(lab.client, ['iptables', '-A', 'OUTPUT', ...match, ...every]);
        const own = ['--target', '127.0.0.1:80', '--clients', 'own', '--users', '50'];
        const replayed = await replay(lab.client, [KEEPALIVE, ...own, '--accel', '4']);
        const { packets, exchanges } = completed(replayed, 50);
        const counted = await mustInside(lab.client, ['iptables', '-nvxL', 'OUTPUT']);
        // A refused frame that is not the first of a call is handed over again, and let through.
        const refused = Number(/^\s*(\d+)\s.*statistic/m.exec(counted)?.[1]);
        expect(packets.dropped.unsentNotPermitted).toBeGreaterThan(0);
        expect(packets.dropped.unsentNotPermitted).toBeLessThanOrEqual(refused);
        expect(packets.retransmitted + packets.synRetransmitted).toBeGreaterThan(0);
        expect(local.accessLog()).toHaveLength(exchanges.sent);
      } finally {
        await local.stop();
      }
      expect(nginx.accessLog().length).toBe(before);
    });
  });

  describe('cannot go on', () => {
    beforeEach(open);
    afterEach(close);

    test('since its interface is removed: it ends soon with 4 and every document', async () => {
      const folder = makeFolder('lost');
      try {
        const out = join(folder.path, 'out');
        let lostMs = Number.POSITIVE_INFINITY;
        const { onStart, acted } = await whilePlaying(async () => {
          await link('del', DEVICE);
          lostMs = performance.now();
        });
        const argv = toTarget('--out', out);
        const replayed = await replay(lab.client, argv, { onStart });
        // A second for servers to end, three for what was lost on the way.
        expect(performance.now() - lostMs).toBeLessThan(8_000);
        await acted();
        expect(replayed.code).toBe(4);
        const result = withLedger(replayed);
        expect(result.users.live).toBe(0);
        expect(result.exchanges.answered).toBeGreaterThanOrEqual(20);
        expect(result.failure).toMatch(`the interface ${DEVICE} was removed`);
        expect(replayed.stderr).toContain(result.failure);
        expect(replayed.stdout).toMatch(/^✗/);
        const written = (name: string) => readFileSync(join(out, name), 'utf8');
        expect(JSON.parse(written('result.json'))).toMatchObject({ failureKind: 'environment' });
        expect(written('junit.xml')).toContain('<failure');
        for (const name of ['summary.txt', 'report.html', 'timeline.csv', 'response.hgrm']) {
          expect(existsSync(join(out, name))).toBe(true);
        }
      } finally {
        folder.remove();
      }
    });
  });
});
