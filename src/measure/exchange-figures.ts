/** What a thread records of exchanges besides counters and latencies: in memory that the main thread makes. */
import { createDifferences } from './differences.ts';
import { type ClassColumns, createClassColumns } from './request-classes.ts';

/** One thread's figures. */
export interface ExchangeFigures {
  /** `null` where requests are not told apart. */
  readonly classes: ClassColumns | null;
  /** As `createDifferences` makes it. */
  readonly differences: Float64Array<SharedArrayBuffer>;
}

/** Empty figures. @param classes how many classes requests have; 0: they are not told apart */
export const createExchangeFigures = (classes: number): ExchangeFigures => ({
  classes: classes === 0 ? null : createClassColumns(classes),
  differences: createDifferences(),
});
