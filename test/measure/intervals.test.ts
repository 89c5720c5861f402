import { expect, test } from 'vitest';
import { NS_PER_SECOND } from '../../src/base/time.ts';
import { Counter, createCounters, sumCounters } from '../../src/measure/counters.ts';
import { Latency, LatencyRecorder, LatencyTable } from '../../src/measure/histograms.ts';
import {
  INTERVALS_MAX,
  type Interval,
  IntervalRecorder,
  mergeTimelines,
  type Timeline,
} from '../../src/measure/intervals.ts';

interface Event {
  atSeconds: number;
  ns: number;
}

/** A thread that answers one exchange at each of these times. */
function threadOf(events: readonly Event[], endSeconds: number): Timeline {
  const recorder = new LatencyRecorder();
  const counters = createCounters();
  const intervals = new IntervalRecorder(recorder, counters);
  for (const { atSeconds, ns } of events) {
    intervals.roll(atSeconds * NS_PER_SECOND);
    recorder.record(Latency.RESPONSE, ns);
    counters[Counter.EXCHANGES_ANSWERED]++;
    counters[Counter.CLOCK_NS] = atSeconds * NS_PER_SECOND;
  }
  return intervals.finish(endSeconds * NS_PER_SECOND);
}

const shape = ({ intervals }: Timeline): number[][] =>
  intervals.map(({ startNs, endNs, latencies, counters }) => [
    startNs / NS_PER_SECOND,
    endNs / NS_PER_SECOND,
    latencies[Latency.RESPONSE].counts.reduce((sum, count) => sum + count, 0),
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
    table.addSparse(Latency.RESPONSE, interval.latencies[Latency.RESPONSE]);
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
