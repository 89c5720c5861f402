import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCommand } from '../../src/io/way/commands.ts';
import { readSetting, settingName } from '../../src/io/way/sysctl.ts';

describe('a tool', () => {
  test('is given its input, and its output comes back', () => {
    expect(runCommand('cat', [], 'a\nb\n')).toEqual({ failure: null, stdout: 'a\nb\n' });
  });

  test('that fails says why in one line', () => {
    const answer = runCommand('sh', ['-c', 'echo no rule >&2; echo no chain >&2; exit 3']);
    expect(answer).toEqual({ failure: 'no rule; no chain', isMissing: false });
  });

  test('that fails without a word is named', () => {
    expect(runCommand('false', [])).toEqual({
      failure: expect.stringContaining('false'),
      isMissing: false,
    });
  });

  test('is in a session of its own, so that Ctrl-C does not cut its work in two', () => {
    const answer = runCommand('sh', ['-c', 'cut -d " " -f 1,6 /proc/$$/stat']);
    const [pid, session] = answer.failure === null ? answer.stdout.trim().split(' ') : [];
    expect(Number(pid)).toBeGreaterThan(1);
    expect(session).toBe(pid);
  });

  test('that is not there is missing', () => {
    expect(runCommand('no-such-tool-anywhere', [])).toEqual({
      failure: expect.stringContaining('no-such-tool-anywhere'),
      isMissing: true,
    });
  });
});

describe('a PATH with a folder that cannot be read', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'gryphon-path-'));
    chmodSync(folder, 0o755);
    mkdirSync(join(folder, 'closed'), { mode: 0 });
    mkdirSync(join(folder, 'open'));
    writeFileSync(join(folder, 'open/not-for-you'), '', { mode: 0o644 });
  });
  afterAll(() => {
    chmodSync(join(folder, 'closed'), 0o700);
    rmSync(folder, { recursive: true });
  });

  /** Run as an ordinary user where the test is root's: root reads every folder. */
  const answerOf = (tool: string): unknown => {
    const script = `
      await import('./test/helpers/typescript.mjs');
      const { runCommand } = await import('./src/io/way/commands.ts');
      const isRoot = process.getuid() === 0;
      if (isRoot) process.setegid(65534), process.seteuid(65534);
      process.env.PATH = '${folder}/closed:${folder}/open:/usr/bin:/bin';
      console.log(JSON.stringify(runCommand('${tool}', [])));`;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    return JSON.parse(stdout);
  };

  test.each([
    { tool: 'no-such-tool-anywhere', isMissing: true },
    { tool: 'not-for-you', isMissing: false },
  ])('$tool is missing: $isMissing', ({ tool, isMissing }) => {
    expect(answerOf(tool)).toEqual({ failure: expect.stringContaining(tool), isMissing });
  });
});

describe('a setting', () => {
  test('of an interface with dots in its name is written with slashes', () => {
    expect(settingName('net', 'ipv4', 'conf', 'eth0.5', 'forwarding')).toBe(
      'net.ipv4.conf.eth0/5.forwarding',
    );
  });

  test('that the kernel does not have counts as 0', () => {
    expect(readSetting('net', 'ipv4', 'conf', 'no-such-interface', 'forwarding')).toBe(0);
  });

  test('is a number', () => expect(readSetting('kernel', 'pid_max')).toBeGreaterThan(300));
});
