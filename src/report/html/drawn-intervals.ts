/**
 * The intervals that charts draw: of a long run joined ones, since more points than a chart is wide
 * become a band in which nothing is seen. Percentiles are those of the joined histograms; a mean of
 * percentiles would be the percentile of nothing.
 */
import { NS_PER_MS } from '../../base/time.ts';
import { decodeHistogram } from '../../measure/histogram-reader.ts';
import { type LatencyName, LatencyTable } from '../../measure/histograms.ts';
import type { RunResult, TimelineLatency, TimelineRow } from '../../measure/result.ts';

/** A chart of a page is some 500 points wide on a large screen. */
export const DRAWN_MAX = 480;

/** An interval as it is drawn; of joined ones there are no latencies but those of `DRAWN_LATENCIES`. */
export type DrawnRow = Omit<TimelineRow, 'histograms'>;

/** Of which latencies there are lines. */
const DRAWN_LATENCIES = ['response', 'service'] as const satisfies readonly LatencyName[];

/**
 * How long an interval is as it is drawn: as it is, or 2, 4, 8, … times that, so that there are at most
 * `DRAWN_MAX`. Those whose histograms somebody took out cannot be joined.
 */
export function drawnSeconds({ intervals, intervalSeconds }: RunResult['timeline']): number {
  const measured = intervals.find(({ latency }) => latency.response !== undefined);
  const isBare = measured !== undefined && measured.histograms.response === undefined;
  if (intervals.length <= DRAWN_MAX || isBare) return intervalSeconds;
  let seconds = 2 * intervalSeconds;
  while (groupsOf(intervals, seconds).length > DRAWN_MAX) seconds *= 2;
  return seconds;
}

/** The intervals of a timeline as they are drawn. */
export function drawnIntervals(timeline: RunResult['timeline']): readonly DrawnRow[] {
  const { intervals, intervalSeconds } = timeline;
  const seconds = drawnSeconds(timeline);
  return seconds === intervalSeconds ? intervals : groupsOf(intervals, seconds).map(joined);
}

/** Those that begin in the same stretch of so many seconds. */
function groupsOf(intervals: readonly TimelineRow[], seconds: number): TimelineRow[][] {
  const groups: TimelineRow[][] = [];
  let stretch = -1;
  for (const interval of intervals) {
    const at = Math.floor(interval.startSeconds / seconds);
    if (at !== stretch) groups.push([]);
    stretch = at;
    groups.at(-1)?.push(interval);
  }
  return groups;
}

/** @param rows at least one */
function joined(rows: readonly TimelineRow[]): DrawnRow {
  const latency: Partial<Record<LatencyName, TimelineLatency>> = {};
  for (const name of DRAWN_LATENCIES) {
    const of = latencyOf(rows, name);
    if (of !== null) latency[name] = of;
  }
  // Counts are totals since the start of the run, as they stood at the end of the last one.
  return { ...rows[rows.length - 1], startSeconds: rows[0].startSeconds, latency };
}

/** null where nothing was recorded. */
function latencyOf(rows: readonly TimelineRow[], name: LatencyName): TimelineLatency | null {
  const table = new LatencyTable(1);
  for (const { histograms } of rows) {
    const encoded = histograms[name];
    if (encoded !== undefined) table.addSparse(0, decodeHistogram(encoded));
  }
  const at = (percentile: number) => (table.valueAtPercentileNs(0, percentile) ?? 0) / NS_PER_MS;
  const count = table.count(0);
  return count === 0 ? null : { count, p50: at(50), p99: at(99), max: at(100) };
}
