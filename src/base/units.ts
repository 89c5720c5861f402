/** How quantities are written by users and shown to them: durations, rates, sizes, shares. */
import { ReplayError } from './errors.ts';
import { NS_PER_MS, NS_PER_SECOND, NS_PER_US } from './time.ts';

const NUMBER = String.raw`(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?`;

const DURATION_UNITS_NS: ReadonlyMap<string, number> = new Map([
  ['ns', 1],
  ['us', NS_PER_US],
  ['µs', NS_PER_US],
  ['μs', NS_PER_US],
  ['ms', NS_PER_MS],
  ['s', NS_PER_SECOND],
  ['m', 60 * NS_PER_SECOND],
  ['h', 3600 * NS_PER_SECOND],
  ['d', 86_400 * NS_PER_SECOND],
]);

const RATE_UNITS_SECONDS: ReadonlyMap<string, number> = new Map([
  ['s', 1],
  ['m', 60],
  ['h', 3600],
]);

const SIZE_UNITS_BYTES: ReadonlyMap<string, number> = new Map([
  ['b', 1],
  ['kb', 1e3],
  ['mb', 1e6],
  ['gb', 1e9],
  ['tb', 1e12],
  ['kib', 2 ** 10],
  ['mib', 2 ** 20],
  ['gib', 2 ** 30],
  ['tib', 2 ** 40],
]);

const fault = (code: string, text: string, what: string, hint: string): ReplayError =>
  new ReplayError({ code, kind: 'usage', message: `'${text}' is not ${what}`, hint });

const DURATION_PART = new RegExp(`(${NUMBER})(ns|us|µs|μs|ms|s|m|h|d)`, 'g');
const DURATION = new RegExp(`^(?:${NUMBER}(?:ns|us|µs|μs|ms|s|m|h|d))+$`);

/**
 * A duration in nanoseconds, rounded to whole ones: `250ms`, `1.5h`, `1m30s`, `0`.
 * @throws ReplayError ERR_UNITS_DURATION (usage)
 */
export function parseDurationNs(text: string): number {
  const trimmed = text.trim();
  if (trimmed === '0') return 0;
  let ns = 0;
  if (DURATION.test(trimmed)) {
    for (const [, amount, unit] of trimmed.matchAll(DURATION_PART)) {
      ns += Number(amount) * (DURATION_UNITS_NS.get(unit) ?? Number.NaN);
    }
    if (Number.isSafeInteger(Math.round(ns))) return Math.round(ns);
  }
  const isBare = new RegExp(`^${NUMBER}$`).test(trimmed);
  const hint = isBare
    ? `did you mean ${trimmed}s or ${trimmed}ms?`
    : 'write 250ms, 30s, 2m or 1.5h';
  throw fault('ERR_UNITS_DURATION', text, 'a duration', hint);
}

/**
 * A rate per second, above 0: `500/s`, `30/m`, or a bare number per second.
 * @throws ReplayError ERR_UNITS_RATE (usage)
 */
export function parseRatePerSecond(text: string): number {
  const match = new RegExp(`^(${NUMBER})(?:/(s|m|h))?$`).exec(text.trim());
  const rate =
    match === null ? 0 : Number(match[1]) / (RATE_UNITS_SECONDS.get(match[2] ?? 's') ?? 1);
  if (rate > 0 && Number.isFinite(rate)) return rate;
  throw fault('ERR_UNITS_RATE', text, 'a rate above 0', 'write 500/s, 30/m or 2048 (per second)');
}

/**
 * A size in bytes: `10MB` (10^7), `64KiB` (2^16), or a bare number.
 * @throws ReplayError ERR_UNITS_SIZE (usage)
 */
export function parseSizeBytes(text: string): number {
  const match = new RegExp(`^(${NUMBER})\\s?([kmgt]?i?b)?$`, 'i').exec(text.trim());
  if (match !== null) {
    const unit = SIZE_UNITS_BYTES.get((match[2] ?? 'b').toLowerCase());
    const bytes = unit === undefined ? Number.NaN : Math.round(Number(match[1]) * unit);
    if (Number.isSafeInteger(bytes)) return bytes;
  }
  throw fault('ERR_UNITS_SIZE', text, 'a size', 'write 10MB, 64KiB or a number of bytes');
}

/**
 * A share as a fraction: `0.1%` is 0.001.
 * @throws ReplayError ERR_UNITS_PERCENTAGE (usage)
 */
export function parsePercentage(text: string): number {
  const match = new RegExp(`^(${NUMBER})%$`).exec(text.trim());
  if (match !== null && Number.isFinite(Number(match[1]))) return Number(match[1]) / 100;
  throw fault('ERR_UNITS_PERCENTAGE', text, 'a percentage', 'write 5% or 0.1%');
}

/** Three significant digits, more where they stand before the point; `1234.5` is `1,235`. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const magnitude = Math.abs(value);
  if (Number.isInteger(value) || magnitude >= 100) return groupThousands(Math.round(value));
  return value.toFixed(
    magnitude >= 9.995 ? 1 : magnitude >= 0.9995 ? 2 : magnitude >= 0.001 ? 3 : 6,
  );
}

/** Whole numbers with their thousands set off: `1,000,000`. */
export const formatCount = (count: number): string => groupThousands(Math.round(count));

/** `0 s`, `12.3 µs`, `1.50 s`, `2m 05s`, `3h 20m`. */
export function formatDuration(ns: number): string {
  const magnitude = Math.abs(ns);
  if (ns === 0) return '0 s';
  if (magnitude < NS_PER_US) return `${formatNumber(ns)} ns`;
  // Bounds lie where rounding to three digits would show the next unit's 1.
  if (magnitude < 999_500) return `${formatNumber(ns / NS_PER_US)} µs`;
  if (magnitude < 999.5 * NS_PER_MS) return `${formatNumber(ns / NS_PER_MS)} ms`;
  const seconds = Math.round(ns / NS_PER_SECOND);
  if (Math.abs(seconds) < 120) return `${formatNumber(ns / NS_PER_SECOND)} s`;
  const minutes = Math.trunc(seconds / 60);
  if (Math.abs(minutes) < 120) return `${minutes}m ${pad(seconds % 60)}s`;
  return `${Math.trunc(minutes / 60)}h ${pad(minutes % 60)}m`;
}

/** `1,234/s`; small rates per minute or hour, so that they keep their digits. */
export function formatRate(perSecond: number): string {
  if (perSecond === 0 || perSecond >= 0.1) return `${formatNumber(perSecond)}/s`;
  if (perSecond * 60 >= 0.1) return `${formatNumber(perSecond * 60)}/m`;
  return `${formatNumber(perSecond * 3600)}/h`;
}

/** Decimal units: `0 B`, `1.50 kB`, `12.3 MB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  for (const unit of ['B', 'kB', 'MB', 'GB']) {
    if (Math.abs(value) < 999.5) return `${formatNumber(value)} ${unit}`;
    value /= 1000;
  }
  return `${formatNumber(value)} TB`;
}

/** A fraction as a percentage: 0.001 is `0.1%`. */
export function formatPercentage(fraction: number): string {
  const percent = fraction * 100;
  const digits = percent === 0 || Math.abs(percent) >= 10 ? 1 : Math.abs(percent) >= 0.1 ? 2 : 4;
  return `${Number(percent.toFixed(digits))}%`;
}

const pad = (value: number): string => String(Math.abs(value)).padStart(2, '0');

const groupThousands = (value: number): string => String(value).replace(/\B(?=(?:\d{3})+$)/g, ',');
