import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { toArguments } from '../../src/api/arguments.ts';
import { INSPECT_TABLE } from '../../src/cli/options/inspect-table.ts';
import { REPLAY_TABLE } from '../../src/cli/options/replay-table.ts';

/** What only a program can give. */
const PROGRAM_ONLY = ['captures', 'signal', 'onWarning'];

const OPTIONS = new URL('../../src/api/options.ts', import.meta.url).pathname;
const program = ts.createProgram([OPTIONS], { allowImportingTsExtensions: true, noEmit: true });

/** The members of an interface of src/api/options.ts, those that it inherits included. */
function membersOf(name: string): string[] {
  const file = program.getSourceFile(OPTIONS);
  const found = file?.statements.find(
    (node): node is ts.InterfaceDeclaration =>
      ts.isInterfaceDeclaration(node) && node.name.text === name,
  );
  if (found === undefined) throw new Error(`there is no interface ${name}`);
  return program
    .getTypeChecker()
    .getTypeAtLocation(found)
    .getProperties()
    .map((property) => property.name)
    .filter((member) => !PROGRAM_ONLY.includes(member));
}

const flagsOf = (members: readonly string[]): string[] =>
  toArguments(Object.fromEntries(members.map((member) => [member, true])), REPLAY_TABLE)
    .map((argument) => argument.slice(2))
    .sort();

test.each([
  { name: 'ReplayOptions', table: REPLAY_TABLE },
  { name: 'InspectOptions', table: INSPECT_TABLE },
])('$name has the options of the command, but for those about output', ({ name, table }) => {
  const flags = Object.values(table)
    .filter(({ isCommandOnly }) => !isCommandOnly)
    .map((option) => option.name);
  expect(flagsOf(membersOf(name))).toEqual(flags.sort());
});

describe('options as arguments', () => {
  test.each([
    { options: { users: 100 }, gives: ['--users=100'] },
    { options: { maxGap: '5s', accel: 0.5 }, gives: ['--max-gap=5s', '--accel=0.5'] },
    { options: { timestamps: false, arp: true }, gives: ['--no-timestamps', '--arp'] },
    { options: { map: ['80-a:1', '81-b:2'] }, gives: ['--map=80-a:1', '--map=81-b:2'] },
    { options: { clients: ['10.0.0.1', '10.0.0.2'] }, gives: ['--clients=10.0.0.1,10.0.0.2'] },
    { options: { users: undefined }, gives: [] },
    { options: { filter: '-x and --y' }, gives: ['--filter=-x and --y'] },
  ])('$options', ({ options, gives }) => expect(toArguments(options, REPLAY_TABLE)).toEqual(gives));
});
