/** How much processor time a recording may still take: what accrues with time, less what was used. */

/** As much is saved up while there is little to do; a burst may use it at once. */
const SAVED_MS = 1_000;

/** A share of one processor, kept over every stretch of time but for what was saved. */
export class CpuBudget {
  readonly #share: number;
  #leftMs: number;
  #nowMs: number;
  #usedMs: number;

  /**
   * Begins with all that can be saved.
   * @param share of one processor, above 0
   */
  constructor(share: number, nowMs: number, usedMs: number) {
    this.#share = share;
    this.#leftMs = share * SAVED_MS;
    this.#nowMs = nowMs;
    this.#usedMs = usedMs;
  }

  /**
   * How long the process has to do nothing before it may go on; 0: it may.
   * @param nowMs the time, which does not go back
   * @param usedMs processor time of the process since it began, in milliseconds
   */
  restMs(nowMs: number, usedMs: number): number {
    const accrued = (nowMs - this.#nowMs) * this.#share;
    this.#leftMs = Math.min(this.#leftMs + accrued, this.#share * SAVED_MS);
    this.#leftMs -= usedMs - this.#usedMs;
    this.#nowMs = nowMs;
    this.#usedMs = usedMs;
    return Math.max(0, -this.#leftMs / this.#share);
  }
}
