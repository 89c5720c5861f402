/**
 * A run over time: what was recorded in each second of it.
 *
 * The loop that plays the run calls `roll` each turn. Nothing is recorded twice for it: at an
 * interval's end the histograms are compared with how they stood at its beginning. Long runs get
 * longer intervals (2 s, 4 s, ...), so that their number stays bounded; two are made one at a time,
 * because the loop must not stop for all of them.
 */
import { NS_PER_SECOND } from '../base/time.ts';
import { COUNTERS, Counter, sumCounters } from './counters.ts';
import {
  LATENCY_NAMES,
  type Latency,
  LatencyChanges,
  type LatencyRecorder,
  type SparseCounts,
} from './histograms.ts';

/** More intervals than this are not kept: about 1 MB of result, and charts show no more. */
export const INTERVALS_MAX = 128;

/** A stretch of a run. Where nothing at all happened there is none. */
export interface Interval {
  readonly startNs: number;
  readonly endNs: number;
  /** What was recorded in it, in the order of `Latency`. */
  readonly latencies: readonly SparseCounts[];
  /** The thread's counters (or their sum) as they stood at its end. */
  readonly counters: Float64Array;
}

/** The intervals of one thread or of the whole run; plain data, ascending. */
export interface Timeline {
  /** Every interval begins at a multiple of this and is at most as long. */
  readonly intervalNs: number;
  readonly intervals: readonly Interval[];
}

/** Cuts one thread's run into intervals. */
export class IntervalRecorder {
  readonly #changes: LatencyChanges;
  readonly #counters: Float64Array;
  readonly #intervals: Interval[] = [];
  #intervalNs: number;
  #startNs = 0;
  /** How many of the intervals, from the first, are twice as long already. */
  #doubled = 0;
  #countersBefore: Float64Array;

  constructor(recorder: LatencyRecorder, counters: Float64Array, intervalNs = NS_PER_SECOND) {
    this.#changes = new LatencyChanges(recorder.columns);
    this.#counters = counters;
    this.#countersBefore = counters.slice();
    this.#intervalNs = intervalNs;
  }

  /** To be called once a turn of the loop, before anything that happens at `nowNs` is recorded. */
  roll(nowNs: number): void {
    if (nowNs < this.#startNs + this.#intervalNs) return;
    this.#close(this.#startNs + this.#intervalNs);
    this.#startNs = alignedTo(this.#intervalNs, nowNs);
  }

  /** Ends the last interval and gives all of them. */
  finish(nowNs: number): Timeline {
    this.roll(nowNs);
    this.#close(nowNs);
    while (this.#doubled > 0) this.#doubleOne();
    return { intervalNs: this.#intervalNs, intervals: this.#intervals };
  }

  #close(endNs: number): void {
    if (!this.#hasChanged()) return;
    const counters = this.#counters.slice();
    const latencies = LATENCY_NAMES.map((_, i) => this.#changes.take(i as Latency));
    append(this.#intervals, { startNs: this.#startNs, endNs, latencies, counters });
    this.#countersBefore = counters;
    // One interval came, so one pair is joined; stepping over those without a neighbour is cheap.
    while (this.#intervals.length > INTERVALS_MAX) this.#doubleOne();
  }

  /** Makes the first interval that has the old length twice as long, with its neighbour or without. */
  #doubleOne(): void {
    const at = this.#doubled++;
    const doubledNs = 2 * this.#intervalNs;
    const pair: Interval[] = [];
    for (const interval of this.#intervals.slice(at, at + 2)) {
      const startNs = alignedTo(doubledNs, interval.startNs);
      if (pair.length === 0 || pair[0].startNs === startNs) append(pair, { ...interval, startNs });
      else pair.push(interval);
    }
    this.#intervals.splice(at, 2, ...pair);
    if (this.#doubled < this.#intervals.length) return;
    this.#intervalNs = doubledNs;
    this.#doubled = 0;
  }

  #hasChanged(): boolean {
    for (let i = 0; i < COUNTERS; i++) {
      // The clock runs on through the empty stretches.
      if (i !== Counter.CLOCK_NS && this.#counters[i] !== this.#countersBefore[i]) return true;
    }
    return false;
  }
}

/** The run's timeline of its threads'. */
export function mergeTimelines(timelines: readonly Timeline[]): Timeline {
  const intervalNs = Math.max(NS_PER_SECOND, ...timelines.map((each) => each.intervalNs));
  const lasts: Float64Array[] = timelines.map(() => new Float64Array(COUNTERS));
  const merged: Interval[] = [];
  const all = timelines
    .flatMap(({ intervals }, thread) => intervals.map((interval) => ({ interval, thread })))
    .sort((a, b) => a.interval.startNs - b.interval.startNs);
  for (const { interval, thread } of all) {
    // A thread that did nothing in an interval still stands where it stood before.
    lasts[thread] = interval.counters;
    const startNs = alignedTo(intervalNs, interval.startNs);
    append(merged, { ...interval, startNs, counters: sumCounters(lasts) });
  }
  return { intervalNs, intervals: merged };
}

/** Behind the last one, or into it when both begin at the same time. */
function append(intervals: Interval[], interval: Interval): void {
  const last = intervals.at(-1);
  if (last === undefined || last.startNs !== interval.startNs) {
    intervals.push(interval);
    return;
  }
  intervals[intervals.length - 1] = {
    startNs: last.startNs,
    endNs: Math.max(last.endNs, interval.endNs),
    latencies: last.latencies.map((counts, i) => addSparse(counts, interval.latencies[i])),
    counters: interval.counters,
  };
}

const alignedTo = (intervalNs: number, ns: number): number =>
  Math.floor(ns / intervalNs) * intervalNs;

/** The sum of two; a merge of sorted columns, since it runs in the loop that plays. */
function addSparse(a: SparseCounts, b: SparseCounts): SparseCounts {
  const indexes = new Uint32Array(a.indexes.length + b.indexes.length);
  const counts = new Float64Array(indexes.length);
  let length = 0;
  for (let i = 0, j = 0; i < a.indexes.length || j < b.indexes.length; length++) {
    const left = i < a.indexes.length ? a.indexes[i] : Number.POSITIVE_INFINITY;
    const right = j < b.indexes.length ? b.indexes[j] : Number.POSITIVE_INFINITY;
    indexes[length] = Math.min(left, right);
    if (left <= right) counts[length] += a.counts[i++];
    if (right <= left) counts[length] += b.counts[j++];
  }
  return { indexes: indexes.slice(0, length), counts: counts.slice(0, length) };
}
