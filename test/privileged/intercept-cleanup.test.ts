/**
 * What an intercept leaves behind when the tools that it runs fail, each call in turn, before or
 * after they have done their work; and when it is told to end at each stage of its start and end.
 * Whatever remains is told, with a command that removes it, and the exit code is not 0.
 *
 * Most of its time each case waits, so they are played at the same time, each on machines of its own.
 */
import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { leftovers } from '../helpers/intercept.ts';
import { type Host, type Lab, makeLab, mustInside, startInside } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { findTool, type Running, type RunOptions, signalTo, until } from '../helpers/process.ts';
import { makeFolder } from '../helpers/servers.ts';

const COMMAND = fileURLToPath(new URL('../../bin/gryphon.js', import.meta.url));
const LIVES = fileURLToPath(new URL('../helpers/intercept-lives.mjs', import.meta.url));
const REGISTER = fileURLToPath(new URL('../helpers/register-child.mjs', import.meta.url));
const PORT = 36_701;
const TOOLS = ['ip', 'iptables', 'ip6tables', 'iptables-restore', 'ip6tables-restore'];
/** Some thirty lives of a second each, and several times that on a busy machine. */
const LIVES_MS = 400_000;
/** A start or an end takes a second or two, and several times that on a busy machine. */
const READY_MS = 60_000;

/** A line of intercept-lives.mjs. */
interface Life {
  readonly nth: number;
  /** The tool that failed, with its arguments. */
  readonly call: string | null;
  readonly calls: number;
  readonly code: number;
  /** What the command would have written to stderr at its end. */
  readonly text: string;
  readonly left: readonly string[];
  /** What was left after the command in `text`. */
  readonly still: readonly string[];
  readonly said: string;
}

/** What is to be done when a case is over, by vitest's hook of that case. */
type WhenFinished = (undo: () => Promise<void>) => void;

/** The machines of one case, with what runs on its target. */
class Ground {
  readonly #lab: Lab;
  readonly #running: Running[] = [];

  private constructor(lab: Lab) {
    this.#lab = lab;
  }

  /** Gone again when the case is over, however it ends. */
  static async make(onTestFinished: WhenFinished): Promise<Ground> {
    const ground = new Ground(await makeLab());
    onTestFinished(() => ground.#close());
    const { client, target } = ground.#lab;
    await mustInside(target, ['ip', 'route', 'add', 'default', 'via', client.ipv4]);
    await mustInside(target, ['ip', '-6', 'route', 'add', 'default', 'via', client.ipv6]);
    return ground;
  }

  async #close(): Promise<void> {
    for (const each of this.#running.splice(0)) await each.stop('SIGKILL');
    await this.#lab.close();
  }

  get target(): Host {
    return this.#lab.target;
  }

  /** Starts a program on the target. */
  run(argv: readonly string[], options?: RunOptions): Running {
    const started = startInside(this.target, argv, options);
    this.#running.push(started);
    return started;
  }

  /** An intercept, once it is ready. */
  async intercept(mode: string, { path = '', pidFile = '' }): Promise<Running> {
    const argv = [process.execPath, COMMAND, 'intercept', '--mode', mode, '--listen', String(PORT)];
    const env = { ...process.env, PATH: `${path}:${process.env.PATH}` };
    const files = pidFile === '' ? [] : ['--pid-file', pidFile];
    const started = this.run([...argv, ...files], { env });
    const isReady = (): boolean => {
      if (started.hasEnded()) throw new Error(started.output());
      return started.output().includes('"msg":"ready"');
    };
    await until('it is ready', isReady, READY_MS);
    return started;
  }
}

/** Ends it by a signal, and gives it time to clean up that a busy machine may take. */
async function endBy(signal: NodeJS.Signals, intercept: Running): Promise<void> {
  signalTo(intercept.pid, signal);
  await until('it has ended', () => intercept.hasEnded(), READY_MS);
}

const CASES = canRun('clean-up of intercepts', TOOLS);

describe.runIf(CASES).concurrent('an intercept cleans up', () => {
  /** Lives in turn; the first one without a fault. */
  async function livesOf(ground: Ground, mode: string, when: string): Promise<readonly Life[]> {
    const { ipv4, ipv6 } = ground.target;
    const lives = ground.run([process.execPath, LIVES, mode, when, ipv4, ipv6]);
    await until('all lives are over', () => lives.hasEnded(), LIVES_MS);
    expect(lives.exitCode(), lives.output()).toBe(0);
    const lines = lives.output().trim().split('\n');
    const all = lines.map((line) => JSON.parse(line) as Life);
    expect(all[0]).toMatchObject({ code: 0, text: '', left: [] });
    expect(all[0]?.calls).toBeGreaterThan(8);
    expect(all).toHaveLength((all[0]?.calls ?? 0) + 1);
    return all;
  }

  describe.each(['nfqueue', 'sink'])('in mode %s', (mode) => {
    test.for(['instead of', 'after'])(
      'when a tool fails %s doing its work, whichever call it is',
      { timeout: LIVES_MS },
      async (when, { onTestFinished }) => {
        const lives = await livesOf(await Ground.make(onTestFinished), mode, when);
        const wrong = lives.filter(({ left, code, still, text }) => {
          const isTold = code !== 0 && text.includes('made to fail') && still.length === 0;
          return left.length > 0 && !isTold;
        });
        expect(wrong).toEqual([]);
        const remained = lives.filter(({ left }) => left.length > 0);
        if (when === 'instead of') {
          expect(remained.length).toBeGreaterThan(0);
          expect(remained.map(({ code }) => code)).toContain(1);
        } else {
          // Where a change was made all the same, nothing remains; but what cannot be read does.
          expect(remained.filter(({ call }) => !/ -S /.test(call ?? ''))).toEqual([]);
        }
      },
    );

    test(
      'told to end at any stage of its start and end',
      async ({ onTestFinished }) => {
        const lives = await livesOf(await Ground.make(onTestFinished), mode, 'abort');
        expect(lives.filter(({ left, code }) => left.length > 0 || code !== 0)).toEqual([]);
      },
      LIVES_MS,
    );

    test.for(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const)(
      'after %s',
      async (signal, { onTestFinished }) => {
        const ground = await Ground.make(onTestFinished);
        const { target } = ground;
        const pidFile = join(makeFolder('pid').path, 'pid');
        const intercept = await ground.intercept(mode, { pidFile });
        const replay = ground.run([
          ...[process.execPath, REGISTER, '127.0.0.1', String(PORT)],
          ...['198.18.0.0/15', `${target.ipv4} 80`],
        ]);
        const isAnswered = (): boolean => /registered|refused/.test(replay.output());
        await until('it is answered', isAnswered, READY_MS);
        expect(replay.output()).toContain('registered');
        // The whole pool is one block: one rule for replies, one for ICMP in each chain, or one route.
        const installed = (await leftovers(target)).join('\n');
        expect(installed.match(/198\.18\.0\.0\/15/g)).toHaveLength(mode === 'sink' ? 1 : 3);
        await endBy(signal, intercept);
        expect(intercept.exitCode(), intercept.output()).toBe(0);
        expect(await leftovers(target)).toEqual([]);
        expect(existsSync(pidFile)).toBe(false);
      },
    );
  });

  test('when the last that it prepares fails: a pid file that cannot be written', async ({
    onTestFinished,
  }) => {
    const ground = await Ground.make(onTestFinished);
    const pidFile = join(makeFolder('pid').path, 'none', 'pid');
    const files = ['--pid-file', pidFile, '--metrics', '127.0.0.1:36702'];
    const argv = [process.execPath, COMMAND, 'intercept', '--mode', 'sink', ...files];
    const intercept = ground.run(argv);
    await until('it has ended', () => intercept.hasEnded(), READY_MS);
    expect(intercept.output()).toContain(`--pid-file ${pidFile} cannot be written: ENOENT`);
    expect(intercept.exitCode()).toBe(4);
    expect(await leftovers(ground.target)).toEqual([]);
  });

  test('and what it cannot remove ends it with 1, and is told with what removes it', async ({
    onTestFinished,
  }) => {
    const ground = await Ground.make(onTestFinished);
    const { path } = makeFolder('tools');
    const real = findTool('ip') ?? 'ip';
    const script = `#!/bin/sh
case "$*" in "link del"*) echo 'device is busy' >&2; exit 2;; esac
exec ${real} "$@"
`;
    writeFileSync(join(path, 'ip'), script);
    chmodSync(join(path, 'ip'), 0o755);
    const intercept = await ground.intercept('sink', { path });
    await endBy('SIGTERM', intercept);
    expect(intercept.exitCode()).toBe(1);
    const last = intercept.output().trim().split('\n').at(-1) ?? '';
    // The log is JSON, its last line included.
    const { msg, mend } = JSON.parse(last) as { msg: string; mend: string };
    expect(msg).toContain('the sink gryphon-s0 and its routes are left: device is busy');
    expect(mend).toContain('remove them: ip link del');
    expect(await leftovers(ground.target)).not.toEqual([]);
  });
});
