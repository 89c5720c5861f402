import { describe, expect, test } from 'vitest';
import { runCommand } from '../../src/io/commands.ts';
import { readSetting, settingName } from '../../src/io/sysctl.ts';

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

  test('that is not there is missing', () => {
    expect(runCommand('no-such-tool-anywhere', [])).toEqual({
      failure: expect.stringContaining('no-such-tool-anywhere'),
      isMissing: true,
    });
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
