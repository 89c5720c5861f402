/**
 * What the library is asked to do: the options of the commands under the same names, in camel case.
 * A value is written as on the command line (`'30s'`, `'500/s'`, `'10MB'`), or is a number where a bare
 * number is allowed there; a list is an array. `gryphon replay --help` says what each of them does.
 */

/** A value as the command line takes it. */
export type OptionValue = string | number;
/** One value, or several. */
export type OptionList = OptionValue | readonly OptionValue[];

/** Which packets and sessions of the captures are wanted. */
export interface CaptureOptions {
  /** In tcpdump's language: only these packets are read. */
  readonly filter?: string;
  /** `80`, `10.0.0.1:80`. */
  readonly server?: OptionList;
  /** `10.0.0.0/8`. */
  readonly client?: OptionList;
  /** `'90s'` into the capture, or a date. */
  readonly from?: OptionValue;
  readonly until?: OptionValue;
  /** `7`, `'3-9'`. */
  readonly sessionIndex?: OptionList;
  readonly minBytes?: OptionValue;
  readonly maxBytes?: OptionValue;
  /** `'10%'` */
  readonly fraction?: OptionValue;
  /** Sessions that are not whole: `'mid-stream'`, `'holed'`, … */
  readonly include?: OptionList;
  readonly strict?: boolean;
  readonly index?: boolean;
}

/** The options of `inspect`. */
export interface InspectOptions extends CaptureOptions {
  /** Paths, at least one. */
  readonly captures: string | readonly string[];
  /** Whether the document has an entry for each session, with digests. */
  readonly sessions?: boolean;
  /** Something that the user should know: one line. */
  readonly onWarning?: (text: string) => void;
}

/** The options of `replay`. Nothing but `captures` has to be given. */
export interface ReplayOptions extends CaptureOptions {
  /** Paths, at least one. */
  readonly captures: string | readonly string[];
  /** `HOST:PORT`, or `'embedded'`: a responder inside this process, the default. */
  readonly target?: string;
  /** `[IP:]PORT-HOST:PORT`: which recorded server is played to which target. */
  readonly map?: OptionList;
  readonly users?: OptionValue;
  readonly clients?: OptionList;
  readonly ports?: string;
  readonly order?: 'ip' | 'port';
  readonly seed?: OptionValue;
  readonly accel?: OptionValue;
  /** New users a second. */
  readonly rate?: OptionValue;
  readonly ramp?: string;
  readonly iterations?: OptionValue;
  readonly duration?: string;
  readonly pace?: 'think' | 'schedule' | 'none';
  readonly maxGap?: string;
  readonly timeout?: string;
  readonly close?: 'recorded' | 'server' | 'reset';
  readonly mss?: OptionValue;
  readonly timestamps?: boolean;
  readonly window?: OptionValue;
  readonly interface?: string;
  readonly nextHop?: string;
  readonly sourceMac?: string;
  readonly sender?: 'packet' | 'ip' | 'raw-socket';
  readonly intercept?: OptionList;
  readonly interceptPort?: OptionValue;
  readonly tokenFile?: string;
  readonly arp?: boolean;
  readonly allowPublic?: boolean;
  readonly threads?: OptionValue;
  readonly realTime?: boolean;
  /** `response:p(99)<20ms` */
  readonly threshold?: OptionList;
  readonly metrics?: OptionValue;
  /** Aborting it is the first Ctrl-C: nothing more starts, what is open is closed, there is a result. */
  readonly signal?: AbortSignal;
}

/** The command line that says the same: `['--users=100', '--no-timestamps']`. */
export function toArguments(options: object): string[] {
  return Object.entries(options).flatMap(([key, value]) => {
    const flag = key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    if (value === undefined || value === null) return [];
    if (typeof value === 'boolean') return [value ? `--${flag}` : `--no-${flag}`];
    return [value].flat().map((one) => `--${flag}=${String(one)}`);
  });
}
