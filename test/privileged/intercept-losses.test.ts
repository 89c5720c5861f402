/**
 * Intercepts that are lost in the middle of a run, in every way but a close: an end that stands
 * still, one that does not come back, one that has another owner. The run's end says which.
 *
 * Most of its time each case waits, so they are played at the same time, each on machines of its own.
 */
import { describe, expect, test } from 'vitest';
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

/** Client, target with nginx, and auxiliary machine of one case. */
class Ground {
  readonly lab: Lab;
  readonly auxiliary: Auxiliary;
  readonly #token = makeToken();
  readonly #closing: (() => Promise<void>)[] = [];

  private constructor(lab: Lab, auxiliary: Auxiliary) {
    this.lab = lab;
    this.auxiliary = auxiliary;
    this.#closing.push(
      () => lab.close(),
      () => auxiliary.close(),
    );
  }

  static async make(): Promise<Ground> {
    const lab = await makeLab();
    const ground = new Ground(lab, await addAuxiliary(lab));
    const nginx = await startNginx(lab.target);
    ground.#closing.push(() => nginx.stop());
    const route = ['ip', 'route', 'add', 'default', 'via', ground.auxiliary.gateway];
    await mustInside(lab.target, route);
    return ground;
  }

  async close(): Promise<void> {
    for (const close of this.#closing.splice(0).reverse()) await close();
  }

  hostOf(mode: Mode) {
    return mode === 'advanced' ? this.auxiliary : this.lab.target;
  }

  async start(mode: Mode): Promise<RunningIntercept> {
    const at = { token: this.#token };
    const started = await startIntercept(this.hostOf(mode), ['--mode', mode], at);
    this.#closing.push(() => started.stop());
    return started;
  }

  /** 64 users over some ten seconds; `pid` is the replay's, once it plays. */
  play(mode: Mode, argv: readonly string[] = []) {
    let pid = 0;
    const { client, target } = this.lab;
    const by = ['-s', this.hostOf(mode).ipv4, '--token-file', this.#token];
    const replayed = replay(
      client,
      [
        fixture('http-keepalive.pcap'),
        ...['--target', `${target.ipv4}:80`, ...by],
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
}

describe.runIf(canRun('losses of intercepts', TOOLS)).concurrent('an intercept in mid-run', () => {
  const hasRegistered = (one: RunningIntercept): boolean =>
    one.output().includes('a replay has registered');

  describe.each(MODES)('in mode %s', (mode) => {
    test('that stands still for longer than it is waited for is connected again', async ({
      onTestFinished,
    }) => {
      const ground = await Ground.make();
      onTestFinished(() => ground.close());
      const intercept = await ground.start(mode);
      const { replayed } = ground.play(mode);
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
      expect(await leftovers(ground.hostOf(mode))).toEqual([]);
    });

    test('of a replay that stands still takes it back', async ({ onTestFinished }) => {
      const ground = await Ground.make();
      onTestFinished(() => ground.close());
      const intercept = await ground.start(mode);
      const { replayed, pid } = ground.play(mode);
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

  test('that does not come back ends the run with 5, under its name', async ({
    onTestFinished,
  }) => {
    const ground = await Ground.make();
    onTestFinished(() => ground.close());
    const intercept = await ground.start('sink');
    const { replayed } = ground.play('sink', ['-u', '400', '-a', '0.02']);
    await until('it has registered', () => hasRegistered(intercept), 60_000);
    await pause(1_500);
    const lostMs = performance.now();
    await intercept.stop('SIGKILL');
    const { code, stderr } = await replayed;
    expect(code).toBe(5);
    expect(stderr).toContain(
      `the intercept at ${ground.lab.target.ipv4}:36524 was lost and did not`,
    );
    // It waits for 30 s, and then does not go on playing for the minutes that are left.
    expect(performance.now() - lostMs).toBeLessThan(50_000);
  });

  test('that another replay has meanwhile ends the run with 5 and the other’s name', async ({
    onTestFinished,
  }) => {
    const ground = await Ground.make();
    onTestFinished(() => ground.close());
    const intercept = await ground.start('sink');
    const { replayed, pid } = ground.play('sink', ['-u', '400', '-a', '0.02']);
    await until('it has registered', () => hasRegistered(intercept), 60_000);
    await pause(1_500);
    signalTo(pid(), 'SIGSTOP');
    await until('it is gone', () => intercept.output().includes('a replay is gone'));
    const other = ground.play('sink', ['-u', '400', '-a', '0.02']);
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
