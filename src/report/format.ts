/** Figures of a result as people read them. */
import { NS_PER_MS } from '../base/time.ts';
import { formatCount, formatDuration, formatPercentage, formatRate } from '../base/units.ts';
import type { LatencyRow } from '../measure/histograms.ts';
import type { RunResult } from '../measure/result.ts';
import type { ThresholdOutcome, ThresholdUnit } from '../measure/thresholds.ts';

/** The columns of a latency table. */
export const LATENCY_COLUMNS = ['min', 'mean', 'p50', 'p90', 'p95', 'p99', 'p99.9', 'max'] as const;

/** A latency with its unit, `-` where nothing was measured. */
export const formatMs = (ms: number | null): string =>
  ms === null ? '-' : formatDuration(ms * NS_PER_MS);

/** The count and the columns of a latency table's row. */
export const latencyCells = (row: LatencyRow): readonly string[] => [
  formatCount(row.count),
  ...LATENCY_COLUMNS.map((column) => formatMs(row[column])),
];

/** What a threshold was held against, or what was found. */
export function formatMeasured(value: number | null, unit: ThresholdUnit): string {
  if (value === null) return 'nothing measured';
  if (unit === 'ms') return formatMs(value);
  if (unit === 'fraction') return formatPercentage(value);
  return unit === 'count' ? formatCount(value) : formatRate(value);
}

/** What was found, and what it was held against where the expression does not say it. */
export function outcomeText({ expression, actual, limit, unit }: ThresholdOutcome): string {
  const found = formatMeasured(actual, unit);
  const isRelative = /[<>=][+-]/.test(expression);
  return isRelative ? `${found} (limit ${formatMeasured(limit, unit)})` : found;
}

/** The target, and how it is reached where that is not said already. */
export const targetText = ({ target, mode }: RunResult['plan']): string =>
  target === mode ? target : `${target} (${mode})`;

/** `closedEarly` as `closed early`. */
export const words = (name: string): string =>
  name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

/** A share in percent; `-` of nothing. */
export const shareText = (part: number, whole: number): string =>
  whole === 0 ? '-' : formatPercentage(part / whole);

/** The counts that are not 0, the largest first. */
export const nonZero = (counts: Readonly<Record<string, number>>): readonly [string, number][] =>
  Object.entries(counts)
    .filter(([, count]) => count !== 0)
    .sort(([, a], [, b]) => b - a);
