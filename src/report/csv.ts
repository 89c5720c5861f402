/** A run over time as a table (RFC 4180): a row an interval, for spreadsheets and data frames. */
import { LATENCY_NAMES } from '../measure/histograms.ts';
import type { RunResult } from '../measure/result.ts';

/** What is counted: users and exchanges, then by state, connections and packets that were lost. */
const COUNTS = [
  'started',
  'live',
  'established',
  'completed',
  'failed',
  'sent',
  'answered',
  'due',
  'connected',
  'waiting',
  'refused',
  'reset',
  'timedOut',
  'aborted',
  'retransmitted',
  'unsent',
  'ringFull',
] as const;

/** What of each latency is given, in milliseconds; how often it was measured as a number. */
const FIGURES = ['count', 'p50', 'p99', 'max'] as const;

/**
 * The intervals of a result. Seconds since the start of the run; then counts as they stood at the
 * interval's end (all but `live`, `waiting` and `established` are totals since the start of the run; empty where
 * the result is of a version that did not write it); then of each
 * latency what was recorded within the interval, `NAME_count`, `NAME_p50_ms`, …: empty where nothing was.
 * Lines end in CR LF.
 */
export function csvReport(result: RunResult): string {
  const latencyNames = LATENCY_NAMES.flatMap((name) =>
    FIGURES.map((figure) => (figure === 'count' ? `${name}_count` : `${name}_${figure}_ms`)),
  );
  const head = ['start_seconds', 'end_seconds', ...COUNTS, ...latencyNames];
  const rows = result.timeline.intervals.map((interval) => [
    interval.startSeconds,
    interval.endSeconds,
    ...COUNTS.map((name) => interval[name] ?? ''),
    ...LATENCY_NAMES.flatMap((name) => {
      const found = interval.latency[name];
      return FIGURES.map((figure) => found?.[figure] ?? (figure === 'count' ? 0 : ''));
    }),
  ]);
  return [head, ...rows].map((cells) => `${cells.join(',')}\r\n`).join('');
}
