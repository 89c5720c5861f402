/** Quantities as they are written: text in, value out, or a ReplayError (usage) that says why. */
import { NS_PER_MS } from '../../base/time.ts';
import { formatCount, parseDurationNs, parseSizeBytes } from '../../base/units.ts';
import { valueError } from './value-error.ts';

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

/** What one wake-up may wait for more, at most: who waits hears nothing else. */
const WAKEUP_NS_MAX = NS_PER_MS;

/** How long replies may lie until more of them have come: 0 to 1 ms. */
export function parseWakeupNs(text: string): number {
  const ns = parseDurationNs(text);
  if (ns <= WAKEUP_NS_MAX) return ns;
  throw valueError(`'${text}' is longer than 1 ms`, 'write 20us, 50us or 0');
}

/** A size in octets within a range. */
export function parseSizeWithin(text: string, range: { min: number; max: number }): number {
  const bytes = parseSizeBytes(text);
  if (bytes >= range.min && bytes <= range.max) return bytes;
  const limits = `from ${formatCount(range.min)} to ${formatCount(range.max)} bytes`;
  throw valueError(`'${text}' is not ${limits}`);
}
