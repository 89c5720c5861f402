import { describe, expect, test } from 'vitest';
import { type Command, parseCommandLine } from '../../src/cli/command-line.ts';
import { loadCommands } from '../../src/cli/commands.ts';
import { ExitCode } from '../../src/cli/exit-codes.ts';
import { unknownVariables } from '../../src/cli/given-options.ts';
import { list, onOff, optionTable, type ValueKind, value } from '../../src/cli/options/option.ts';
import { UsageError } from '../../src/cli/usage-error.ts';
import { fakeContext } from './fake-context.ts';

const COMMANDS = await loadCommands();

const TEXT: ValueKind<string> = { form: 'N', parse: (text) => text, example: '5' };

const COMMAND: Command = {
  name: 'play',
  describe: 'Play something',
  positional: 'file',
  table: optionTable({
    users: value(TEXT, { letter: 'u', group: 'A', help: 'users' }),
    map: list(TEXT, { letter: 'x', group: 'A', help: 'maps' }),
    quiet: onOff({ group: 'A', help: 'Quiet', otherwise: 'loud' }),
    maxGap: value(TEXT, { group: 'A', help: 'at most' }),
  }),
  elsewhere: new Map([['m', 'is the old spelling: write --map']]),
  examples: [['$0 play x', 'Plays x']],
  run: async () => ExitCode.OK,
};

async function line(args: readonly string[], env: Record<string, string> = {}) {
  const context = { args, env, columns: null, version: '1.2.3' };
  return parseCommandLine([COMMAND], context);
}

async function given(args: readonly string[], env: Record<string, string> = {}) {
  const found = await line(['play', ...args], env);
  if ('output' in found) throw new Error(`no command, but: ${found.output}`);
  return found;
}

/** What is wrong with a line, however it comes to light. */
async function faultsOf(args: readonly string[], look: readonly string[] = []) {
  try {
    const { given: options, faults } = await given(args);
    for (const name of look) options.text(name);
    for (const { name, takes } of Object.values(COMMAND.table)) {
      if (takes === 'switch') options.switch(name);
    }
    faults.throwIfAny();
  } catch (error) {
    if (error instanceof UsageError) return error.faults;
    throw error;
  }
  return [];
}

describe('options', () => {
  test.each([
    { args: ['--users', '5'], label: '--users' },
    { args: ['--users=5'], label: '--users' },
    { args: ['-u', '5'], label: '--users' },
    { args: ['-u5'], label: '--users' },
    { args: ['x', '--users', '4', 'y', '-u', '5'], label: '--users' },
  ])('$args gives the value as it was written, the last one counting', async ({ args, label }) => {
    expect((await given(args)).given.text('users')).toEqual({ label, text: '5' });
  });

  test('what looks like a number stays text', async () => {
    const { given: options } = await given(['1e3', '--users', '0x10', '0077']);
    expect(options.text('users')?.text).toBe('0x10');
    expect(options.positionals('file')).toEqual(['1e3', '0077']);
  });

  test('a negative number and a lone dash are values', async () => {
    const { given: options } = await given(['--users', '-5', '--max-gap', '-']);
    expect(options.text('users')?.text).toBe('-5');
    expect(options.text('max-gap')?.text).toBe('-');
  });

  test('a list is taken apart at its commas and may be repeated', async () => {
    const { given: options } = await given(['-x', 'a,b', '--map', 'c']);
    expect(options.texts('map').map(({ text }) => text)).toEqual(['a', 'b', 'c']);
  });

  test('a switch is on, off or not given', async () => {
    expect((await given(['--quiet'])).given.switch('quiet')).toBe(true);
    expect((await given(['--quiet', '--quiet'])).given.switch('quiet')).toBe(true);
    expect((await given(['--no-quiet'])).given.switch('quiet')).toBe(false);
    expect((await given([])).given.switch('quiet')).toBe(null);
  });

  test('a switch may be given as true or false', async () => {
    expect((await given(['--quiet=true'])).given.switch('quiet')).toBe(true);
    expect((await given(['--quiet=false'])).given.switch('quiet')).toBe(false);
    const { faults } = await given(['--', '--quiet=maybe']);
    expect(() => faults.throwIfAny()).not.toThrow();
  });

  test('a switch does not swallow the argument behind it', async () => {
    const { given: options } = await given(['--quiet', 'x']);
    expect(options.positionals('file')).toEqual(['x']);
  });

  test('what follows -- is no option', async () => {
    const { given: options } = await given(['a', '--', '-u', '--quiet']);
    expect(options.positionals('file')).toEqual(['a', '-u', '--quiet']);
    expect(options.text('users')).toBe(null);
  });
});

describe('the environment', () => {
  test('stands in for an option that is not given, under its own name', async () => {
    const { given: options } = await given([], { GRYPHON_MAX_GAP: '5s', GRYPHON_MAP: 'a,b' });
    expect(options.text('max-gap')).toEqual({ label: 'GRYPHON_MAX_GAP', text: '5s' });
    expect(options.texts('map')).toHaveLength(2);
  });

  test('gives way to a flag', async () => {
    const { given: options } = await given(['-u', '5', '--no-quiet'], {
      GRYPHON_USERS: '6',
      GRYPHON_QUIET: '1',
    });
    expect(options.text('users')?.text).toBe('5');
    expect(options.switch('quiet')).toBe(false);
    expect(options.sourceOf('users')).toBe('flag');
  });

  test('is as good as absent when it is empty', async () => {
    const { given: options } = await given([], { GRYPHON_USERS: '', GRYPHON_QUIET: '' });
    expect(options.text('users')).toBe(null);
    expect(options.switch('quiet')).toBe(null);
    expect(options.sourceOf('users')).toBe(null);
  });

  test.each([
    ['1', true],
    ['true', true],
    ['ON', true],
    ['0', false],
    ['no', false],
  ])('GRYPHON_QUIET=%s is read as %s', async (text, expected) => {
    const { given: options } = await given([], { GRYPHON_QUIET: text });
    expect(options.switch('quiet')).toBe(expected);
  });

  test('a switch that is neither on nor off is a fault', async () => {
    const { given: options, faults } = await given([], { GRYPHON_QUIET: 'perhaps' });
    expect(options.switch('quiet')).toBe(null);
    expect(() => faults.throwIfAny()).toThrow("GRYPHON_QUIET: 'perhaps' is neither on nor off");
  });
});

describe('a variable that stands for no option', () => {
  const VARIABLES = { options: ['users', 'max-gap'], others: ['GRYPHON_TOKEN'] };
  test.each([
    { name: 'GRYPHON_USRES', guess: 'did you mean GRYPHON_USERS?' },
    { name: 'GRYPHON_MAXGAP', guess: 'did you mean GRYPHON_MAX_GAP?' },
    { name: 'GRYPHON_XYZZY', guess: 'see --help' },
  ])('$name is told', ({ name, guess }) => {
    expect(unknownVariables({ [name]: '5' }, VARIABLES)).toEqual([
      `${name} stands for no option and is ignored; ${guess}`,
    ]);
  });

  test.each(['GRYPHON_MAX_GAP', 'GRYPHON_TOKEN', 'USERS', 'NOT_GRYPHON_USRES'])(
    '%s is not one',
    (name) => {
      expect(unknownVariables({ [name]: '5' }, VARIABLES)).toEqual([]);
    },
  );
});

describe('what is wrong with a line', () => {
  test.each([
    { args: ['--usres', '5'], what: 'unknown option --usres', hint: 'did you mean --users?' },
    { args: ['--xyzzy'], what: 'unknown option --xyzzy', hint: 'see --help' },
    { args: ['--maxgap', '5'], what: 'unknown option --maxgap', hint: 'did you mean --max-gap?' },
    { args: ['--max_gap', '5'], what: 'unknown option --max_gap', hint: 'did you mean --max-gap?' },
    { args: ['-z'], what: 'unknown option -z', hint: 'see --help' },
    { args: ['-U', '1'], what: 'unknown option -U', hint: 'did you mean -u?' },
    { args: ['--constructor', '1'], what: 'unknown option --constructor', hint: 'see --help' },
    { args: ['--no-toString'], what: 'unknown option --toString', hint: 'see --help' },
    { args: ['--users='], what: '--users needs a value', hint: null },
    { args: ['--users', ''], what: '--users needs a value', hint: null },
    {
      args: ['--quiet=maybe'],
      what: "--quiet: 'maybe' is neither on nor off",
      hint: 'write --quiet or --no-quiet',
    },
    { args: ['-m', '1'], what: '-m is the old spelling: write --map', hint: null },
    { args: ['--users'], what: '--users needs a value', hint: 'see --help' },
    { args: ['-u'], what: '-u needs a value', hint: 'see --help' },
    { args: ['--users', '--quiet'], what: '--users needs a value', hint: 'see --help' },
    { args: ['--no-users'], what: '--users needs a value', hint: null },
  ])('$args', async ({ args, what, hint }) => {
    expect(await faultsOf(args, ['users'])).toEqual([{ what, hint }]);
  });

  test('every unknown option is named', async () => {
    const faults = await faultsOf(['--foo', '--bar', '-z']);
    expect(faults.map(({ what }) => what)).toEqual([
      'unknown option --foo',
      'unknown option --bar',
      'unknown option -z',
    ]);
  });

  test.each([
    { args: [], what: 'no command given' },
    { args: ['pley', 'x'], what: 'unknown command pley', hint: 'did you mean gryphon play?' },
    { args: ['report', 'x'], what: 'unknown command report', hint: /^commands are play/ },
    { args: ['--quiet', 'play'], what: 'no command given', hint: /^write the command first/ },
  ])('the line $args', async ({ args, what, hint }) => {
    const fault = await line(args).catch((error: unknown) => (error as UsageError).faults.at(0));
    expect(fault).toMatchObject({ what });
    if (hint !== undefined) expect(fault).toHaveProperty('hint', expect.stringMatching(hint));
  });
});

describe('what needs no command', () => {
  test.each([
    { args: ['--version'], text: '1.2.3\n' },
    { args: ['play', '--version'], text: '1.2.3\n' },
  ])('$args prints the version alone', async ({ args, text }) => {
    expect(await line(args)).toEqual({ output: text });
  });

  test.each([[['--help']], [['-h']], [['help']], [['nonsense', '-h']]])(
    '%s prints the general help',
    async (args) => {
      expect(await line(args)).toMatchObject({ output: expect.stringContaining('Commands:') });
    },
  );

  test.each([
    [['play', '--help']],
    [['play', 'x', '--users', '5', '-h']],
    [['play', '--nonsense', '-h']],
    [['help', 'play']],
  ])('%s prints the command’s help', async (args) => {
    const found = await line(args);
    expect(found).toMatchObject({ output: expect.stringMatching(/-u, --users +N users/) });
    expect(found).toMatchObject({ output: expect.stringContaining('gryphon play x  Plays x') });
  });
});

describe('the real commands', () => {
  test('no letter stands for two options, and no name is given twice', () => {
    for (const { table, elsewhere } of COMMANDS) {
      const names = Object.values(table).flatMap(({ name, letter }) => [
        name,
        ...(letter ? [letter] : []),
      ]);
      expect(new Set(names).size).toBe(names.length);
      expect(names.filter((name) => elsewhere.has(name))).toEqual([]);
      expect(names).not.toContain('h');
    }
  });

  test('--help --explain says more of each option than --help', () => {
    const helpOf = (...args: string[]): string => {
      const found = parseCommandLine(
        COMMANDS,
        fakeContext({ args: ['replay', '--help', ...args] }),
      );
      return 'output' in found ? found.output.replace(/\s+/g, ' ') : '';
    };
    const said = 'the same seed repeats a run against the embedded target';
    expect(helpOf()).not.toContain(said);
    expect(helpOf('--explain')).toContain(said);
  });

  test('no line of help is wider than 100 columns', async () => {
    for (const args of [['--help'], ['replay', '--help'], ['inspect', '--help']]) {
      const found = parseCommandLine(COMMANDS, {
        args,
        env: {},
        columns: null,
        version: '1',
      });
      const lines = 'output' in found ? found.output.split('\n') : [];
      expect(lines.length).toBeGreaterThan(10);
      for (const each of lines) expect(each.length).toBeLessThanOrEqual(100);
    }
  });
});
