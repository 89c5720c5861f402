/** What the operator of an intercept asks of it: a filter of their own, counts for Prometheus. */
import { afterEach, describe, expect, test } from 'vitest';
import { keepGround } from '../helpers/ground.ts';
import {
  leftovers,
  makeToken,
  type RunningIntercept,
  startIntercept,
} from '../helpers/intercept.ts';
import { onNginxGround } from '../helpers/lab-ground.ts';
import { CLIENTS_ROUTED, inside, type Lab } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { must, run } from '../helpers/process.ts';
import { completed, fixture, replay } from '../helpers/replay.ts';

const USERS = 16;
const METRICS = '127.0.0.1:9100';

describe.runIf(canRun('options of intercepts', ['ip', 'ethtool', 'nginx', 'curl']))(
  'an intercept in mode sink',
  () => {
    let lab: Lab;
    let token: string;
    const running: RunningIntercept[] = [];

    onNginxGround({}, (ground) => {
      ({ lab } = ground);
      token = makeToken();
    });

    keepGround(() => [lab.client, lab.target]);

    afterEach(async () => {
      for (const each of running.splice(0)) await each.stop();
    });

    async function start(argv: readonly string[]): Promise<void> {
      running.push(await startIntercept(lab.target, ['--mode', 'sink', ...argv], { token }));
    }

    /** One that is expected to end by itself. */
    const refused = (argv: readonly string[]) => {
      const command = [process.execPath, 'bin/gryphon.js', 'intercept'];
      return run(inside(lab.target, [...command, '--listen', '127.0.0.1:0', ...argv]));
    };

    const play = (argv: readonly string[] = []) => {
      const { ipv4 } = lab.target;
      const target = ['--target', `${ipv4}:80`, '--token-file', token, '-s', ipv4];
      const load = ['-u', String(USERS), '-a', '10', ...argv];
      return replay(lab.client, [fixture('http-short.pcap'), ...target, ...load]);
    };

    const scrape = (): Promise<string> =>
      must(inside(lab.target, ['curl', '-sSfm', '2', `http://${METRICS}/metrics`]));

    test('takes what its filter accepts', async () => {
      await start(['-F', 'tcp src port 80']);
      completed(await play(), USERS);
    });

    test('takes nothing that its filter does not accept, and its log says so', async () => {
      await start(['--filter', 'tcp src port 81']);
      const { code, stderr } = await play();
      expect(code).toBe(5);
      expect(stderr).toContain('no answer to the probe');
      expect(running.at(0)?.output()).toContain('captures of that only: tcp src port 81');
    });

    test('is probed in vain no more once that is mended', async () => {
      await start([]);
      completed(await play(), USERS);
    });

    test('refuses a faulty filter in the words of libpcap, and leaves nothing behind', async () => {
      const { code, stderr } = await refused(['--mode', 'sink', '--filter', 'tcp prot 80']);
      expect(code).toBe(2);
      expect(stderr).toMatch(/the filter 'tcp prot 80' is not understood: \S/);
      expect(await leftovers(lab.target)).toEqual([]);
    });

    test('tells Prometheus what it has taken, and no address of a client', async () => {
      await start(['--metrics', METRICS]);
      const counts = async () =>
        new Map((await scrape()).split('\n').map((line) => line.split(' ') as [string, string]));
      expect((await counts()).get('gryphon_intercept_records_forwarded_total')).toBe('0');
      completed(await play(), USERS);
      const after = await counts();
      const taken = Number(after.get('gryphon_intercept_records_forwarded_total'));
      expect(taken).toBeGreaterThan(USERS * 2);
      expect(Number(after.get('gryphon_intercept_packets_total'))).toBeGreaterThanOrEqual(taken);
      expect(after.get('gryphon_intercept_records_dropped_total')).toBe('0');
      expect(await scrape()).not.toContain(CLIENTS_ROUTED.ipv4.split('.').slice(0, 2).join('.'));
    });

    test('says that the port for Prometheus is taken', async () => {
      await start(['--metrics', METRICS]);
      const { code, stderr } = await refused(['--force', '--metrics', METRICS]);
      expect({ code, stderr }).toMatchObject({ code: 4 });
      expect(stderr).toContain(`metrics cannot be served on ${METRICS}: EADDRINUSE`);
      expect(stderr).toContain('choose another port with --metrics');
    });
  },
);
