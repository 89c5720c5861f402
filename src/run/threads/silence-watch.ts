/** Notices, while a run goes on, that nobody is let in any more. */
import { NS_PER_SECOND } from '../../base/time.ts';
import { Counter } from '../../measure/counters.ts';

/** Longer than the second SYN of a user takes: one lost SYN is no silence. */
const SILENCE_NS = 3 * NS_PER_SECOND;

/** Notices when users wait for the target in vain. */
export class SilenceWatch {
  #answered = 0;
  #sinceNs: number | null = null;
  #isTold = false;

  /**
   * @param counters of all threads, as they are now
   * @returns once a run, and not before three seconds in which users were connecting and none of them
   * was answered: how many are; else 0
   */
  onCounters(counters: Float64Array): number {
    const nowNs = counters[Counter.CLOCK_NS];
    const answered = counters[Counter.CONNECTED] + counters[Counter.REFUSED];
    const inVain = counters[Counter.TIMED_OUT_CONNECTING];
    const connecting = counters[Counter.STARTED] - answered - inVain;
    const isQuiet = connecting > 0 && answered === this.#answered;
    this.#answered = answered;
    if (!isQuiet || this.#isTold) {
      this.#sinceNs = null;
      return 0;
    }
    this.#sinceNs ??= nowNs;
    if (nowNs - this.#sinceNs < SILENCE_NS) return 0;
    this.#isTold = true;
    return connecting;
  }
}
