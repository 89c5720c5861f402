/**
 * What a command line says: which command, and its options. yargs takes the line apart and writes
 * `--help`; values are checked by the commands, so that everything that is wrong with them is said at
 * once.
 */
import yargs, { type Argv } from 'yargs';
import { nearest } from '../base/nearest.ts';
import { COMPLETE, completionScript, completions } from './completion.ts';
import type { Context } from './context.ts';
import type { ExitCode } from './exit-codes.ts';
import {
  environmentName,
  findSwitchValues,
  findUnknownOptions,
  GivenOptions,
  type ParsedArguments,
} from './given-options.ts';
import {
  explanationOf,
  fallbackOf,
  formOf,
  type Option,
  type OptionTable,
} from './options/option.ts';
import { FaultList, UsageError } from './usage-error.ts';

/** What a command gets: its options, and where to say what is wrong with them. */
export interface CommandInput {
  readonly given: GivenOptions;
  /** May hold faults of the options' form already; the command throws it when it has added its own. */
  readonly faults: FaultList;
  readonly context: Context;
}

/** A command as `--help` shows it and as `main` runs it. */
export interface Command {
  readonly name: string;
  readonly describe: string;
  /** The name of the arguments that are not options; null: there are none. */
  readonly positional: string | null;
  readonly table: OptionTable;
  /** What to say of options that it does not have but that users may know from elsewhere. */
  readonly elsewhere: ReadonlyMap<string, string>;
  /** Lines of `--help`: a command, and what it does. The first one is also in the general help. */
  readonly examples: readonly (readonly [string, string])[];
  readonly run: (input: CommandInput) => Promise<ExitCode>;
}

/** A command with its options, or what yargs answers by itself: help, version, completion. */
export type CommandLine =
  | { readonly command: Command; readonly given: GivenOptions; readonly faults: FaultList }
  | { readonly output: string };

const COMPLETION = 'Print a script that completes command lines in bash or zsh';

/** Wide enough for the examples; a terminal's own width where that is less. */
const HELP_COLUMNS = 100;

/**
 * Reads the command line of a context.
 * @throws UsageError when it names no command, or an option at its end lacks its value
 */
export function parseCommandLine(
  commands: readonly Command[],
  context: Pick<Context, 'args' | 'env' | 'columns' | 'version'>,
): CommandLine {
  const asked = completionOf(commands, context);
  if (asked !== null) return { output: asked };
  const { command, parsed, output } = parse(commands, context);
  if (output !== null) return { output: `${output}\n` };
  if (command === null) throw noCommand(commands, parsed, context.args);
  const { table, positional, elsewhere } = command;
  const faults = new FaultList();
  findUnknownOptions({ parsed, table, positional, elsewhere, faults });
  findSwitchValues(context.args, table, faults);
  return { command, faults, given: new GivenOptions({ table, parsed, env: context.env, faults }) };
}

/** What shells ask for: their script, then what may come next. */
function completionOf(
  commands: readonly Command[],
  { args, env }: Pick<Context, 'args' | 'env'>,
): string | null {
  const [first, second, ...more] = args;
  if (first === COMPLETE) return completions(commands, args.slice(1));
  if (first !== 'completion' || args.some((arg) => arg.startsWith('-'))) return null;
  const [unexpected] = more;
  if (unexpected === undefined) return completionScript(second, env);
  const hint = 'gryphon completion bash, or zsh';
  throw new UsageError([{ what: `unexpected argument '${unexpected}'`, hint }]);
}

interface Parsed {
  readonly command: Command | null;
  readonly parsed: ParsedArguments;
  /** What yargs answers by itself; `null` when there is a command to run, or none. */
  readonly output: string | null;
}

function parse(
  commands: readonly Command[],
  context: Pick<Context, 'args' | 'columns' | 'version'>,
): Parsed {
  let chosen: Command | null = null;
  let parser = yargs()
    .scriptName('gryphon')
    .usage('$0 <command>\n\nPlays the TCP sessions of a capture from as many clients as asked.')
    .locale('en')
    .exitProcess(false)
    .wrap(
      asksForHelp(context.args) ? Math.min(HELP_COLUMNS, context.columns ?? HELP_COLUMNS) : null,
    )
    .parserConfiguration({
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'dot-notation': false,
      'camel-case-expansion': false,
    })
    .help('help', 'Show this')
    .alias('h', 'help')
    .version('version', 'Show the version', context.version)
    .epilogue(
      `Every option can be given as an environment variable, too: ${environmentName('max-gap')} ` +
        'for --max-gap.\nExit codes: 0 done, 1 a fault of gryphon, 2 wrong use, 3 capture, 4 machine, ' +
        '5 target, 99 a threshold failed, 130 interrupted.',
    );
  for (const command of commands) {
    const [example] = command.examples;
    if (example !== undefined) parser = parser.example(...example);
    parser = parser.command(
      command.positional === null ? command.name : `${command.name} [${command.positional}..]`,
      command.describe,
      (args) => declare(args, command, context.args),
      () => {
        chosen = command;
      },
    );
  }
  parser = parser.command('completion [shell]', COMPLETION);
  const [first, ...rest] = context.args;
  refuseForeignNames(context.args);
  const typed = first === 'help' ? [...rest, '--help'] : [...context.args];
  const off = offAliases(commands.find(({ name }) => name === typed[0]));
  const args = typed.map((arg) => (arg === '-' ? DASH : (off.get(arg) ?? arg)));
  let parsed: ParsedArguments = {};
  let output: string | null = null;
  // Nothing here waits, so it has all happened when `parse` returns.
  parser.parse(args, {}, (error, found, text) => {
    if (error) throw new UsageError([{ what: reworded(error.message), hint: 'see --help' }]);
    parsed = withDashes(found);
    if (text !== '') output = text;
  });
  return { command: chosen, parsed, output };
}

/** How a command's switches are turned off, by the other spellings of that. */
function offAliases(command: Command | undefined): ReadonlyMap<string, string> {
  const spellings = Object.values(command?.table ?? {}).flatMap(({ name, offAlias }) =>
    offAlias === undefined ? [] : [[`--${offAlias}`, `--no-${name}`] as const],
  );
  return new Map(spellings);
}

/** Stands for `-` (standard input or output) while yargs reads: it loses a bare one as an argument. */
const DASH = '\u0001dash';

function withDashes(parsed: ParsedArguments): ParsedArguments {
  const restored = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(restored);
    return value === DASH ? '-' : value;
  };
  return Object.fromEntries(Object.entries(parsed).map(([name, value]) => [name, restored(value)]));
}

/** yargs looks options up in plain objects, where `constructor` is found without being there. */
function refuseForeignNames(args: readonly string[]): void {
  for (const arg of args) {
    const name = /^--(?:no-)?([^=]+)/.exec(arg)?.[1] ?? '';
    if (name in {})
      throw new UsageError([{ what: `unknown option --${name}`, hint: 'see --help' }]);
  }
}

/** Whether yargs may have to print its help; lines that do not ask for it may seem to. */
const asksForHelp = (args: readonly string[]): boolean =>
  args.some((arg) => arg === 'help' || arg.startsWith('--h') || /^-[^-]*h/.test(arg));

function declare(parser: Argv, command: Command, args: readonly string[]): Argv {
  const isLong = args.includes('--explain');
  // yargs lays its help out for every line, which takes longer than all that it is for.
  const hidden = !asksForHelp(args);
  for (const option of Object.values(command.table)) {
    const fallback = fallbackOf(option);
    parser.option(option.name, {
      group: `${option.group}:`,
      hidden,
      describe: hidden ? '' : describe(option, isLong),
      alias: [option.letter ?? [], option.alias ?? []].flat(),
      ...(fallback === '' ? {} : { defaultDescription: fallback }),
      ...(option.takes === 'switch' ? { boolean: true } : { nargs: 1 }),
    });
  }
  // Only its own examples, not those of all commands.
  for (const example of command.examples) parser.example(...example);
  const positional = command.positional === null ? '' : ` <${command.positional}...>`;
  return parser.usage(`$0 ${command.name}${positional}\n\n${command.describe}`);
}

function describe(option: Option, isLong: boolean): string {
  const text = isLong ? withoutMarkdown(explanationOf(option)) : option.help;
  const form = formOf(option);
  return form === null ? text : `${form} ${text}`;
}

const withoutMarkdown = (text: string): string =>
  text.replaceAll('`', '').replace(/\[([^\]]*)\]\([^)]*\)/g, '$1');

/** yargs' words for what it finds itself: an option at the end of the line without its value. */
function reworded(message: string): string {
  const option = /^Not enough arguments following: (.*)$/.exec(message)?.[1];
  if (option === undefined) return message;
  return `${option.length === 1 ? '-' : '--'}${option} needs a value`;
}

function noCommand(
  commands: readonly Command[],
  parsed: ParsedArguments,
  args: readonly string[],
): UsageError {
  const names = commands.map((command) => command.name);
  const later = names.find((name) => args.includes(name));
  const list = `commands are ${names.join(', ')} and completion; see gryphon --help`;
  const hint = later === undefined ? list : `write the command first: gryphon ${later}`;
  const given: unknown = Array.isArray(parsed._) ? parsed._.at(0) : undefined;
  if (given === undefined || later !== undefined) {
    return new UsageError([{ what: 'no command given', hint }]);
  }
  const close = nearest(String(given), names);
  const guess = close === null ? list : `did you mean gryphon ${close}?`;
  return new UsageError([{ what: `unknown command ${given}`, hint: guess }]);
}
