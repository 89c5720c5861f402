/** Kinds of values that options of several subjects have. */
import { parseRatePerSecond, parseSizeBytes } from '../../base/units.ts';
import { parsePositive, parseSizeWithin, parseTimeLimitNs, parseWhole } from '../values/numbers.ts';
import { parseChoice } from '../values/words.ts';
import type { ValueKind } from './option.ts';

interface Range {
  readonly min: number;
  readonly max: number;
}

/** A whole number within a range. */
export const whole = (range: Range): ValueKind<number> => ({
  form: 'N',
  parse: (text) => parseWhole(text, range),
  example: String(Math.min(Math.max(range.min, 1_000), range.max)),
  isNumber: true,
});

/** A number above 0. */
export const POSITIVE: ValueKind<number> = {
  form: 'X',
  parse: parsePositive,
  example: '2.5',
  isNumber: true,
};

/** A duration above 0, in nanoseconds. */
export const DURATION_NS: ValueKind<number> = {
  form: 'T',
  parse: parseTimeLimitNs,
  example: '30s',
};

/** A rate per second. */
export const RATE: ValueKind<number> = {
  form: 'R',
  parse: parseRatePerSecond,
  example: '500/s',
  isNumber: true,
};

/** A size in octets. */
export const SIZE: ValueKind<number> = {
  form: 'SIZE',
  parse: (text) => parseSizeBytes(text.trim()),
  example: '10MB',
  isNumber: true,
};

/** A size in octets within a range. */
export const sizeWithin = (range: Range): ValueKind<number> => ({
  ...SIZE,
  parse: (text) => parseSizeWithin(text, range),
  example: range.min <= 65_536 ? '64KiB' : '64MiB',
});

/** One of a few words. */
export const oneOf = <T extends string>(choices: readonly T[]): ValueKind<T> => ({
  form: choices.join('|'),
  parse: (text) => parseChoice(text, choices),
  example: choices.at(0) ?? '',
  choices,
});

const asWritten = (text: string): string => text;

/** A file. */
export const FILE: ValueKind<string> = {
  form: 'FILE',
  parse: asWritten,
  example: 'x.json',
  isPath: true,
};

/** A folder. */
export const FOLDER: ValueKind<string> = {
  form: 'DIR',
  parse: asWritten,
  example: 'report',
  isPath: true,
};

/** An expression that somebody else parses. */
export const EXPRESSION: ValueKind<string> = {
  form: 'EXPR',
  parse: asWritten,
  example: 'tcp port 80',
};
