import { nameOf, type OptionTable } from '../cli/options/option.ts';

/** The command line that says the same as options of the library: `['--users=100', '--no-timestamps']`. */
export function toArguments(options: object, table: OptionTable): string[] {
  return Object.entries(options).flatMap(([key, value]) => {
    const flag = nameOf(key);
    if (value === undefined || value === null) return [];
    if (typeof value === 'boolean') return [value ? `--${flag}` : `--no-${flag}`];
    const values = [value].flat().map(String);
    const isJoined = Object.hasOwn(table, key) && table[key]?.kind?.isJoined === true;
    return (isJoined ? [values.join(',')] : values).map((text) => `--${flag}=${text}`);
  });
}
