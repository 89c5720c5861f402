/**
 * A run over time: what was recorded in each second of it.
 *
 * The loop that plays the run calls `roll` each turn. Nothing is recorded twice for it: at an
 * interval's end the histograms are compared with how they stood at its beginning. Long runs get
 * longer intervals (2 s, 4 s, ...), so that their number and their memory stay bounded; two are made
 * one at a time, because the loop must not stop for all of them.
 */
import { NS_PER_SECOND } from '../base/time.ts';
import { COUNTERS, Counter, createCounters, sumCounters } from './counters.ts';
import {
  LATENCY_NAMES,
  Latency,
  LatencyChanges,
  LatencyRecorder,
  type SparseCounts,
} from './histograms.ts';
import { CountsPacker, type PackedCounts, packCounts, unpackCounts } from './packed-counts.ts';

/** How much of a run's time a thread keeps; beyond that its intervals become longer. */
export interface IntervalLimits {
  readonly intervals: number;
  /** Of their packed histograms, in octets. */
  readonly bytes: number;
}

/**
 * An hour and eight minutes of seconds. A second of 20,000 requests takes some 18 kB, so that
 * runs with more than that a thread come to the second limit before (bench/measure/intervals).
 */
export const INTERVAL_LIMITS: IntervalLimits = { intervals: 4_096, bytes: 64 * 2 ** 20 };

/** A stretch of a run. Where nothing at all happened there is none. */
export interface Interval {
  readonly startNs: number;
  readonly endNs: number;
  /** What was recorded in it, in the order of `Latency`. */
  readonly latencies: readonly PackedCounts[];
  /** The thread's counters (or their sum) as they stood at its end; `PEAK_ESTABLISHED` is its own. */
  readonly counters: Float64Array;
}

/** The intervals of one thread or of the whole run; plain data, ascending. */
export interface Timeline {
  /** Every interval begins at a multiple of this and is at most as long. */
  readonly intervalNs: number;
  readonly intervals: readonly Interval[];
}

/** Steps of half a per cent, from a microsecond to a minute. */
const REHEARSED_NS_MIN = 1_000;
const REHEARSED_NS_MAX = 60 * NS_PER_SECOND;
const REHEARSED_STEP = 1.005;
/** Once is not always enough for the compiler. */
const REHEARSALS = 2;

/**
 * Does before a run what ends an interval: the first time that takes 7 ms, not yet compiled, afterwards less than
 * one, and the loop that plays must not stop for it.
 */
export function rehearseInterval(): void {
  const recorder = new LatencyRecorder();
  const counters = createCounters();
  const intervals = new IntervalRecorder(recorder, counters);
  for (let second = 1; second <= REHEARSALS; second++) {
    for (let ns = REHEARSED_NS_MIN; ns < REHEARSED_NS_MAX; ns *= REHEARSED_STEP) {
      recorder.record(Latency.RESPONSE, ns);
    }
    counters[Counter.STARTED] = second;
    intervals.roll(second * NS_PER_SECOND);
  }
}

/** Cuts one thread's run into intervals. */
export class IntervalRecorder {
  readonly #changes: LatencyChanges;
  readonly #counters: Float64Array;
  readonly #limits: IntervalLimits;
  readonly #packer = new CountsPacker();
  readonly #intervals: Interval[] = [];
  #bytes = 0;
  #intervalNs = NS_PER_SECOND;
  #startNs = 0;
  /** When the interval is over: a field that has held such a number is none for an `int` from the start. */
  #closesNs = Number.POSITIVE_INFINITY;
  /** How many of the intervals, from the first, are twice as long already. */
  #doubled = 0;
  #countersBefore: Float64Array;

  constructor(recorder: LatencyRecorder, counters: Float64Array, limits = INTERVAL_LIMITS) {
    this.#changes = new LatencyChanges(recorder.columns);
    this.#counters = counters;
    this.#countersBefore = counters.slice();
    this.#limits = limits;
    this.#closesNs = this.#intervalNs;
  }

  /** When the interval at hand is over: before, `roll` does nothing. */
  get closesNs(): number {
    return this.#closesNs;
  }

  /** To be called once a turn of the loop, before anything that happens at `nowNs` is recorded. */
  roll(nowNs: number): void {
    if (nowNs < this.#closesNs) return;
    this.#close(this.#closesNs);
    this.#startNs = alignedTo(this.#intervalNs, nowNs);
    this.#closesNs = this.#startNs + this.#intervalNs;
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
    const latencies = LATENCY_NAMES.map((_, i) =>
      packCounts(this.#changes.take(i as Latency), this.#packer),
    );
    const intervals = this.#intervals;
    const last = intervals.slice(-1);
    append(intervals, { startNs: this.#startNs, endNs, latencies, counters }, this.#packer);
    // Where both begin at the same time the last one has become another.
    const isJoined = last.at(0)?.startNs === this.#startNs;
    this.#bytes += bytesOf(intervals.slice(-1)) - (isJoined ? bytesOf(last) : 0);
    // Every interval has a peak of its own.
    this.#counters[Counter.PEAK_ESTABLISHED] = this.#counters[Counter.ESTABLISHED];
    this.#countersBefore = atRest(counters);
    // One interval came, so a pair or two are joined; stepping over those without a neighbour is cheap.
    while (this.#isFull()) this.#doubleOne();
  }

  #isFull(): boolean {
    const { length } = this.#intervals;
    const { intervals, bytes } = this.#limits;
    // One alone cannot be made smaller.
    return length > intervals || (length > 1 && this.#bytes > bytes);
  }

  /** Makes the first interval that has the old length twice as long, with its neighbour or without. */
  #doubleOne(): void {
    const at = this.#doubled++;
    const doubledNs = 2 * this.#intervalNs;
    const before = this.#intervals.slice(at, at + 2);
    const pair: Interval[] = [];
    for (const interval of before) {
      const startNs = alignedTo(doubledNs, interval.startNs);
      if (pair.length === 0 || pair[0].startNs === startNs) {
        append(pair, { ...interval, startNs }, this.#packer);
      } else {
        pair.push(interval);
      }
    }
    this.#intervals.splice(at, 2, ...pair);
    this.#bytes += bytesOf(pair) - bytesOf(before);
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

/**
 * The run's timeline of its parts' (threads, shares): the longest interval counts for all of them,
 * since two intervals can be joined and one cannot be parted.
 */
export function mergeTimelines(timelines: readonly Timeline[]): Timeline {
  const intervalNs = Math.max(NS_PER_SECOND, ...timelines.map((each) => each.intervalNs));
  return addTimelines(timelines.map((each) => withIntervals(each, intervalNs)));
}

/** The same timeline in intervals of another length, a multiple of its own. */
function withIntervals({ intervals }: Timeline, intervalNs: number): Timeline {
  const longer: Interval[] = [];
  const packer = new CountsPacker();
  for (const interval of intervals) {
    append(longer, { ...interval, startNs: alignedTo(intervalNs, interval.startNs) }, packer);
  }
  return { intervalNs, intervals: longer };
}

/**
 * The sum of timelines whose intervals are of one length; exact, in whatever order they are added.
 * Of connections that were established at once an interval holds the sum of the parts' peaks in it:
 * no less than there were, and more only where parts had their peaks at different times of it.
 */
export function addTimelines(timelines: readonly Timeline[]): Timeline {
  const lasts: Float64Array[] = timelines.map(() => new Float64Array(COUNTERS));
  const starts = new Map<number, Map<number, Interval>>();
  for (const [part, { intervals }] of timelines.entries()) {
    for (const interval of intervals) {
      const found = starts.get(interval.startNs) ?? new Map<number, Interval>();
      starts.set(interval.startNs, found.set(part, interval));
    }
  }
  const packer = new CountsPacker();
  const merged = [...starts].sort(([a], [b]) => a - b);
  const intervalNs = timelines.at(0)?.intervalNs ?? NS_PER_SECOND;
  // Where a part ended in mid-interval, others may have gone on.
  const lastNs = merged.at(-1)?.[0] ?? 0;
  return {
    intervalNs,
    intervals: merged.map(([startNs, parts]) => {
      for (const [part, last] of lasts.entries()) {
        // A part that did nothing in an interval still stands where it stood before.
        lasts[part] = parts.get(part)?.counters ?? atRest(last);
      }
      const rows = [...parts.values()];
      return {
        startNs,
        endNs:
          startNs < lastNs ? startNs + intervalNs : Math.max(...rows.map(({ endNs }) => endNs)),
        latencies: LATENCY_NAMES.map((_, i) =>
          rows.map(({ latencies }) => latencies[i]).reduce((a, b) => addPacked(a, b, packer)),
        ),
        counters: sumCounters(lasts),
      };
    }),
  };
}

/** The counters of an interval in which nothing happens. */
function atRest(counters: Float64Array): Float64Array {
  if (counters[Counter.PEAK_ESTABLISHED] === counters[Counter.ESTABLISHED]) return counters;
  const still = counters.slice();
  still[Counter.PEAK_ESTABLISHED] = still[Counter.ESTABLISHED];
  return still;
}

/** The most connections that were established at once, as far as intervals tell (`addTimelines`). */
export const peakEstablished = ({ intervals }: Timeline): number =>
  intervals.reduce((peak, { counters }) => Math.max(peak, counters[Counter.PEAK_ESTABLISHED]), 0);

/** Behind the last one, or into it when both begin at the same time. */
function append(intervals: Interval[], interval: Interval, packer: CountsPacker): void {
  const last = intervals.at(-1);
  if (last === undefined || last.startNs !== interval.startNs) {
    intervals.push(interval);
    return;
  }
  intervals[intervals.length - 1] = {
    startNs: last.startNs,
    endNs: Math.max(last.endNs, interval.endNs),
    latencies: last.latencies.map((counts, i) => addPacked(counts, interval.latencies[i], packer)),
    counters: withPeakOf(last.counters, interval.counters),
  };
}

function withPeakOf(before: Float64Array, counters: Float64Array): Float64Array {
  if (before[Counter.PEAK_ESTABLISHED] <= counters[Counter.PEAK_ESTABLISHED]) return counters;
  const both = counters.slice();
  both[Counter.PEAK_ESTABLISHED] = before[Counter.PEAK_ESTABLISHED];
  return both;
}

const alignedTo = (intervalNs: number, ns: number): number => ns - (ns % intervalNs);

/** Octets of their histograms. */
const bytesOf = (intervals: readonly Interval[]): number =>
  intervals.reduce(
    (sum, { latencies }) => latencies.reduce((part, packed) => part + packed.length, sum),
    0,
  );

function addPacked(a: PackedCounts, b: PackedCounts, packer: CountsPacker): PackedCounts {
  if (a.length === 0) return b;
  if (b.length === 0) return a;
  return packCounts(addSparse(unpackCounts(a), unpackCounts(b)), packer);
}

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
