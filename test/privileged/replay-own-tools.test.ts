/**
 * What the rule for own addresses leaves behind when the tools that make it fail, each call in turn, before or
 * after they have done their work. Whatever remains is told, with a command that removes it, and the exit code is
 * not 0.
 */
import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { makeLab, mustInside } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { findTool, run } from '../helpers/process.ts';
import { fixture, replay } from '../helpers/replay.ts';
import { makeFolder, startNginx } from '../helpers/servers.ts';

const LIVES = fileURLToPath(new URL('../helpers/reply-drop-lives.mjs', import.meta.url));
const TOOLS = ['unshare', 'ip', 'iptables', 'ip6tables', 'iptables-restore', 'nft', 'nginx'];
/** Nine lives at most, and a busy machine. */
const LIVES_MS = 120_000;

/** A line of reply-drop-lives.mjs. */
interface Life {
  readonly call: string | null;
  readonly calls: number;
  readonly code: number;
  readonly text: string;
  readonly inForce: readonly string[];
  readonly left: readonly string[];
  /** Of what a killed run had left. */
  readonly dead: readonly string[];
  readonly still: readonly string[];
}

describe.runIf(canRun('tools of own addresses', TOOLS))('the rule for own addresses', () => {
  describe.each(['iptables', 'nft'])('made by %s', (tool) => {
    test.each(['instead of', 'after'])(
      'when a tool fails %s doing its work, whichever call it is',
      async (when) => {
        const lives = await run(['unshare', '-n', process.execPath, LIVES, tool, when]);
        expect(lives).toMatchObject({ code: 0, stderr: '' });
        const all = lives.stdout
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as Life);
        expect(all[0]).toMatchObject({ code: 0, text: '', left: [] });
        expect(all).toHaveLength((all[0]?.calls ?? 0) + 1);
        expect(all.length).toBeGreaterThan(4);
        const wrong = all.filter(({ code, text, inForce, left, still }) => {
          const isTold = code === 1 && text.includes('made to fail') && still.length === 0;
          // Either there was a rule, and one alone, or it is said why there was none.
          const isMade = code === 4 ? inForce.length === 0 : inForce.length === 1;
          return !isMade || (left.length > 0 && !isTold);
        });
        expect(wrong).toEqual([]);
        if (when === 'instead of') expect(all.some(({ left }) => left.length > 0)).toBe(true);
        // What is told to be left is left.
        expect(all.filter(({ code, left }) => code === 1 && left.length === 0)).toEqual([]);
        if (tool === 'iptables') expect(all[0]?.dead).toEqual([]);
      },
      LIVES_MS,
    );
  });

  test('that cannot be taken away ends the run with 1, and its reports are written', async ({
    onTestFinished,
  }) => {
    const lab = await makeLab();
    onTestFinished(() => lab.close());
    const nginx = await startNginx(lab.target);
    onTestFinished(() => nginx.stop());
    const { path } = makeFolder('tools');
    const real = findTool('iptables-restore') ?? 'iptables-restore';
    const script = `#!/bin/sh
rules=$(cat)
case "$rules" in *'-D PREROUTING'*) echo 'table is busy' >&2; exit 4;; esac
printf '%s\\n' "$rules" | ${real} "$@"
`;
    writeFileSync(join(path, 'iptables-restore'), script);
    chmodSync(join(path, 'iptables-restore'), 0o755);
    const out = join(path, 'out');
    const options = ['--target', `${lab.target.ipv4}:80`, '--clients', 'own', '--out', out];
    const prefix = ['env', `PATH=${path}:${process.env.PATH}`];
    const replayed = await replay(
      lab.client,
      [fixture('http-short.pcap'), '--users', '20', ...options],
      { prefix },
    );
    expect(replayed.stderr).toContain('its iptables rules are left in PREROUTING');
    expect(replayed.stderr).toContain(
      'table is busy; remove them: iptables -w -t raw -S PREROUTING',
    );
    expect(replayed.code).toBe(1);
    expect(replayed.stdout).toContain('all 20 users completed');
    expect(existsSync(join(out, 'result.json'))).toBe(true);
    expect(await mustInside(lab.client, ['iptables', '-t', 'raw', '-S'])).toContain('gryphon:');
  });
});
