/** Latencies side by side: all of a table in one unit, so that a column can be read from top to bottom. */
import { formatCount } from '../base/units.ts';
import {
  LATENCY_MEANINGS,
  LATENCY_NAMES,
  type LatencyName,
  type LatencyRow,
} from '../measure/histograms.ts';
import type { RunResult } from '../measure/result.ts';
import { words } from './format.ts';
import { alignRight } from './layout.ts';

/** What a table of latencies can show. */
export const LATENCY_COLUMNS = ['min', 'mean', 'p50', 'p90', 'p95', 'p99', 'p99.9', 'max'] as const;
type LatencyColumn = (typeof LATENCY_COLUMNS)[number];

/** What it shows where there is room for 80 characters. */
const SCREEN_COLUMNS: readonly LatencyColumn[] = ['mean', 'p50', 'p90', 'p99', 'p99.9', 'max'];

/** Which go first when there is less room. */
const DISPENSABLE: readonly string[] = ['mean', 'p90', 'p99.9', 'count', 'p50', 'max'];

/** A unit of time, and how it is written. */
export interface Unit {
  readonly name: 'µs' | 'ms' | 's';
  readonly perMs: number;
  readonly decimals: number;
}

const MICROSECONDS: Unit = { name: 'µs', perMs: 1000, decimals: 1 };
const MILLISECONDS: Unit = { name: 'ms', perMs: 1, decimals: 3 };
const SECONDS: Unit = { name: 's', perMs: 1e-3, decimals: 3 };

/** From this median on a thousandth of a second is digits enough. */
const SECONDS_FROM_MS = 10_000;

/** Mostly no window holds anything back, and nobody logs in: then there is nothing to say of it. */
const RARE: ReadonlySet<LatencyName> = new Set(['held', 'login']);

const isShown = (name: LatencyName, latency: RunResult['latency']): boolean =>
  !RARE.has(name) || latency[name].count > 0;

/** From when to when each latency of the table is measured: its name, and that in words. */
export const latencyMeanings = (
  latency: RunResult['latency'],
): readonly (readonly [name: string, meaning: string])[] =>
  LATENCY_NAMES.flatMap((name, i) =>
    isShown(name, latency) ? [[words(name), LATENCY_MEANINGS[i]]] : [],
  );

/** A table of all latencies with its head, in one unit that is named there. */
export function latencyTable(
  latency: RunResult['latency'],
  columns: readonly LatencyColumn[] = LATENCY_COLUMNS,
): readonly (readonly string[])[] {
  const names = LATENCY_NAMES.filter((name) => isShown(name, latency));
  const unit = unitOf(names.map((name) => latency[name]));
  return [
    [`latency, ${unit.name}`, 'count', ...columns],
    ...names.map((name) => [
      words(name),
      formatCount(latency[name].count),
      ...columns.map((column) => cellOf(latency[name][column], unit)),
    ]),
  ];
}

/** The table as lines of at most so many characters; columns that do not fit are left out. */
export function latencyLines(latency: RunResult['latency'], width: number): string[] {
  const [head = [], ...rows] = latencyTable(latency, SCREEN_COLUMNS);
  let table = [head, ...rows.map(([name = '', ...cells]) => [`  ${name}`, ...cells])];
  for (const column of DISPENSABLE) {
    if (alignRight(table).every((line) => line.length <= width)) break;
    const at = table.at(0)?.indexOf(column) ?? -1;
    table = table.map((cells) => cells.filter((_, i) => i !== at));
  }
  return alignRight(table);
}

/** The unit in which these rows are read best. */
export function unitOf(rows: readonly LatencyRow[]): Unit {
  const largestMs = Math.max(...rows.map(({ max }) => max ?? 0));
  if (largestMs < 1) return MICROSECONDS;
  const medianMs = Math.max(...rows.map(({ p50 }) => p50 ?? 0));
  return medianMs < SECONDS_FROM_MS ? MILLISECONDS : SECONDS;
}

/** A latency in a unit, without its name; `-` where nothing was measured. */
export function cellOf(ms: number | null, { perMs, decimals }: Unit): string {
  if (ms === null) return '-';
  const [whole = '', fraction = ''] = (ms * perMs).toFixed(decimals).split('.');
  const grouped = whole.replace(/\B(?=(?:\d{3})+$)/g, ',');
  return fraction === '' ? grouped : `${grouped}.${fraction}`;
}
