import { expect, test } from 'vitest';
import { NS_PER_MS } from '../../src/base/time.ts';
import { encodeHistogram } from '../../src/measure/histogram-codec.ts';
import { Latency, LatencyRecorder, LatencyTable } from '../../src/measure/histograms.ts';
import type { TimelineRow } from '../../src/measure/result.ts';
import { chartsOf } from '../../src/report/html/chart-data.ts';
import { DRAWN_MAX, drawnIntervals, drawnSeconds } from '../../src/report/html/drawn-intervals.ts';
import { htmlReport } from '../../src/report/html/html-report.ts';
import { sampleResult } from '../measure/sample-run.ts';

/** Of second `i`: two answers, the slow one of every 100th second takes a second. */
const valuesOf = (i: number): number[] => [1 + (i % 7), i % 100 === 0 ? 1_000 : 10].map(ns);
const ns = (ms: number): number => ms * NS_PER_MS;

function tableOf(values: readonly number[]): LatencyTable {
  const recorder = new LatencyRecorder();
  for (const value of values) recorder.record(Latency.RESPONSE, value);
  return LatencyTable.of([recorder.columns]);
}

const known = new Map<string, string>();

/** Each kind of second is encoded once. */
function encodedOf(i: number): string {
  const key = valuesOf(i).join();
  const encoded = known.get(key) ?? encodeHistogram(tableOf(valuesOf(i)).sparse(Latency.RESPONSE));
  known.set(key, encoded);
  return encoded;
}

const second = (i: number): TimelineRow => ({
  startSeconds: i,
  endSeconds: i + 1,
  started: 0,
  waiting: 0,
  live: i,
  completed: 0,
  failed: 0,
  refused: 0,
  reset: 0,
  timedOut: 0,
  aborted: 0,
  established: 0,
  connected: 0,
  due: 2 * (i + 1),
  sent: 2 * (i + 1),
  answered: 2 * (i + 1),
  retransmitted: 0,
  unsent: 0,
  ringFull: 0,
  latency: { response: { count: 2, p50: 0, p99: 0, max: 0 } },
  histograms: { response: encodedOf(i) },
});

const timelineOf = (intervals: readonly TimelineRow[]) => ({ intervalSeconds: 1, intervals });
const seconds = (count: number): TimelineRow[] =>
  Array.from({ length: count }, (_, i) => second(i));

test('as many as a chart is wide are drawn as they are', () => {
  const timeline = timelineOf(seconds(DRAWN_MAX));
  expect(drawnSeconds(timeline)).toBe(1);
  expect(drawnIntervals(timeline)).toBe(timeline.intervals);
});

test('one more, and two each are joined: totals as at their end, percentiles of all that was recorded', () => {
  const rows = seconds(DRAWN_MAX + 1);
  const drawn = drawnIntervals(timelineOf(rows));
  expect(drawnSeconds(timelineOf(rows))).toBe(2);
  expect(drawn).toHaveLength(DRAWN_MAX / 2 + 1);
  for (const [i, row] of drawn.entries()) {
    const of = rows.slice(2 * i, 2 * i + 2).map((_, k) => 2 * i + k);
    const table = tableOf(of.flatMap(valuesOf));
    const at = (percentile: number) =>
      Number(table.valueAtPercentileNs(Latency.RESPONSE, percentile)) / NS_PER_MS;
    const last = of[of.length - 1];
    expect(row).toMatchObject({ startSeconds: 2 * i, endSeconds: last + 1, live: last });
    expect(row.answered).toBe(2 * (last + 1));
    expect(row.latency.response?.count).toBe(2 * of.length);
    // Ends are known to the width of a step, a thousandth.
    for (const [figure, percentile] of [
      ['p50', 50],
      ['p99', 99],
      ['max', 100],
    ] as const) {
      const found = row.latency.response?.[figure] ?? 0;
      expect(found).toBeGreaterThanOrEqual(at(percentile));
      expect(found).toBeLessThanOrEqual(at(percentile) * 1.001);
    }
  }
});

test('seconds in which nothing happened join nothing', () => {
  // A second of work a minute: joined to a minute they would still be as many.
  const rows = Array.from({ length: 600 }, (_, i) => second(60 * i));
  const drawn = drawnIntervals(timelineOf(rows));
  expect(drawnSeconds(timelineOf(rows))).toBe(128);
  expect(drawn.length).toBeLessThanOrEqual(DRAWN_MAX);
  expect(drawn.reduce((sum, row) => sum + (row.latency.response?.count ?? 0), 0)).toBe(1_200);
});

test('an hour of seconds is drawn at the same rate, says how it is drawn, and keeps every peak', () => {
  const rows = seconds(3_600);
  const result = { ...sampleResult([]), timeline: timelineOf(rows) };
  const [latency, rates] = chartsOf(result);
  expect(latency.x).toHaveLength(450);
  const line = (chart: typeof latency, name: string) =>
    chart.lines.find((each) => each.name === name)?.values ?? [];
  expect(new Set(line(rates, 'answered'))).toEqual(new Set([2]));
  expect(line(latency, 'maximum').filter((ms) => (ms ?? 0) >= 1_000)).toHaveLength(36);
  const assets = { style: '', script: '', chartStyle: '', chartScript: '' };
  expect(htmlReport(result, assets)).toContain('Drawn in steps of 8 s');
  const short = { ...result, timeline: timelineOf(rows.slice(0, 10)) };
  expect(htmlReport(short, assets)).not.toContain('Drawn in steps');
});
