/** What a worker thread plays, against whatever target. */
import type { LatencyRecorder } from '../../measure/histograms.ts';
import type { Timeline } from '../../measure/intervals.ts';

/** What a thread has measured. */
export interface ThreadRun {
  readonly latency: LatencyRecorder;
  readonly notes: readonly string[];
  /** Why modules have failed so far, and how often. */
  readonly moduleFailures: ReadonlyMap<string, number>;
  /**
   * Plays everything, a turn of the loop a step; a turn may block the thread for a while.
   * @param start when the run begins (`runStartsNow`)
   */
  turns(start: string): Generator<void, Timeline>;
  close(): void;
}

/** Takes all the turns at once. */
export function playThrough<T>(turns: Generator<void, T>): T {
  for (;;) {
    const step = turns.next();
    if (step.done === true) return step.value;
  }
}
