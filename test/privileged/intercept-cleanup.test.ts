/**
 * What an intercept leaves behind when the tools that it runs fail, each call in turn, before or
 * after they have done their work; and when it is told to end at each stage of its start and end.
 * Whatever remains is told, with a command that removes it, and the exit code is not 0.
 */
import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { leftovers } from '../helpers/intercept.ts';
import { type Lab, makeLab, mustInside, startInside } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { findTool, type Running, until } from '../helpers/process.ts';
import { makeFolder } from '../helpers/servers.ts';

const COMMAND = fileURLToPath(new URL('../../bin/gryphon.js', import.meta.url));
const LIVES = fileURLToPath(new URL('../helpers/intercept-lives.mjs', import.meta.url));
const REGISTER = fileURLToPath(new URL('../helpers/register-child.mjs', import.meta.url));
const PORT = 36_701;
const TOOLS = ['ip', 'iptables', 'ip6tables', 'iptables-restore', 'ip6tables-restore'];
/** Some thirty lives of a second each, and several times that on a busy machine. */
const LIVES_MS = 400_000;

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

describe.runIf(canRun('clean-up of intercepts', TOOLS))('an intercept cleans up', () => {
  let lab: Lab;
  const running: Running[] = [];

  beforeEach(async () => {
    lab = await makeLab();
    await mustInside(lab.target, ['ip', 'route', 'add', 'default', 'via', lab.client.ipv4]);
    await mustInside(lab.target, ['ip', '-6', 'route', 'add', 'default', 'via', lab.client.ipv6]);
  });

  afterEach(async () => {
    for (const each of running.splice(0)) await each.stop('SIGKILL');
    await lab.close();
  });

  /** Lives in turn; the first one without a fault. */
  async function livesOf(mode: string, when: string): Promise<readonly Life[]> {
    const { target } = lab;
    const argv = [process.execPath, LIVES, mode, when, target.ipv4, target.ipv6];
    const lives = startInside(target, argv);
    running.push(lives);
    await until('all lives are over', () => lives.hasEnded(), LIVES_MS);
    expect(lives.exitCode(), lives.output()).toBe(0);
    // `ip` says so of a namespace that another test is just removing, and goes on.
    const lines = lives
      .output()
      .trim()
      .split('\n')
      .filter((line) => line !== 'Error: Peer netns reference is invalid.');
    const all = lines.map((line) => JSON.parse(line) as Life);
    expect(all[0]).toMatchObject({ code: 0, text: '', left: [] });
    expect(all[0]?.calls).toBeGreaterThan(8);
    expect(all).toHaveLength((all[0]?.calls ?? 0) + 1);
    return all;
  }

  describe.each(['nfqueue', 'sink'])('in mode %s', (mode) => {
    test.each(['instead of', 'after'])(
      'when a tool fails %s doing its work, whichever call it is',
      async (when) => {
        const lives = await livesOf(mode, when);
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
      LIVES_MS,
    );

    test(
      'told to end at any stage of its start and end',
      async () => {
        const lives = await livesOf(mode, 'abort');
        expect(lives.filter(({ left, code }) => left.length > 0 || code !== 0)).toEqual([]);
      },
      LIVES_MS,
    );

    test.each(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const)('after %s', async (signal) => {
      const pidFile = join(makeFolder('pid').path, 'pid');
      const intercept = start(mode, { pidFile });
      await isReady(intercept);
      const replay = startInside(lab.target, [
        ...[process.execPath, REGISTER, '127.0.0.1', String(PORT)],
        ...['198.18.0.0/15', `${lab.target.ipv4} 80`],
      ]);
      running.push(replay);
      await until('it is answered', () => /registered|refused/.test(replay.output()), 30_000);
      expect(replay.output()).toContain('registered');
      // The whole pool is one block: one rule for replies, one for ICMP in each chain, or one route.
      const installed = (await leftovers(lab.target)).join('\n');
      expect(installed.match(/198\.18\.0\.0\/15/g)).toHaveLength(mode === 'sink' ? 1 : 3);
      await intercept.stop(signal);
      expect(intercept.exitCode(), intercept.output()).toBe(0);
      expect(await leftovers(lab.target)).toEqual([]);
      expect(existsSync(pidFile)).toBe(false);
    });
  });

  test('and what it cannot remove ends it with 1, and is told with what removes it', async () => {
    const { path } = makeFolder('tools');
    const real = findTool('ip') ?? 'ip';
    const script = `#!/bin/sh
case "$*" in "link del"*) echo 'device is busy' >&2; exit 2;; esac
exec ${real} "$@"
`;
    writeFileSync(join(path, 'ip'), script);
    chmodSync(join(path, 'ip'), 0o755);
    const intercept = start('sink', { path });
    await isReady(intercept);
    await intercept.stop();
    expect(intercept.exitCode()).toBe(1);
    const last = intercept.output().trim().split('\n').at(-1) ?? '';
    // The log is JSON, its last line included.
    const { msg, mend } = JSON.parse(last) as { msg: string; mend: string };
    expect(msg).toContain('the sink gryphon-s0 and its routes are left: device is busy');
    expect(mend).toContain('remove them: ip link del');
    expect(await leftovers(lab.target)).not.toEqual([]);
  });

  function start(mode: string, { path = '', pidFile = '' }): Running {
    const argv = [process.execPath, COMMAND, 'intercept', '--mode', mode, '--listen', String(PORT)];
    const env = { ...process.env, PATH: `${path}:${process.env.PATH}` };
    const files = pidFile === '' ? [] : ['--pid-file', pidFile];
    const started = startInside(lab.target, [...argv, ...files], { env });
    running.push(started);
    return started;
  }

  const isReady = (intercept: Running): Promise<void> =>
    until(
      'it is ready',
      () => {
        if (intercept.hasEnded()) throw new Error(intercept.output());
        return intercept.output().includes('"msg":"ready"');
      },
      30_000,
    );
});
