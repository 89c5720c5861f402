/**
 * Latency histograms: HdrHistogram's layout in shared memory.
 *
 * One histogram a latency and thread, one after another in one Float64Array, so that the main thread can read
 * percentiles while the run goes on and merging is adding. The buckets are those of HdrHistogram
 * with a lowest discernible value of 1 ns and 3 significant digits: bucket `k` covers up to
 * `2048 * 2^k` in steps of `2^k`; of every bucket but the first only the upper 1024 steps are used.
 * Recording by hand costs 6 ns; hdr-histogram-js 3.0.1 costs 13 (WASM) and 60 (JavaScript) on
 * the same machine (bench/measure), and its memory cannot be shared. It still does the encoding
 * (histogram-codec.ts) and is the oracle in the tests.
 *
 * Layout of one histogram: `[count, sum, min, max, clamped, upper sum, -, -, counts of each step...]`.
 * The sum is of whole nanoseconds and in two parts, `upper * 2^52 + sum`, so that it stays exact and
 * histograms can be added in any order.
 */
import { NS_PER_MS } from '../base/time.ts';
import {
  COUNTS_LENGTH,
  HIGHEST_TRACKABLE_NS,
  highestOf,
  indexOf,
  lowestOf,
} from './histogram-steps.ts';

/** What is measured; each has a histogram of its own (see `LATENCY_MEANINGS`). */
export const Latency = {
  CONNECT: 0,
  FIRST_BYTE: 1,
  RESPONSE: 2,
  SERVICE: 3,
  LAG: 4,
  HELD: 5,
  LOGIN: 6,
} as const;
export type Latency = (typeof Latency)[keyof typeof Latency];

/** The names of the histograms in results, in the order of `Latency`. */
export const LATENCY_NAMES = [
  'connect',
  'firstByte',
  'response',
  'service',
  'lag',
  'held',
  'login',
] as const;
/** What a latency is called in documents. */
export type LatencyName = (typeof LATENCY_NAMES)[number];

/** From when to when each one is measured, in the order of `Latency`. */
export const LATENCY_MEANINGS = [
  'first SYN sent to SYN-ACK',
  'request sent to first byte of the answer',
  'request intended to end of the answer',
  'request sent to end of the answer',
  'request intended to request sent: the generator itself',
  'request ready to request sent, where a full window held it back: the target or the path',
  'SYN-ACK to the answer with which a log-in that a module does itself is over',
] as const;

const COUNT = 0;
const SUM = 1;
const MIN = 2;
const MAX = 3;
const CLAMPED = 4;
const SUM_UPPER = 5;
const HEADER = 8;
const STRIDE = HEADER + COUNTS_LENGTH;

/** From here on what the lower part of a sum holds goes to the upper one. */
const SUM_CARRY = 2 ** 52;

/** Percentiles of one histogram, in milliseconds; `null` where nothing was recorded. */
export interface LatencyRow {
  readonly count: number;
  readonly min: number | null;
  readonly mean: number | null;
  readonly p50: number | null;
  readonly p90: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
  readonly 'p99.9': number | null;
  readonly 'p99.99': number | null;
  readonly max: number | null;
}

/** The steps of a histogram that are not 0. */
export interface SparseCounts {
  /** Ascending, below COUNTS_LENGTH. */
  readonly indexes: Uint32Array;
  readonly counts: Float64Array;
}

/** Exact figures of one histogram that its steps alone do not tell. */
export interface LatencyTotals {
  /** The sum of all values in whole nanoseconds is `sumUpper * 2^52 + sumNs`. */
  readonly sumNs: number;
  readonly sumUpper: number;
  /** Infinity where nothing was recorded. */
  readonly minNs: number;
  readonly maxNs: number;
  /** Values that were out of range. */
  readonly clamped: number;
}

/** So many histograms without anything in them, in shared memory; pages that nobody writes to cost nothing. */
export const createHistograms = (histograms: number): Float64Array<SharedArrayBuffer> =>
  clearHeaders(
    new Float64Array(new SharedArrayBuffer(STRIDE * histograms * Float64Array.BYTES_PER_ELEMENT)),
  );

/** One thread's histograms, written by that thread alone: those of `Latency`, or a row of others. */
export class LatencyRecorder {
  readonly columns: Float64Array<SharedArrayBuffer>;

  /** @param columns what `createHistograms` made */
  constructor(columns: Float64Array<SharedArrayBuffer> = createHistograms(LATENCY_NAMES.length)) {
    this.columns = columns;
  }

  /**
   * Records a latency in nanoseconds. Below 0 (clocks that disagree) it is recorded as 0, above
   * HIGHEST_TRACKABLE_NS as that, and counted as clamped.
   */
  record(latency: number, ns: number): void {
    const { columns } = this;
    const base = latency * STRIDE;
    let valueNs = ns;
    if (!(ns >= 0 && ns <= HIGHEST_TRACKABLE_NS)) {
      valueNs = ns > HIGHEST_TRACKABLE_NS ? HIGHEST_TRACKABLE_NS : 0;
      columns[base + CLAMPED]++;
    }
    columns[base + HEADER + indexOf(valueNs)]++;
    columns[base + COUNT]++;
    const sum = columns[base + SUM] + Math.round(valueNs);
    columns[base + SUM] = sum;
    if (sum >= SUM_CARRY) carrySum(columns, base);
    if (valueNs < columns[base + MIN]) columns[base + MIN] = valueNs;
    if (valueNs > columns[base + MAX]) columns[base + MAX] = valueNs;
  }
}

/** Histograms to read from: the sum of what was added. */
export class LatencyTable {
  readonly #columns: Float64Array;

  /** @param histograms how many there are: those of `Latency`, or a row of others */
  constructor(histograms: number = LATENCY_NAMES.length) {
    this.#columns = clearHeaders(new Float64Array(STRIDE * histograms));
  }

  /** The sum of these recorders' columns, which may be in use meanwhile. */
  static of(
    recorded: Iterable<Float64Array>,
    histograms: number = LATENCY_NAMES.length,
  ): LatencyTable {
    const table = new LatencyTable(histograms);
    for (const columns of recorded) table.#add(columns);
    return table;
  }

  /** Adds a recorder's `columns`. */
  #add(columns: Float64Array): void {
    for (let base = 0; base < columns.length; base += STRIDE) {
      if (columns[base + COUNT] === 0) continue;
      const minNs = columns[base + MIN];
      const maxNs = columns[base + MAX];
      const last = base + HEADER + indexOf(maxNs);
      for (let i = base + HEADER + indexOf(minNs); i <= last; i++) this.#columns[i] += columns[i];
      this.#columns[base + COUNT] += columns[base + COUNT];
      this.#addSum(base, columns[base + SUM], columns[base + SUM_UPPER]);
      this.#columns[base + CLAMPED] += columns[base + CLAMPED];
      this.#stretch(base, minNs, maxNs);
    }
  }

  /** Adds single steps; minimum, maximum and sum are then known to the width of a step. */
  addSparse(latency: number, { indexes, counts }: SparseCounts): void {
    const base = latency * STRIDE;
    for (let i = 0; i < indexes.length; i++) {
      const lowestNs = lowestOf(indexes[i]);
      const highestNs = highestOf(indexes[i]);
      this.#columns[base + HEADER + indexes[i]] += counts[i];
      this.#columns[base + COUNT] += counts[i];
      this.#addSum(base, (counts[i] * (lowestNs + highestNs)) / 2, 0);
      this.#stretch(base, lowestNs, highestNs);
    }
  }

  /** What was recorded since `before`, an earlier state of the same histogram. */
  sparseSince(latency: number, before: LatencyTable): SparseCounts {
    const base = latency * STRIDE + HEADER;
    const counts = this.#columns.slice(base, base + COUNTS_LENGTH);
    for (let i = 0; i < COUNTS_LENGTH; i++) counts[i] -= before.#columns[base + i];
    return sparseOf(counts);
  }

  /** All steps of one histogram that are not 0. */
  sparse(latency: number): SparseCounts {
    const base = latency * STRIDE + HEADER;
    return sparseOf(this.#columns.subarray(base, base + COUNTS_LENGTH));
  }

  count(latency: number): number {
    return this.#columns[latency * STRIDE + COUNT];
  }

  /** How many values were out of range and recorded as its nearer end. */
  clamped(latency: number): number {
    return this.#columns[latency * STRIDE + CLAMPED];
  }

  /** `null` when nothing was recorded. */
  minNs(latency: number): number | null {
    return this.count(latency) === 0 ? null : this.#columns[latency * STRIDE + MIN];
  }

  /** `null` when nothing was recorded. */
  maxNs(latency: number): number | null {
    return this.count(latency) === 0 ? null : this.#columns[latency * STRIDE + MAX];
  }

  /** `null` when nothing was recorded. */
  meanNs(latency: number): number | null {
    const count = this.count(latency);
    if (count === 0) return null;
    const { sumNs, sumUpper } = this.totals(latency);
    return (sumUpper * SUM_CARRY + sumNs) / count;
  }

  /**
   * The value that `percentile` percent (0..100) of what was recorded do not exceed, as
   * HdrHistogram gives it: the upper end of the step, here never above the maximum; the lowest one
   * for 0. `null` when nothing was recorded.
   */
  valueAtPercentileNs(latency: number, percentile: number): number | null {
    const base = latency * STRIDE;
    const count = this.#columns[base + COUNT];
    if (count === 0) return null;
    if (percentile <= 0) return this.#columns[base + MIN];
    const rank = rankOf(percentile, count);
    const last = indexOf(this.#columns[base + MAX]);
    let seen = 0;
    for (let index = indexOf(this.#columns[base + MIN]); index < last; index++) {
      seen += this.#columns[base + HEADER + index];
      if (seen >= rank) return highestOf(index);
    }
    return this.#columns[base + MAX];
  }

  /** The histogram's row in a result. */
  row(latency: number): LatencyRow {
    const at = (percentile: number): number | null =>
      toMs(this.valueAtPercentileNs(latency, percentile));
    return {
      count: this.count(latency),
      min: toMs(this.minNs(latency)),
      mean: toMs(this.meanNs(latency)),
      p50: at(50),
      p90: at(90),
      p95: at(95),
      p99: at(99),
      'p99.9': at(99.9),
      'p99.99': at(99.99),
      max: toMs(this.maxNs(latency)),
    };
  }

  /** What the steps alone do not tell. */
  totals(latency: number): LatencyTotals {
    const base = latency * STRIDE;
    const [sumNs, minNs, maxNs, clamped, sumUpper] = [SUM, MIN, MAX, CLAMPED, SUM_UPPER].map(
      (column) => this.#columns[base + column],
    );
    return { sumNs, sumUpper, minNs, maxNs, clamped };
  }

  /** Adds a whole histogram: its steps and its totals. */
  addExactly(latency: number, { indexes, counts }: SparseCounts, totals: LatencyTotals): void {
    const base = latency * STRIDE;
    for (let i = 0; i < indexes.length; i++) {
      this.#columns[base + HEADER + indexes[i]] += counts[i];
      this.#columns[base + COUNT] += counts[i];
    }
    this.#addSum(base, totals.sumNs, totals.sumUpper);
    this.#columns[base + CLAMPED] += totals.clamped;
    this.#stretch(base, totals.minNs, totals.maxNs);
  }

  #addSum(base: number, sumNs: number, sumUpper: number): void {
    this.#columns[base + SUM] += sumNs;
    this.#columns[base + SUM_UPPER] += sumUpper;
    if (this.#columns[base + SUM] >= SUM_CARRY) carrySum(this.#columns, base);
  }

  #stretch(base: number, minNs: number, maxNs: number): void {
    this.#columns[base + MIN] = Math.min(this.#columns[base + MIN], minNs);
    this.#columns[base + MAX] = Math.max(this.#columns[base + MAX], maxNs);
  }
}

function carrySum(columns: Float64Array, base: number): void {
  const upper = Math.floor(columns[base + SUM] / SUM_CARRY);
  columns[base + SUM] -= upper * SUM_CARRY;
  columns[base + SUM_UPPER] += upper;
}

/** What a thread records from one look to the next. */
export class LatencyChanges {
  readonly #recorded: Float64Array;
  readonly #seen: Float64Array;
  readonly #indexes = new Uint32Array(COUNTS_LENGTH);
  readonly #counts = new Float64Array(COUNTS_LENGTH);

  /** @param recorded a recorder's `columns`; what they hold now counts as seen */
  constructor(recorded: Float64Array) {
    this.#recorded = recorded;
    this.#seen = new Float64Array(recorded.length);
    for (let base = 0; base < recorded.length; base += STRIDE) this.#see(base);
  }

  /** Pages of steps that never occurred stay without memory. */
  #see(base: number): void {
    const recorded = this.#recorded;
    if (recorded[base + COUNT] === 0) return;
    this.#seen[base + COUNT] = recorded[base + COUNT];
    const first = base + HEADER + indexOf(recorded[base + MIN]);
    const end = base + HEADER + indexOf(recorded[base + MAX]) + 1;
    this.#seen.set(recorded.subarray(first, end), first);
  }

  /** What was recorded since the last call; it costs about 50 µs. */
  take(latency: Latency): SparseCounts {
    const recorded = this.#recorded;
    const seen = this.#seen;
    const base = latency * STRIDE;
    let length = 0;
    if (recorded[base + COUNT] !== seen[base + COUNT]) {
      const last = indexOf(recorded[base + MAX]);
      for (let index = indexOf(recorded[base + MIN]); index <= last; index++) {
        const i = base + HEADER + index;
        if (recorded[i] === seen[i]) continue;
        this.#indexes[length] = index;
        this.#counts[length++] = recorded[i] - seen[i];
        seen[i] = recorded[i];
      }
      seen[base + COUNT] = recorded[base + COUNT];
    }
    return { indexes: this.#indexes.slice(0, length), counts: this.#counts.slice(0, length) };
  }
}

/** The steps of one histogram that are not 0. */
export function sparseOf(counts: Float64Array): SparseCounts {
  const indexes: number[] = [];
  for (let index = 0; index < counts.length; index++) if (counts[index] !== 0) indexes.push(index);
  return {
    indexes: Uint32Array.from(indexes),
    counts: Float64Array.from(indexes, (index) => counts[index]),
  };
}

/** How many values the steps hold. */
export const sparseCount = ({ counts }: SparseCounts): number =>
  counts.reduce((sum, count) => sum + count, 0);

/** As `LatencyTable.valueAtPercentileNs`, with the ends known to the width of a step; 0 of nothing. */
export function sparseValueAtPercentileNs(sparse: SparseCounts, percentile: number): number {
  const rank = rankOf(percentile, sparseCount(sparse));
  let seen = 0;
  for (let i = 0; i < sparse.indexes.length; i++) {
    seen += sparse.counts[i];
    if (seen >= rank) return highestOf(sparse.indexes[i]);
  }
  return 0;
}

/** Which of `count` values in ascending order, from 1, a percentile (0..100) stands for. */
const rankOf = (percentile: number, count: number): number =>
  // A hair less than the product, so that its rounding error does not skip a value.
  Math.max(1, Math.ceil((Math.min(percentile, 100) / 100) * count * (1 - 2 ** -51)));

function clearHeaders<T extends ArrayBufferLike>(columns: Float64Array<T>): Float64Array<T> {
  for (let base = 0; base < columns.length; base += STRIDE) {
    columns[base + MIN] = Number.POSITIVE_INFINITY;
  }
  return columns;
}

const toMs = (ns: number | null): number | null => (ns === null ? null : ns / NS_PER_MS);
