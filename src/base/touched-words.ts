/**
 * Zeros in memory that has been written to. Of a table that is read here and there before it is written to, the
 * kernel would grant each page twice, and stop all threads for each: a third of a millisecond a page in a virtual
 * machine.
 */
export const touchedWords = (count: number): Uint32Array<ArrayBuffer> =>
  new Uint32Array(count).fill(0);
