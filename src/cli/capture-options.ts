/** Which packets and sessions of the captures are wanted: from options as given to values. */
import { type IpAddress, parseAddress } from '../base/address.ts';
import { parseDurationNs, parsePercentage, parseSizeBytes } from '../base/units.ts';
import type { CaptureChoice } from '../run/captures/index-captures.ts';
import type {
  AddressPrefix,
  EndpointPattern,
  SessionSelection,
} from '../session/reading/session-selection.ts';
import { INCOMPLETE } from './choices.ts';
import type { GivenOptions } from './given-options.ts';
import type { FaultList } from './usage-error.ts';
import { parseChoice, parseWhole, valueError } from './values.ts';

const PORT_MAX = 65_535;

/** Reads the options of CAPTURE_FLAGS; what is wrong with them goes to `faults`. */
export function readCaptureOptions(given: GivenOptions, faults: FaultList): CaptureChoice {
  const filter = given.text('filter')?.text;
  const strict = given.switch('strict');
  const store = given.switch('index');
  return {
    selection: readSelection(given, faults),
    ...(filter === undefined ? {} : { filter }),
    ...(strict === null ? {} : { strict }),
    ...(store === null ? {} : { store }),
  };
}

function readSelection(given: GivenOptions, faults: FaultList): SessionSelection {
  const list = <T>(name: string, parse: (text: string) => T): readonly T[] | undefined => {
    const texts = given.texts(name);
    if (texts.length === 0) return undefined;
    return texts.flatMap(({ label, text }) =>
      faults.attempt<readonly T[]>(label, [], () => [parse(text.trim())]),
    );
  };
  const one = <T>(name: string, parse: (text: string) => T): T | undefined => {
    const found = given.text(name);
    if (found === null) return undefined;
    return faults.attempt<T | undefined>(found.label, undefined, () => parse(found.text.trim()));
  };
  const from = one('from', parseMoment);
  const until = one('until', parseMoment);
  const bytesMin = one('min-bytes', parseSizeBytes);
  const bytesMax = one('max-bytes', parseSizeBytes);
  if (isBefore(until, from)) faults.add(...nothingBetween(given, 'from', 'until'));
  if (bytesMin !== undefined && bytesMax !== undefined && bytesMax < bytesMin) {
    faults.add(...nothingBetween(given, 'min-bytes', 'max-bytes'));
  }
  const selection = {
    servers: list('server', parseServer),
    clients: list('client', parsePrefix),
    ...momentOf('from', from),
    ...momentOf('until', until),
    indices: list('session-index', parseIndices),
    bytesMin,
    bytesMax,
    fraction: one('fraction', parseFraction),
    include: list('include', (text) => parseChoice(text, INCOMPLETE)),
  };
  const isGiven = ([, value]: readonly [string, unknown]) => value !== undefined;
  return Object.fromEntries(Object.entries(selection).filter(isGiven)) as SessionSelection;
}

/** `80`, `10.0.0.1:80`, `[fd00::1]:80`, `10.0.0.1`. */
function parseServer(text: string): EndpointPattern {
  if (/^\d+$/.test(text)) return { address: null, port: parsePort(text) };
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(text) ?? [];
  const address = parseAddress(bracketed ?? plain ?? text.replace(/^\[(.*)\]$/, '$1'));
  if (address === null)
    throw valueError(`'${text}' is not a server`, 'write 80, 10.0.0.1:80 or [fd00::1]:80');
  return { address, port: port === undefined ? null : parsePort(port) };
}

const parsePort = (text: string): number => parseWhole(text, { min: 0, max: PORT_MAX });

/** `10.0.0.1`, `10.0.0.0/8`, `fd00::/16`. */
function parsePrefix(text: string): AddressPrefix {
  const [name = '', length] = text.split('/');
  const address: IpAddress | null = parseAddress(name);
  if (address === null)
    throw valueError(`'${text}' is not an address`, 'write 10.0.0.1 or 10.0.0.0/8');
  const max = address.family === 4 ? 32 : 128;
  return { address, bits: length === undefined ? max : parseWhole(length, { min: 0, max }) };
}

type Moment = { readonly afterNs: number } | { readonly seconds: number };

/** A duration counts from the capture's first packet; a date, or seconds since 1970, by itself. */
function parseMoment(text: string): Moment {
  if (/^\d{9,}(?:\.\d+)?$/.test(text)) return { seconds: Number(text) };
  if (/^\d{4}-\d\d-\d\d/.test(text)) {
    const ms = Date.parse(text);
    if (!Number.isNaN(ms)) return { seconds: ms / 1000 };
    throw valueError(`'${text}' is not a date`, 'write 2026-01-31T12:00:00Z');
  }
  // What begins with a digit was meant as one of the two, and is told what is wrong with it.
  if (/^[\d.]/.test(text)) return { afterNs: parseDurationNs(text) };
  throw valueError(
    `'${text}' is neither a time into the capture nor a date`,
    'write 90s, 5m or 2026-01-31T12:00:00Z',
  );
}

/** Whether nothing lies between two moments; of a date and a duration only the capture knows. */
function isBefore(until: Moment | undefined, from: Moment | undefined): boolean {
  if (until === undefined || from === undefined) return false;
  if ('seconds' in until) return 'seconds' in from && until.seconds <= from.seconds;
  return 'afterNs' in from && until.afterNs <= from.afterNs;
}

function nothingBetween(given: GivenOptions, low: string, high: string): [string, string] {
  const [a, b] = [low, high].map((name) => `--${name} ${given.text(name)?.text ?? ''}`);
  return [`${a} and ${b} leave nothing between them`, 'exchange them'];
}

function momentOf(name: 'from' | 'until', moment: Moment | undefined): SessionSelection {
  if (moment === undefined) return {};
  if ('seconds' in moment) return { [`${name}Seconds`]: moment.seconds };
  return { [`${name}AfterNs`]: moment.afterNs };
}

/** `7`, `3-9`. */
function parseIndices(text: string): { readonly first: number; readonly last: number } {
  const [, first, last] = /^(\d+)(?:-(\d+))?$/.exec(text) ?? [];
  const range = { min: 0, max: 2 ** 32 };
  if (first === undefined)
    throw valueError(`'${text}' is not a range of numbers`, 'write 7 or 3-9');
  const from = parseWhole(first, range);
  return { first: from, last: parseWhole(last ?? first, { ...range, min: from }) };
}

/** `10%`, or a number from 0 to 1. */
function parseFraction(text: string): number {
  const fraction = /^(?:0|1|0?\.\d+|1\.0+)$/.test(text) ? Number(text) : parsePercentage(text);
  if (fraction >= 0 && fraction <= 1) return fraction;
  throw valueError(`'${text}' is not a share`, 'write 10% or 0.1');
}
