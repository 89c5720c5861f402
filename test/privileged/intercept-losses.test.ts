/**
 * Intercepts that are lost in the middle of a run, in every way but a close: an end that stands
 * still, one that does not come back, one that has another owner. The run's end says which.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type Auxiliary,
  addAuxiliary,
  leftovers,
  makeToken,
  type RunningIntercept,
  startIntercept,
} from '../helpers/intercept.ts';
import { type Lab, makeLab, mustInside } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { signalTo, until } from '../helpers/process.ts';
import { fixture, type Replayed, replay, withLedger } from '../helpers/replay.ts';
import { startNginx } from '../helpers/servers.ts';

const TOOLS = ['ip', 'ethtool', 'ss', 'nginx', 'iptables'];
const MODES = ['advanced', 'nfqueue', 'sink'] as const;
type Mode = (typeof MODES)[number];

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const notesOf = ({ result }: Replayed): string => {
  const { notes, warnings } = (
    result as unknown as { generator: Record<'notes' | 'warnings', readonly string[]> }
  ).generator;
  return [...warnings, ...notes].join('\n');
};

describe.runIf(canRun('losses of intercepts', TOOLS))('an intercept in mid-run', () => {
  let lab: Lab;
  let auxiliary: Auxiliary;
  let token: string;
  const closing: (() => Promise<void>)[] = [];

  beforeEach(async () => {
    lab = await makeLab();
    closing.push(() => lab.close());
    auxiliary = await addAuxiliary(lab);
    closing.push(() => auxiliary.close());
    const nginx = await startNginx(lab.target);
    closing.push(() => nginx.stop());
    token = makeToken();
    await mustInside(lab.target, ['ip', 'route', 'add', 'default', 'via', auxiliary.gateway]);
  });

  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  const hostOf = (mode: Mode) => (mode === 'advanced' ? auxiliary : lab.target);

  async function start(mode: Mode): Promise<RunningIntercept> {
    const started = await startIntercept(hostOf(mode), ['--mode', mode], { token });
    closing.push(() => started.stop());
    return started;
  }

  /** 64 users over some ten seconds; `pid` is the replay's, once it plays. */
  function play(mode: Mode, argv: readonly string[] = []) {
    let pid = 0;
    const replayed = replay(
      lab.client,
      [
        fixture('http-keepalive.pcap'),
        ...['--target', `${lab.target.ipv4}:80`, '-s', hostOf(mode).ipv4, '--token-file', token],
        ...['-u', '64', '-a', '0.3', '--threads', '1', ...argv],
      ],
      {
        onStart: (child) => {
          pid = child.pid ?? 0;
        },
      },
    );
    return { replayed, pid: () => pid };
  }

  const hasRegistered = (one: RunningIntercept): boolean =>
    one.output().includes('a replay has registered');

  describe.each(MODES)('in mode %s', (mode) => {
    test('that stands still for longer than it is waited for is connected again', async () => {
      const intercept = await start(mode);
      const { replayed } = play(mode);
      await until('it has registered', () => hasRegistered(intercept), 60_000);
      await pause(1_500);
      signalTo(intercept.pid, 'SIGSTOP');
      await pause(3_600);
      signalTo(intercept.pid, 'SIGCONT');
      const run = await replayed;
      expect(withLedger(run).users).toMatchObject({ planned: 64, completed: 64 });
      expect(notesOf(run)).toContain('is lost (nothing was heard for 3 s)');
      expect(notesOf(run)).toMatch(/lost once, replies of .* were missed/);
      await intercept.stop();
      expect(await leftovers(hostOf(mode))).toEqual([]);
    });

    test('of a replay that stands still takes it back', async () => {
      const intercept = await start(mode);
      const { replayed, pid } = play(mode);
      await until('it has registered', () => hasRegistered(intercept), 60_000);
      await pause(1_500);
      signalTo(pid(), 'SIGSTOP');
      await pause(5_600);
      signalTo(pid(), 'SIGCONT');
      const run = await replayed;
      expect(withLedger(run).users).toMatchObject({ planned: 64, completed: 64 });
      expect(intercept.output().split('a replay has registered').length).toBeGreaterThan(2);
    });
  });

  test('that does not come back ends the run with 5, under its name', async () => {
    const intercept = await start('sink');
    const { replayed } = play('sink', ['-u', '400', '-a', '0.02']);
    await until('it has registered', () => hasRegistered(intercept), 60_000);
    await pause(1_500);
    await intercept.stop('SIGKILL');
    const { code, stderr, elapsedMs } = await replayed;
    expect(code).toBe(5);
    expect(stderr).toContain(`the intercept at ${lab.target.ipv4}:36524 was lost and did not`);
    expect(elapsedMs).toBeLessThan(60_000);
  });

  test('that another replay has meanwhile ends the run with 5 and the other’s name', async () => {
    const intercept = await start('sink');
    const { replayed, pid } = play('sink', ['-u', '400', '-a', '0.02']);
    await until('it has registered', () => hasRegistered(intercept), 60_000);
    await pause(1_500);
    signalTo(pid(), 'SIGSTOP');
    await until('it is gone', () => intercept.output().includes('a replay is gone'));
    const other = play('sink', ['-u', '400', '-a', '0.02']);
    const count = (): number => intercept.output().split('a replay has registered').length;
    await until('the other has registered', () => count() > 2);
    signalTo(pid(), 'SIGCONT');
    const { code, stderr } = await replayed;
    expect(code).toBe(5);
    expect(stderr).toMatch(/did not take this replay: \S+:\d+ \(\S+\) has registered clients/);
    signalTo(other.pid(), 'SIGINT');
    await other.replayed;
  });
});
