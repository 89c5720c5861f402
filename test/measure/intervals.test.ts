import { expect, test } from 'vitest';
import { NS_PER_SECOND } from '../../src/base/time.ts';
import { Counter, createCounters, sumCounters } from '../../src/measure/counters.ts';
import { Latency, LatencyRecorder, LatencyTable } from '../../src/measure/histograms.ts';
import {
  INTERVAL_LIMITS,
  type Interval,
  IntervalRecorder,
  mergeTimelines,
  type Timeline,
} from '../../src/measure/intervals.ts';
import { unpackCounts } from '../../src/measure/packed-counts.ts';

interface Event {
  atSeconds: number;
  ns: number;
}

/** Few, so that it does not take an hour to come to them. */
const INTERVALS_MAX = 128;
const FEW = { intervals: INTERVALS_MAX, bytes: Number.POSITIVE_INFINITY };

/** A thread that answers one exchange at each of these times. */
function threadOf(events: readonly Event[], endSeconds: number, limits = FEW): Timeline {
  const recorder = new LatencyRecorder();
  const counters = createCounters();
  const intervals = new IntervalRecorder(recorder, counters, limits);
  for (const { atSeconds, ns } of events) {
    intervals.roll(atSeconds * NS_PER_SECOND);
    recorder.record(Latency.RESPONSE, ns);
    counters[Counter.EXCHANGES_ANSWERED]++;
    counters[Counter.CLOCK_NS] = atSeconds * NS_PER_SECOND;
  }
  return intervals.finish(endSeconds * NS_PER_SECOND);
}

const responses = (latencies: Interval['latencies']): number =>
  unpackCounts(latencies[Latency.RESPONSE]).counts.reduce((sum, count) => sum + count, 0);

const shape = ({ intervals }: Timeline): number[][] =>
  intervals.map(({ startNs, endNs, latencies, counters }) => [
    startNs / NS_PER_SECOND,
    endNs / NS_PER_SECOND,
    responses(latencies),
    counters[Counter.EXCHANGES_ANSWERED],
  ]);

test('each second holds what was recorded in it', () => {
  const events = [0, 0.5, 0.999, 1, 2.5, 7.25].map((atSeconds) => ({ atSeconds, ns: 1000 }));
  expect(shape(threadOf(events, 7.5))).toEqual([
    [0, 1, 3, 3],
    [1, 2, 1, 4],
    [2, 3, 1, 5],
    [7, 7.5, 1, 6],
  ]);
});

test('a run in which nothing happens has no interval', () => {
  expect(threadOf([], 1000).intervals).toEqual([]);
});

test('a long run gets longer intervals, and loses nothing', () => {
  const events = Array.from({ length: 5000 }, (_, i) => ({ atSeconds: i * 1.7, ns: 1000 + i }));
  const timeline = threadOf(events, 8600);
  expect(timeline.intervals.length).toBeLessThanOrEqual(INTERVALS_MAX);
  expect(timeline.intervalNs).toBe(128 * NS_PER_SECOND);
  let recorded = 0;
  for (const interval of timeline.intervals) {
    expect(interval.startNs % timeline.intervalNs).toBe(0);
    expect(interval.endNs - interval.startNs).toBeLessThanOrEqual(timeline.intervalNs);
    const startSeconds = interval.startNs / NS_PER_SECOND;
    const inIt = events.filter(
      ({ atSeconds }) => atSeconds >= startSeconds && atSeconds < startSeconds + 128,
    );
    const table = new LatencyTable();
    table.addSparse(Latency.RESPONSE, unpackCounts(interval.latencies[Latency.RESPONSE]));
    expect(table.count(Latency.RESPONSE)).toBe(inIt.length);
    recorded += inIt.length;
    expect(interval.counters[Counter.EXCHANGES_ANSWERED]).toBe(recorded);
  }
  expect(recorded).toBe(5000);
});

test('threads are merged interval by interval, the idle ones as they stood', () => {
  const a = threadOf(
    [0, 1, 5].map((atSeconds) => ({ atSeconds, ns: 10 })),
    6,
  );
  const b = threadOf(
    [1, 2].map((atSeconds) => ({ atSeconds, ns: 20 })),
    3,
  );
  expect(shape(mergeTimelines([a, b]))).toEqual([
    [0, 1, 1, 1],
    [1, 2, 2, 3],
    [2, 3, 1, 4],
    [5, 6, 1, 5],
  ]);
});

test('a thread with longer intervals sets the length for all', () => {
  const long = threadOf(
    Array.from({ length: 200 }, (_, i) => ({ atSeconds: i, ns: 1 })),
    200,
  );
  const short = threadOf([{ atSeconds: 1, ns: 1 }], 2);
  const merged = mergeTimelines([short, long]);
  expect(merged.intervalNs).toBe(2 * NS_PER_SECOND);
  expect(shape(merged)[0]).toEqual([0, 2, 3, 3]);
  const last = merged.intervals.at(-1) as Interval;
  expect(last.counters[Counter.EXCHANGES_ANSWERED]).toBe(201);
});

test('counters add up, the clock is the latest', () => {
  const a = createCounters();
  const b = createCounters();
  a[Counter.STARTED] = 2;
  b[Counter.STARTED] = 3;
  a[Counter.CLOCK_NS] = 10;
  b[Counter.CLOCK_NS] = 7;
  const sum = sumCounters([a, b]);
  expect([sum[Counter.STARTED], sum[Counter.CLOCK_NS]]).toEqual([5, 10]);
});

test('a run with a moment of work every hour keeps few intervals too', () => {
  const events = Array.from({ length: 1000 }, (_, i) => ({ atSeconds: i * 3600, ns: 1000 }));
  const { intervals } = threadOf(events, 1000 * 3600);
  expect(intervals.length).toBeLessThanOrEqual(INTERVALS_MAX);
  expect(intervals.at(-1)?.counters[Counter.EXCHANGES_ANSWERED]).toBe(1000);
});

test('an hour is kept second by second', () => {
  const events = Array.from({ length: 3_600 }, (_, i) => ({ atSeconds: i + 0.5, ns: 1_000 * i }));
  const { intervalNs, intervals } = threadOf(events, 3_600, INTERVAL_LIMITS);
  expect(intervalNs).toBe(NS_PER_SECOND);
  expect(intervals.map(({ latencies }) => responses(latencies))).toEqual(events.map(() => 1));
});

/** In each second so many answers, no two alike. */
const wideSeconds = (seconds: number, answers: number): Event[] =>
  Array.from({ length: seconds * answers }, (_, i) => ({
    atSeconds: Math.floor(i / answers),
    ns: 1_000_000 * (1 + (i % answers)),
  }));

const bytesOf = ({ latencies }: Interval): number =>
  latencies.reduce((sum, packed) => sum + packed.length, 0);

test('where seconds hold much there are fewer of them, and nothing is lost', () => {
  const [seconds, answers, bytes] = [300, 200, 20_000];
  const limits = { intervals: 4_096, bytes };
  const timeline = threadOf(wideSeconds(seconds, answers), seconds, limits);
  const { intervals, intervalNs } = timeline;
  expect(intervalNs).toBeGreaterThan(NS_PER_SECOND);
  expect(intervals.length).toBeGreaterThan(1);
  // The last step of doubling is done for all at the end, so that there is less than the limit.
  expect(intervals.reduce((sum, each) => sum + bytesOf(each), 0)).toBeLessThanOrEqual(bytes);
  expect(intervals.reduce((sum, each) => sum + responses(each.latencies), 0)).toBe(
    seconds * answers,
  );
  for (const { startNs } of intervals) expect(startNs % intervalNs).toBe(0);
});

test('the limit of memory holds all the while, and one interval is kept in any case', () => {
  const recorder = new LatencyRecorder();
  const counters = createCounters();
  const intervals = new IntervalRecorder(recorder, counters, { intervals: 4_096, bytes: 100 });
  for (const { atSeconds, ns } of wideSeconds(50, 200)) {
    intervals.roll(atSeconds * NS_PER_SECOND);
    recorder.record(Latency.RESPONSE, ns);
    counters[Counter.EXCHANGES_ANSWERED]++;
  }
  const { intervals: kept } = intervals.finish(50 * NS_PER_SECOND);
  expect(kept).toHaveLength(1);
  expect(responses(kept[0].latencies)).toBe(50 * 200);
});
