/** Options as they were given: on the command line, else in the environment. */

import { nearest } from './suggest.ts';
import type { FaultList } from './usage-error.ts';

/** How an option is declared: what the parser, `--help` and the environment need to know of it. */
export interface OptionSpec {
  readonly name: string;
  readonly letter?: string;
  /** `list` may be given several times and takes commas; of a repeated `value` the last counts. */
  readonly takes: 'value' | 'list' | 'switch';
  /** The words that its value, or each of its values, is one of. */
  readonly choices?: readonly string[];
  /** For `--help`: begins with the form of the value, in capitals (FILE, DIR: completed as such). */
  readonly describe: string;
  readonly group: string;
  /** What happens when it is not given, for `--help`. */
  readonly fallback?: string;
}

/** A value as it was written, and where: `--users`, `GRYPHON_USERS`. */
export interface GivenText {
  readonly label: string;
  readonly text: string;
}

/** What the parser made of the command line: by option name, and the rest under `_`. */
export type ParsedArguments = Readonly<Record<string, unknown>>;

const ENVIRONMENT_PREFIX = 'GRYPHON_';

/** The environment variable that stands in for an option: `GRYPHON_MAX_GAP` for `--max-gap`. */
export const environmentName = (option: string): string =>
  ENVIRONMENT_PREFIX + option.toUpperCase().replaceAll('-', '_');

/** Reads options by name; a flag goes before the environment. */
export class GivenOptions {
  readonly #specs: ReadonlyMap<string, OptionSpec>;
  readonly #parsed: ParsedArguments;
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #faults: FaultList;

  constructor(from: {
    readonly specs: readonly OptionSpec[];
    readonly parsed: ParsedArguments;
    readonly env: Readonly<Record<string, string | undefined>>;
    /** Gets what is wrong with the options' form: unknown ones, missing values. */
    readonly faults: FaultList;
  }) {
    this.#specs = new Map(from.specs.map((spec) => [spec.name, spec]));
    this.#parsed = from.parsed;
    this.#env = from.env;
    this.#faults = from.faults;
  }

  /** Arguments that are not options, after the command's name. */
  positionals(name: string): readonly string[] {
    const listed = asTexts(this.#parsed[name]);
    // What follows `--` is left in `_`, behind the command's name.
    return [...listed, ...asTexts(this.#parsed._).slice(1)];
  }

  /** The option's value, the last one where it was repeated; `null` when it was not given. */
  text(name: string): GivenText | null {
    return this.texts(name).at(-1) ?? null;
  }

  /** All values of the option, lists taken apart at their commas; empty when it was not given. */
  texts(name: string): readonly GivenText[] {
    const spec = this.#specs.get(name);
    const parsed = this.#parsed[name];
    if (parsed !== undefined && !isTexts(parsed)) {
      this.#faults.add(`--${name} needs a value`);
      return [];
    }
    const given =
      parsed === undefined
        ? this.#fromEnvironment(name)
        : asTexts(parsed).map((text) => ({ label: `--${name}`, text }));
    const parts =
      spec?.takes === 'list'
        ? given.flatMap(({ label, text }) => text.split(',').map((part) => ({ label, text: part })))
        : given;
    for (const { label, text } of parts) {
      if (text.trim() === '') this.#faults.add(`${label} needs a value`);
    }
    return parts.filter(({ text }) => text.trim() !== '');
  }

  /** Whether a switch is on (`--name`) or off (`--no-name`); `null` when it was not given. */
  switch(name: string): boolean | null {
    const parsed = this.#parsed[name];
    const last: unknown = Array.isArray(parsed) ? parsed.at(-1) : parsed;
    if (typeof last === 'boolean') return last;
    const given = last === undefined ? this.#fromEnvironment(name).at(0) : undefined;
    if (given === undefined) {
      if (last !== undefined) this.#faults.add(`--${name} takes no value`, `write --${name}`);
      return null;
    }
    if (/^(?:1|true|yes|on)$/i.test(given.text)) return true;
    if (/^(?:0|false|no|off)$/i.test(given.text)) return false;
    this.#faults.add(`${given.label}: '${given.text}' is neither on nor off`, 'write 1 or 0');
    return null;
  }

  /** Whether the option stands on the command line itself. */
  isFlag(name: string): boolean {
    return this.#parsed[name] !== undefined;
  }

  #fromEnvironment(name: string): GivenText[] {
    const label = environmentName(name);
    const text = this.#env[label];
    return text === undefined || text === '' ? [] : [{ label, text }];
  }
}

/**
 * Adds a fault for each option that the command does not know, with the likeliest meant one.
 * @param elsewhere what to say of options that other versions or other tools know, by their name
 */
export function findUnknownOptions(options: {
  readonly parsed: ParsedArguments;
  readonly specs: readonly OptionSpec[];
  readonly positional: string | null;
  readonly elsewhere: ReadonlyMap<string, string>;
  readonly faults: FaultList;
}): void {
  const names = options.specs.map((spec) => spec.name);
  const letters = options.specs.flatMap(({ letter }) => letter ?? []);
  const others = [options.positional ?? '_', '_', '$0', 'help', 'h', 'version'];
  const known = new Set([...names, ...letters, ...others]);
  for (const key of Object.keys(options.parsed)) {
    if (known.has(key)) continue;
    const flag = key.length === 1 ? `-${key}` : `--${key}`;
    const elsewhere = options.elsewhere.get(key);
    const guess = key.length === 1 ? letterLike(key, letters) : nearest(key, names);
    const hint =
      guess === null ? 'see --help' : `did you mean ${key.length === 1 ? '-' : '--'}${guess}?`;
    if (elsewhere === undefined) options.faults.add(`unknown option ${flag}`, hint);
    else options.faults.add(`${flag} ${elsewhere}`);
  }
}

/**
 * What to say of variables that look like options and are none: they change nothing.
 * @param names of all options of all commands, and of the variables that are no options
 */
export function unknownVariables(
  env: Readonly<Record<string, string | undefined>>,
  names: { readonly options: readonly string[]; readonly others: readonly string[] },
): readonly string[] {
  const known = [...names.options.map(environmentName), ...names.others];
  return Object.keys(env)
    .filter((name) => name.startsWith(ENVIRONMENT_PREFIX) && !known.includes(name))
    .map((name) => {
      const rest = name.slice(ENVIRONMENT_PREFIX.length).toLowerCase().replaceAll('_', '-');
      const close = nearest(rest, names.options);
      const guess = close === null ? 'see --help' : `did you mean ${environmentName(close)}?`;
      return `${name} stands for no option and is ignored; ${guess}`;
    });
}

const letterLike = (key: string, letters: readonly string[]): string | null =>
  letters.find((letter) => letter.toLowerCase() === key.toLowerCase()) ?? null;

/**
 * Adds a fault for each switch that was given a value; `--name=true` and `--name=false` are allowed.
 * The parser would take any other value for `false`.
 */
export function findSwitchValues(
  args: readonly string[],
  specs: readonly OptionSpec[],
  faults: FaultList,
): void {
  const switches = new Set(specs.flatMap(({ name, takes }) => (takes === 'switch' ? name : [])));
  // What follows `--` is no option; where there is none, -1 >>> 0 is beyond every end.
  for (const arg of args.slice(0, args.indexOf('--') >>> 0)) {
    const [, name = '', value = ''] = /^--(?:no-)?([^=]+)=(.*)$/.exec(arg) ?? [];
    if (!switches.has(name) || value === 'true' || value === 'false') continue;
    faults.add(`--${name}: '${value}' is neither on nor off`, `write --${name} or --no-${name}`);
  }
}

const isTexts = (parsed: unknown): boolean =>
  typeof parsed === 'string' ||
  (Array.isArray(parsed) && parsed.every((each) => typeof each === 'string'));

function asTexts(parsed: unknown): readonly string[] {
  if (Array.isArray(parsed)) return parsed.map(String);
  return parsed === undefined ? [] : [String(parsed)];
}
