/**
 * An option, said once: parsing, `--help`, completion, the environment, config files, the library's
 * types and docs/options.md are all made from rows like these. To add an option, add its row to the
 * table of its command (`replay-table.ts`, …), read it by its key where it is needed, and run
 * `npm run options`, which writes what is generated.
 */

/** How the text of a value is read, and how it is written. */
export interface ValueKind<T> {
  /** What stands for the value in help and documents: `N`, `FILE`, `[HOST:]PORT`. */
  readonly form: string;
  /** @throws ReplayError (usage) that says what is wrong with the text, and how to write it */
  readonly parse: (text: string) => T;
  /** A text that can be parsed; documents and tests show it. */
  readonly example: string;
  /** Words that may be written, for completion; all there are, unless `isOpen`. */
  readonly choices?: readonly string[];
  readonly isOpen?: boolean;
  /** A bare number says all there is to say, so config files and the library may have one. */
  readonly isNumber?: boolean;
  /** The value has commas of its own: config files and the library may give an array of its parts. */
  readonly isJoined?: boolean;
  /** A comma is the value's own: several values are given by the option again, or in an array. */
  readonly hasCommas?: boolean;
  /** A path: completed as such, and in a config file relative to that file. */
  readonly isPath?: boolean;
}

interface RowText {
  /** The heading that it stands under in help and documents. */
  readonly group: string;
  /** Its short form: `-u`. */
  readonly letter?: string;
  /** What others call it, with the same meaning and form: `http-set-header`. */
  readonly alias?: string;
  /** Another spelling that turns a switch off, without its dashes: `no-rules`. */
  readonly offAlias?: string;
  /** For `--help`: goes on behind the form of the value. */
  readonly help: string;
  /** For documents and `--help --explain`, Markdown; only where `help` does not say it all. */
  readonly more?: string;
  /** The form of the value where it is not that of its kind. */
  readonly form?: string;
  /** What happens when it is not given, where that is no value: `from the routing table`. */
  readonly otherwise?: string;
  /** Options that it contradicts: the one that is given closer to the user counts. */
  readonly conflicts?: readonly string[];
  /** The only circumstance in which it has a meaning: a kind of target, or a mode. */
  readonly only?: string;
  /** It is about what a program prints and writes, so the library has no use for it. */
  readonly isCommandOnly?: boolean;
  /** It cannot stand in a config file. */
  readonly isFlagOnly?: boolean;
}

/**
 * A row without its name, which is the key that it has in its table.
 * T is what reading the option gives: a value, an array of them, or a boolean.
 */
export interface Row<T> extends RowText {
  /** `list` may be given several times and takes commas; of a repeated `value` the last counts. */
  readonly takes: 'value' | 'list' | 'switch';
  /** Reads one value; null for switches. */
  readonly kind: ValueKind<unknown> | null;
  /** The value that is taken when it is not given, as users would write it. */
  readonly default?: string;
  /** What reading gives when it is not given. */
  readonly initial: () => T;
}

/** A row with its name on the command line (`max-gap` for the key `maxGap`). */
export interface Option<T = unknown> extends Row<T> {
  readonly name: string;
}

/** Options by key; the key is also the library's name for the option. */
export type OptionTable = Readonly<Record<string, Option>>;

/** What reading a table gives, by key. */
export type ValuesOf<Table extends Readonly<Record<string, Row<unknown>>>> = {
  readonly [Key in keyof Table]: Table[Key] extends Row<infer T> ? T : never;
};

/** An option with one value, its default when it is not given. */
export function value<T>(kind: ValueKind<T>, row: RowText & { readonly default: string }): Row<T>;
/** An option with one value; null when it is not given. */
export function value<T>(kind: ValueKind<T>, row: RowText): Row<T | null>;
/** Both of them. */
export function value<T>(
  kind: ValueKind<T>,
  row: RowText & { readonly default?: string },
): Row<T | null> {
  const initial = () => (row.default === undefined ? null : kind.parse(row.default));
  return { ...row, takes: 'value', kind, initial };
}

/** An option with any number of values; none when it is not given. */
export const list = <T>(kind: ValueKind<T>, row: RowText): Row<readonly T[]> => ({
  ...row,
  takes: 'list',
  kind,
  initial: () => [],
});

/** A switch; null when it is not given and what happens then is told by `otherwise`. */
export function onOff(row: RowText & { readonly otherwise: string }): Row<boolean | null>;
/** A switch; off, or its default, when it is not given. */
export function onOff(row: RowText & { readonly default?: 'on' }): Row<boolean>;
/** Both of them. */
export function onOff(row: RowText & { readonly default?: 'on' }): Row<boolean | null> {
  const initial = row.otherwise === undefined ? row.default === 'on' : null;
  return { ...row, takes: 'switch', kind: null, initial: () => initial };
}

/** Gives the rows of a table their names. */
export function optionTable<Rows extends Readonly<Record<string, Row<unknown>>>>(rows: Rows) {
  const named = Object.entries(rows).map(([key, row]) => [key, { ...row, name: nameOf(key) }]);
  return Object.fromEntries(named) as {
    readonly [Key in keyof Rows]: Rows[Key] & { readonly name: string };
  };
}

/** An option's name on the command line: `max-gap` for `maxGap`. */
export const nameOf = (key: string): string =>
  key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** The form of an option's value; null for a switch. */
export function formOf({ kind, form, takes }: Option): string | null {
  if (kind === null) return null;
  const isRow = takes === 'list' && kind.choices === undefined && kind.hasCommas !== true;
  return form ?? (isRow ? `${kind.form},…` : kind.form);
}

/** The longer explanation of an option, Markdown that goes on behind the form of the value. */
export function explanationOf({ help, more }: Option): string {
  if (more !== undefined) return more;
  const isWord = /^[A-Z][a-z]/.test(help);
  const text = isWord ? `${help.charAt(0).toLowerCase()}${help.slice(1)}` : help;
  return text.replace(/(?<![`\w-])--[a-z-]+/g, '`$&`');
}

/** What counts when an option is not given, for people; empty when there is nothing to say. */
export const fallbackOf = (option: Option): string => option.default ?? option.otherwise ?? '';
