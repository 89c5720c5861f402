/**
 * A run over time: what was recorded in each second of it.
 *
 * The loop that plays the run calls `roll` each turn. Nothing is recorded twice for it: at an
 * interval's end the histograms are compared with how they stood at its beginning. Long runs get
 * longer intervals (2 s, 4 s, ...), so that their number stays bounded.
 */
import { NS_PER_SECOND } from '../base/time.ts';
import { COUNTERS, Counter, sumCounters } from './counters.ts';
import {
  LATENCY_NAMES,
  type Latency,
  type LatencyRecorder,
  LatencyTable,
  type SparseCounts,
} from './histograms.ts';

/** At this number of intervals two become one: about 1 MB of result. */
export const INTERVALS_MAX = 256;

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
  readonly #recorder: LatencyRecorder;
  readonly #counters: Float64Array;
  readonly #intervals: Interval[] = [];
  #intervalNs: number;
  #startNs = 0;
  #before = new LatencyTable();
  #countersBefore: Float64Array;

  constructor(recorder: LatencyRecorder, counters: Float64Array, intervalNs = NS_PER_SECOND) {
    this.#recorder = recorder;
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
    return { intervalNs: this.#intervalNs, intervals: this.#intervals };
  }

  #close(endNs: number): void {
    if (!this.#hasChanged()) return;
    const after = LatencyTable.of([this.#recorder.columns]);
    const counters = this.#counters.slice();
    const latencies = LATENCY_NAMES.map((_, i) => after.sparseSince(i as Latency, this.#before));
    append(this.#intervals, { startNs: this.#startNs, endNs, latencies, counters });
    this.#before = after;
    this.#countersBefore = counters;
    if (this.#intervals.length < INTERVALS_MAX) return;
    this.#intervalNs *= 2;
    coarsen(this.#intervals, this.#intervalNs);
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

function coarsen(intervals: Interval[], intervalNs: number): void {
  for (const interval of intervals.splice(0)) {
    append(intervals, { ...interval, startNs: alignedTo(intervalNs, interval.startNs) });
  }
}

const alignedTo = (intervalNs: number, ns: number): number =>
  Math.floor(ns / intervalNs) * intervalNs;

function addSparse(a: SparseCounts, b: SparseCounts): SparseCounts {
  const byIndex = new Map<number, number>();
  for (const { indexes, counts } of [a, b]) {
    for (let i = 0; i < indexes.length; i++) {
      byIndex.set(indexes[i], (byIndex.get(indexes[i]) ?? 0) + counts[i]);
    }
  }
  const entries = [...byIndex].sort(([left], [right]) => left - right);
  return {
    indexes: Uint32Array.from(entries, ([index]) => index),
    counts: Float64Array.from(entries, ([, count]) => count),
  };
}
