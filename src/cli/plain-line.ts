/**
 * Command lines as nearly all are: a command, its options in the table's own spelling, and arguments. They
 * are read here, and mean what they mean to yargs, which takes 50 files and 100 ms of CPU to load. Whatever
 * is out of the ordinary (help, faults, abbreviations, quotes) is left to that, and to its words.
 */
import type { Command, CommandLine } from './command-line.ts';
import type { Context } from './context.ts';
import { GivenOptions } from './given-options.ts';
import type { Option } from './options/option.ts';
import { FaultList } from './usage-error.ts';

/** Words that yargs takes for more than arguments. */
const WORDS_OF_MEANING: ReadonlySet<string> = new Set(['help', 'true', 'false']);

/** Options by how they are written: `--users`, `-u`. */
interface Spellings {
  readonly options: ReadonlyMap<string, Option>;
  readonly switchedOff: ReadonlyMap<string, Option>;
}

/**
 * Reads the command line of a context.
 * @returns null where yargs has to see it
 */
export function plainCommandLine(
  commands: readonly Command[],
  { args, env }: Pick<Context, 'args' | 'env'>,
): CommandLine | null {
  const [name, ...rest] = args;
  const command = commands.find((each) => each.name === name);
  if (command === undefined) return null;
  const words = new Map<string, unknown>();
  const left = readOptions(rest, spellingsOf(command), words);
  if (left === null || (left.length > 0 && command.positional === null)) return null;
  if (command.positional !== null) words.set(command.positional, left);
  const parsed = { ...Object.fromEntries(words), _: [name] };
  const { table } = command;
  const faults = new FaultList();
  return { command, faults, given: new GivenOptions({ table, parsed, env, faults }) };
}

function spellingsOf({ table }: Command): Spellings {
  const rows = Object.values(table);
  return {
    options: new Map(
      rows.flatMap((option) => [
        [`--${option.name}`, option] as const,
        ...(option.letter === undefined ? [] : [[`-${option.letter}`, option] as const]),
      ]),
    ),
    switchedOff: new Map(
      rows.flatMap((option) =>
        option.takes === 'switch' ? [[`--no-${option.name}`, option] as const] : [],
      ),
    ),
  };
}

/**
 * Puts options' values down by name: texts, all of them where an option is repeated, and of switches the last one.
 * @returns the arguments; null where something is out of the ordinary
 */
function readOptions(
  args: readonly string[],
  { options, switchedOff }: Spellings,
  values: Map<string, unknown>,
): readonly string[] | null {
  const left: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i];
    if (isValue(arg)) {
      if (WORDS_OF_MEANING.has(arg)) return null;
      left.push(arg);
      continue;
    }
    const off = switchedOff.get(arg);
    const option = off ?? options.get(arg);
    if (option === undefined) return null;
    const next = args.at(i + 1);
    if (option.takes === 'switch') {
      // yargs would take that for the switch's value.
      if (next === 'true' || next === 'false') return null;
      values.set(option.name, off === undefined);
    } else {
      if (next === undefined || !isValue(next)) return null;
      i++;
      const before = values.get(option.name);
      values.set(option.name, before === undefined ? next : [before, next].flat());
    }
  }
  return left;
}

/** A text that is no option, and has no quotes that yargs would take off. */
const isValue = (arg: string): boolean => arg === '-' || /^[^-'"]/.test(arg);
