/**
 * Figures of each class of requests: how many were sent, how long their answers took, how many answers
 * were not like the recorded ones. The classes of a run add up to the run.
 *
 * A thread counts in shared memory that the main thread makes: a row of counts a class, and a histogram
 * a class. A histogram takes 311 KB of addresses, of which only the pages that are written to take
 * memory: 8 KB for each doubling of the latencies that occur, some 60 KB a class and thread in all.
 */
import { createHistograms, LatencyRecorder, LatencyTable } from './histograms.ts';

/** The class of all requests that have none of their own. */
export const OTHER_CLASS = 'other';

/** What is counted of each class. */
export const ClassCount = { SENT: 0, MISMATCHED: 1 } as const;
export type ClassCount = (typeof ClassCount)[keyof typeof ClassCount];
const CLASS_COUNTS = 2;

/** One thread's figures, in shared memory: classes are numbers from 0. */
export interface ClassColumns {
  /** `ClassCount`s, a row a class. */
  readonly counts: Float64Array<SharedArrayBuffer>;
  /** Response times, a histogram a class (`createHistograms`). */
  readonly histograms: Float64Array<SharedArrayBuffer>;
}

/** The sum of what threads recorded; only classes of which there was a request. */
export interface RequestClasses {
  /** Ascending, each once. */
  readonly names: readonly string[];
  /** `ClassCount`s, a row a class. */
  readonly counts: Float64Array;
  /** From request intended to the end of the answer, a histogram a class. */
  readonly response: LatencyTable;
}

/** Nothing was told apart. */
export const NO_CLASSES: RequestClasses = {
  names: [],
  counts: new Float64Array(0),
  response: new LatencyTable(0),
};

/** Zeroed figures of so many classes. */
export const createClassColumns = (classes: number): ClassColumns => ({
  counts: new Float64Array(
    new SharedArrayBuffer(CLASS_COUNTS * classes * Float64Array.BYTES_PER_ELEMENT),
  ),
  histograms: createHistograms(classes),
});

/** What one thread records of each class. */
export class ClassRecorder {
  readonly #counts: Float64Array;
  readonly #response: LatencyRecorder;

  constructor({ counts, histograms }: ClassColumns) {
    this.#counts = counts;
    this.#response = new LatencyRecorder(histograms);
  }

  /** A request of the class goes out. */
  onSent(requestClass: number): void {
    this.#counts[requestClass * CLASS_COUNTS + ClassCount.SENT]++;
  }

  /** The answer to a request of the class is unlike the recorded one. */
  onMismatched(requestClass: number): void {
    this.#counts[requestClass * CLASS_COUNTS + ClassCount.MISMATCHED]++;
  }

  /** A request of the class has been answered, in so many nanoseconds. */
  onAnswered(requestClass: number, responseNs: number): void {
    this.#response.record(requestClass, responseNs);
  }
}

/**
 * The sum of what threads recorded.
 * @param names of the classes, by number
 */
export function sumClasses(
  names: readonly string[],
  threads: readonly ClassColumns[],
): RequestClasses {
  const recorded = threads.map(({ histograms }) => histograms);
  const counts = new Float64Array(CLASS_COUNTS * names.length);
  for (const each of threads) for (let i = 0; i < counts.length; i++) counts[i] += each.counts[i];
  const response = LatencyTable.of(recorded, names.length);
  return joined([{ names, counts, response }]);
}

/** The sum of two runs' classes; exact, and the order makes no difference. */
export const addClasses = (a: RequestClasses, b: RequestClasses): RequestClasses => joined([a, b]);

/** Rows of the same name are added, those of which there was nothing left out. */
function joined(parts: readonly RequestClasses[]): RequestClasses {
  const names = [...new Set(parts.flatMap(usedNames))].sort();
  const rowOf = new Map(names.map((name, row) => [name, row]));
  const counts = new Float64Array(CLASS_COUNTS * names.length);
  const response = new LatencyTable(names.length);
  for (const part of parts) {
    for (const [from, name] of part.names.entries()) {
      const to = rowOf.get(name);
      if (to === undefined) continue;
      for (let i = 0; i < CLASS_COUNTS; i++) {
        counts[to * CLASS_COUNTS + i] += part.counts[from * CLASS_COUNTS + i];
      }
      if (part.response.count(from) === 0) continue;
      response.addExactly(to, part.response.sparse(from), part.response.totals(from));
    }
  }
  return { names, counts, response };
}

const usedNames = ({ names, counts, response }: RequestClasses): readonly string[] =>
  names.filter(
    (_, row) => response.count(row) > 0 || classCountsOf(counts, row).some((count) => count > 0),
  );

/** The `ClassCount`s of one class. */
export const classCountsOf = (counts: Float64Array, row: number): Float64Array =>
  counts.subarray(row * CLASS_COUNTS, (row + 1) * CLASS_COUNTS);
