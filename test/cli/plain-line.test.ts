import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Command, type CommandLine, parseCommandLine } from '../../src/cli/command-line.ts';
import { loadCommands } from '../../src/cli/commands.ts';
import { plainCommandLine } from '../../src/cli/plain-line.ts';
import { type FaultList, UsageError } from '../../src/cli/usage-error.ts';

const COMMANDS = await loadCommands();

const contextOf = (args: readonly string[]) => ({ args, env: {}, columns: null, version: '1.2.3' });

function faultsOf(list: FaultList): unknown {
  try {
    list.throwIfAny();
  } catch (error) {
    if (error instanceof UsageError) return error.faults;
    throw error;
  }
  return [];
}

/** All that a command may ask of its line. */
function meaningOf({ table, positional }: Command, line: CommandLine): unknown {
  if ('output' in line) return line.output;
  const { command, given, faults } = line;
  const options = Object.values(table).map(({ name, takes }) => [
    name,
    given.sourceOf(name),
    takes === 'switch' ? given.switch(name) : given.texts(name).map(({ text }) => text),
    given.labelOf(name),
  ]);
  const left = positional === null ? [] : given.positionals(positional);
  return { name: command.name, options, left, origins: given.origins(), faults: faultsOf(faults) };
}

/** Options in every spelling, values of every look, and words that are neither. */
const argsOf = ({ table }: Command): fc.Arbitrary<readonly string[]> => {
  const rows = Object.values(table);
  const spelling = fc.constantFrom(
    ...rows.flatMap(({ name, letter, alias, offAlias, takes }) => [
      `--${name}`,
      ...(letter === undefined ? [] : [`-${letter}`, `-${letter}5`]),
      ...(alias === undefined ? [] : [`--${alias}`]),
      ...(offAlias === undefined ? [] : [`--${offAlias}`]),
      ...(takes === 'switch' ? [`--no-${name}`, `--${name}=true`] : [`--${name}=5`]),
    ]),
  );
  const text = fc.oneof(
    fc.constantFrom(
      '-',
      'x.pcap',
      '10.0.0.5:80',
      'a,b',
      'a=b',
      '5',
      '0x10',
      '1e3',
      '-1',
      '',
      "'q'",
      '"q"',
    ),
    fc.constantFrom(
      'true',
      'false',
      'help',
      '--',
      '--help',
      '-h',
      '--no-such',
      'replay',
      'a b',
      'ü',
    ),
    fc.string({ maxLength: 4 }),
  );
  const value = fc.constantFrom(...rows.filter(({ takes }) => takes !== 'switch'));
  const pair = fc.tuple(
    value.map(({ name, letter }) => (letter === undefined ? `--${name}` : `-${letter}`)),
    text,
  );
  return fc
    .array(
      fc.oneof(
        pair,
        spelling.map((each) => [each]),
        text.map((each) => [each]),
      ),
      { maxLength: 6 },
    )
    .map((parts) => parts.flat());
};

describe.each(COMMANDS.map((command) => [command.name, command] as const))(
  'gryphon %s',
  (name, command) => {
    test('a line that is read without yargs means the same to it', () => {
      let plain = 0;
      fc.assert(
        fc.property(argsOf(command), (args) => {
          const context = contextOf([name, ...args]);
          const line = plainCommandLine(COMMANDS, context);
          if (line === null) return;
          plain++;
          expect(meaningOf(command, line)).toEqual(
            meaningOf(command, parseCommandLine(COMMANDS, context)),
          );
        }),
        { numRuns: 60 },
      );
      expect(plain).toBeGreaterThan(0);
    });

    test('each of its options may stand in such a line', () => {
      for (const { name: option, takes } of Object.values(command.table)) {
        const args = [name, `--${option}`, ...(takes === 'switch' ? [] : ['x'])];
        expect(plainCommandLine(COMMANDS, contextOf(args)), args.join(' ')).not.toBeNull();
      }
    });
  },
);

test.each([
  [[]],
  [['--help']],
  [['help', 'replay']],
  [['replay', '--help']],
  [['replay', '-h']],
  [['replay', 'x.pcap', 'help']],
  [['replay', '--users']],
  [['replay', '--users', '--seed', '5']],
  [['replay', '--userz', '5']],
  [['replay', '--constructor']],
  [['replay', '-u5']],
  [['replay', '--', 'x.pcap']],
  [['replay', '--quiet', 'false']],
  [['completion', 'bash']],
  [['--version']],
  [['rep']],
])('yargs sees %j', (args) => {
  expect(plainCommandLine(COMMANDS, contextOf(args))).toBeNull();
});
