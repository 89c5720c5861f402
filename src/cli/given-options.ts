/** Options as they were given: on the command line, else in the environment, else in a config file. */

import { nearest } from '../base/nearest.ts';
import type { Option, OptionTable, ValuesOf } from './options/option.ts';
import type { FaultList } from './usage-error.ts';
import { partsOfList } from './values/words.ts';

/** A value as it was written, and where: `--users`, `GRYPHON_USERS`, `run.yaml:3:8: users`. */
export interface GivenText {
  readonly label: string;
  readonly text: string;
}

/** What the parser made of the command line: by option name, and the rest under `_`. */
export type ParsedArguments = Readonly<Record<string, unknown>>;

/** Values of a config file by option name; those of lists are taken apart already. */
export type FiledOptions = ReadonlyMap<string, readonly GivenText[]>;

/** Where an option was given; the stronger one counts. */
export type Source = 'flag' | 'environment' | 'file';

const STRENGTH: Readonly<Record<Source, number>> = { flag: 3, environment: 2, file: 1 };

const ENVIRONMENT_PREFIX = 'GRYPHON_';

/** The environment variable that stands in for an option: `GRYPHON_MAX_GAP` for `--max-gap`. */
export const environmentName = (option: string): string =>
  ENVIRONMENT_PREFIX + option.toUpperCase().replaceAll('-', '_');

/** Reads options; a flag goes before the environment, and that before a config file. */
export class GivenOptions {
  readonly #options: ReadonlyMap<string, Option>;
  readonly #parsed: ParsedArguments;
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #filed: FiledOptions;
  readonly #faults: FaultList;
  /** Options that a contradicting one, given closer to the user, puts out of force. */
  readonly #overruled = new Set<string>();

  constructor(from: {
    readonly table: OptionTable;
    readonly parsed: ParsedArguments;
    readonly env: Readonly<Record<string, string | undefined>>;
    /** None unless a config file was read. */
    readonly filed?: FiledOptions;
    /** Gets what is wrong with the options: unknown ones, missing values, contradictions. */
    readonly faults: FaultList;
  }) {
    this.#options = new Map(Object.values(from.table).map((option) => [option.name, option]));
    this.#parsed = from.parsed;
    this.#env = from.env;
    this.#filed = from.filed ?? new Map();
    this.#faults = from.faults;
    for (const { name, conflicts = [] } of this.#options.values()) {
      for (const other of conflicts) this.#settle(name, other);
    }
  }

  /** The same options with those of a config file behind them. */
  withFile(filed: FiledOptions): GivenOptions {
    const table = Object.fromEntries(this.#options);
    const [parsed, env, faults] = [this.#parsed, this.#env, this.#faults];
    return new GivenOptions({ table, parsed, env, filed, faults });
  }

  /** Arguments that are not options, after the command's name; else those of the config file. */
  positionals(name: string): readonly string[] {
    const listed = asTexts(this.#parsed[name]);
    // What follows `--` is left in `_`, behind the command's name.
    const typed = [...listed, ...asTexts(this.#parsed._).slice(1)];
    if (typed.length > 0) return typed;
    return (this.#filed.get(name) ?? []).map(({ text }) => text);
  }

  /** The values of all options of a table, by key; what is wrong with one is a fault. */
  read<Table extends OptionTable>(table: Table): ValuesOf<Table> {
    const values = Object.entries(table).map(([key, option]) => [key, this.#value(option)]);
    return Object.fromEntries(values) as ValuesOf<Table>;
  }

  #value({ name, takes, kind, initial }: Option): unknown {
    if (kind === null || takes === 'switch') return this.switch(name) ?? initial();
    const parse = (text: string): unknown => kind.parse(kind.isPath ? text : text.trim());
    if (takes === 'list') {
      return this.texts(name).flatMap(({ label, text }) =>
        this.#faults.attempt<readonly unknown[]>(label, [], () => [parse(text)]),
      );
    }
    const found = this.text(name);
    if (found === null) return initial();
    return this.#faults.attempt(found.label, initial(), () => parse(found.text));
  }

  /** The option's value, the last one where it was repeated; `null` when it was not given. */
  text(name: string): GivenText | null {
    return this.texts(name).at(-1) ?? null;
  }

  /** All values of the option, lists taken apart at their commas; empty when it was not given. */
  texts(name: string): readonly GivenText[] {
    const source = this.sourceOf(name);
    if (source === null) return [];
    const parsed = this.#parsed[name];
    if (source === 'flag' && !isTexts(parsed)) {
      this.#faults.add(`--${name} needs a value`);
      return [];
    }
    const given = this.#given(name, source);
    const option = this.#options.get(name);
    const parts =
      option?.takes === 'list' && option.kind?.hasCommas !== true && source !== 'file'
        ? given.flatMap(({ label, text }) =>
            partsOfList(text).map((part) => ({ label, text: part })),
          )
        : given;
    for (const { label, text } of parts) {
      if (text.trim() === '') this.#faults.add(`${label} needs a value`);
    }
    return parts.filter(({ text }) => text.trim() !== '');
  }

  /** Whether a switch is on (`--name`) or off (`--no-name`); `null` when it was not given. */
  switch(name: string): boolean | null {
    const source = this.sourceOf(name);
    if (source === null) return null;
    if (source === 'flag') {
      const last: unknown = [this.#parsed[name]].flat().at(-1);
      if (typeof last === 'boolean') return last;
      this.#faults.add(`--${name} takes no value`, `write --${name}`);
      return null;
    }
    const given = this.#given(name, source).at(-1);
    if (given === undefined) return null;
    if (/^(?:1|true|yes|on)$/i.test(given.text)) return true;
    if (/^(?:0|false|no|off)$/i.test(given.text)) return false;
    const hint = source === 'file' ? 'write true or false' : 'write 1 or 0';
    this.#faults.add(`${given.label}: '${given.text}' is neither on nor off`, hint);
    return null;
  }

  /** Where the option is given; `null` when it is not, or not in force. */
  sourceOf(name: string): Source | null {
    return this.#overruled.has(name) ? null : this.#sourceOf(name);
  }

  /** Whether the option was given for this run: the environment may hold it for other ones. */
  isSaid(name: string): boolean {
    const source = this.sourceOf(name);
    return source !== null && source !== 'environment';
  }

  /** Whether the first option is given closer to the user than the second, or just as close. */
  isAsClose(name: string, other: string): boolean {
    const [source, than] = [this.sourceOf(name), this.sourceOf(other)];
    return (source === null ? 0 : STRENGTH[source]) >= (than === null ? 0 : STRENGTH[than]);
  }

  /** What names the option where it was given. */
  labelOf(name: string): string {
    const source = this.sourceOf(name);
    if (source === null || source === 'flag') return `--${name}`;
    return this.#given(name, source).at(-1)?.label ?? `--${name}`;
  }

  /** Each option that is in force with its value and where it was given, in the order of the table. */
  origins(): readonly { readonly name: string; readonly text: string; readonly from: string }[] {
    return [...this.#options.values()].flatMap(({ name }) => {
      const source = this.sourceOf(name);
      if (source === null) return [];
      const given = this.#given(name, source);
      const text = given.map((each) => each.text).join(', ');
      const [label = ''] = given.map((each) => each.label);
      return [{ name, text, from: source === 'file' ? label.replace(/: [^:]*$/, '') : label }];
    });
  }

  #sourceOf(name: string): Source | null {
    if (this.#parsed[name] !== undefined) return 'flag';
    if ((this.#env[environmentName(name)] ?? '') !== '') return 'environment';
    return this.#filed.has(name) ? 'file' : null;
  }

  #given(name: string, source: Source): readonly GivenText[] {
    if (source === 'file') return this.#filed.get(name) ?? [];
    if (source === 'flag') {
      return asTexts(this.#parsed[name]).map((text) => ({ label: `--${name}`, text }));
    }
    const label = environmentName(name);
    return [{ label, text: this.#env[label] ?? '' }];
  }

  /** Of two options that contradict each other the one that is given closer to the user counts. */
  #settle(name: string, other: string): void {
    if (this.sourceOf(name) === null || this.sourceOf(other) === null) return;
    if (!this.isAsClose(name, other)) this.#overruled.add(name);
    else if (!this.isAsClose(other, name)) this.#overruled.add(other);
    else {
      const labels = `${this.labelOf(name)} and ${this.labelOf(other)}`;
      this.#faults.add(`${labels} contradict each other`, 'leave one of them out');
    }
  }
}

/**
 * Adds a fault for each option that the command does not know, with the likeliest meant one.
 * @param elsewhere what to say of options that other versions or other tools know, by their name
 */
export function findUnknownOptions(options: {
  readonly parsed: ParsedArguments;
  readonly table: OptionTable;
  readonly positional: string | null;
  readonly elsewhere: ReadonlyMap<string, string>;
  readonly faults: FaultList;
}): void {
  const names = Object.values(options.table).map(({ name }) => name);
  const letters = Object.values(options.table).flatMap(({ letter }) => letter ?? []);
  const aliases = Object.values(options.table).flatMap(({ alias }) => alias ?? []);
  const others = [...aliases, options.positional ?? '_', '_', '$0', 'help', 'h', 'version'];
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
  table: OptionTable,
  faults: FaultList,
): void {
  const switches = new Set(
    Object.values(table).flatMap(({ name, takes }) => (takes === 'switch' ? name : [])),
  );
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
