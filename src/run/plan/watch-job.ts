/** What the thread that loads modules and the one that watches it have in common. */

/** From one sign of life to the next: ms. */
export const BEAT_MS = 500;

/** Shared words: signs of life; which module is loaded, by its place; whether it was stopped. */
export const Beat = { COUNT: 0, PLACE: 1, STOPPED: 2, WORDS: 3 } as const;

/** What the watching thread is given. */
export interface WatchJob {
  readonly beat: Int32Array;
  readonly paths: readonly string[];
  readonly patienceMs: number;
}
