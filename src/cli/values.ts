/** How the values of options are read: text in, value out, or a ReplayError (usage) that says why. */
import { formatAddress, parseAddress } from '../base/address.ts';
import { ReplayError } from '../base/errors.ts';
import { formatCount, parseDurationNs, parseSizeBytes } from '../base/units.ts';
import type { NextHop } from '../run/plan/options.ts';
import { formatMac, parseMac } from '../wire/ethernet.ts';
import { nearest } from './suggest.ts';

/** A whole number in a range, written plainly, grouped (`1_000_000`) or short (`1e6`, `10k`, `1M`). */
export function parseWhole(text: string, range: { min: number; max: number }): number {
  const match = /^(\d+(?:_\d{3})*|\d+(?:\.\d+)?e\d+)([kM]?)$/.exec(text.trim());
  const scale = match?.[2] === 'k' ? 1e3 : match?.[2] === 'M' ? 1e6 : 1;
  const value = match === null ? Number.NaN : Number(match[1]?.replaceAll('_', '')) * scale;
  if (Number.isInteger(value) && value >= range.min && value <= range.max) return value;
  const limits = `a whole number from ${formatCount(range.min)} to ${formatCount(range.max)}`;
  throw valueError(`'${text}' is not ${limits}`);
}

/** A number above 0: `10`, `0.5`, `2.5`. */
export function parsePositive(text: string): number {
  const value = /^(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?$/.test(text.trim())
    ? Number(text)
    : Number.NaN;
  if (value > 0 && Number.isFinite(value)) return value;
  throw valueError(`'${text}' is not a number above 0`, 'write 10, 2.5 or 0.5');
}

/** A duration above 0, in nanoseconds. */
export function parseTimeLimitNs(text: string): number {
  const ns = parseDurationNs(text);
  if (ns > 0) return ns;
  throw valueError(`'${text}' is not a duration above 0`, 'write 250ms, 30s or 2m');
}

/** A size in octets within a range. */
export function parseSizeWithin(text: string, range: { min: number; max: number }): number {
  const bytes = parseSizeBytes(text);
  if (bytes >= range.min && bytes <= range.max) return bytes;
  const limits = `from ${formatCount(range.min)} to ${formatCount(range.max)} bytes`;
  throw valueError(`'${text}' is not ${limits}`);
}

/** One of a few words. */
export function parseChoice<T extends string>(text: string, choices: readonly T[]): T {
  const chosen = choices.find((choice) => choice === text.trim());
  if (chosen !== undefined) return chosen;
  const close = nearest(text, choices);
  const hint = close === null ? undefined : `did you mean ${close}?`;
  throw valueError(`'${text}' is not one of ${choices.join(', ')}`, hint);
}

/** The address of one station, `aa:bb:cc:dd:ee:ff`, in lower case with colons. */
export function parseStation(text: string): string {
  const octets = parseMac(text.trim());
  if (octets === null)
    throw valueError(`'${text}' is not a MAC address`, 'write aa:bb:cc:dd:ee:ff');
  // IEEE 802, clause 8.2: the first octet's lowest bit marks a group.
  const isGroup = ((octets[0] ?? 0) & 1) === 1;
  const isNull = octets.every((octet) => octet === 0);
  if (isGroup || isNull) throw valueError(`'${text}' is not the address of one station`);
  return formatMac(octets);
}

/** A router: its MAC or its IP address. */
export function parseNextHop(text: string): NextHop {
  const address = parseAddress(text.trim());
  if (address !== null) return { kind: 'ip', address: formatAddress(address) };
  if (parseMac(text.trim()) !== null) return { kind: 'mac', mac: parseStation(text) };
  const hint = 'write aa:bb:cc:dd:ee:ff or 192.0.2.1';
  throw valueError(`'${text}' is neither a MAC nor an IP address`, hint);
}

/** The longest name the kernel gives an interface: IFNAMSIZ (include/uapi/linux/if.h) less its 0. */
const INTERFACE_NAME_MAX = 15;

/** The name of a network interface; whether there is one of that name, the run finds out. */
export function parseInterfaceName(text: string): string {
  const isName = /^[^\s/:]+$/.test(text) && text !== '.' && text !== '..';
  if (isName && text.length <= INTERFACE_NAME_MAX) return text;
  const limit = `at most ${INTERFACE_NAME_MAX} characters without spaces and slashes`;
  throw valueError(`'${text}' is not the name of an interface`, limit);
}

/** A usage error about a value; whoever knows the option puts its name before it. */
export const valueError = (message: string, hint?: string): ReplayError =>
  new ReplayError({
    code: 'ERR_CLI_VALUE',
    kind: 'usage',
    message,
    ...(hint === undefined ? {} : { hint }),
  });
