/** What a thread records of exchanges besides counters and latencies: in memory that the main thread makes. */
import { createAnswersSeen } from './answers-seen.ts';
import { createDifferences } from './differences.ts';
import { type ClassColumns, createClassColumns } from './request-classes.ts';

/** One thread's figures. */
export interface ExchangeFigures {
  /** `null` where requests are not told apart. */
  readonly classes: ClassColumns | null;
  /** As `createDifferences` makes it. */
  readonly differences: Float64Array<SharedArrayBuffer>;
  /** As `createAnswersSeen` makes it; `null` where nobody asks what each request was answered. */
  readonly answers: Float64Array<SharedArrayBuffer> | null;
}

/**
 * Empty figures.
 * @param classes how many classes requests have; 0: they are not told apart
 * @param requests of how many requests answers are kept; 0: of none
 */
export const createExchangeFigures = (classes: number, requests = 0): ExchangeFigures => ({
  classes: classes === 0 ? null : createClassColumns(classes),
  differences: createDifferences(),
  answers: requests === 0 ? null : createAnswersSeen(requests),
});
