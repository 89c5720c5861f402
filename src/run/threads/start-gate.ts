/** When a run begins that was told a time, so that shares on several machines start together. */
import { ReplayError } from '../../base/errors.ts';
import { NS_PER_MS } from '../../base/time.ts';
import { formatDuration } from '../../base/units.ts';

/** Longer waits are made of several: timers have 31 bits. */
const WAIT_MS_MAX = 2 ** 30;

/** Shut until its time; nobody waits for it but the run that is ready. */
export class StartGate {
  readonly #startAtMs: number | null;
  #isOpen = false;
  #wake: () => void = () => undefined;

  /** @param startAtMs since the epoch, by the wall clock; null: it is open */
  constructor(startAtMs: number | null) {
    this.#startAtMs = startAtMs;
  }

  /**
   * Resolves when it is time, or when it was opened before.
   * @throws ReplayError ERR_RUN_LATE (environment) where that was before it was asked
   */
  async wait(): Promise<void> {
    const startAtMs = this.#startAtMs;
    if (startAtMs === null || this.#isOpen) return;
    if (Date.now() > startAtMs) throw tooLate(startAtMs, Date.now());
    while (!this.#isOpen && Date.now() < startAtMs) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(WAIT_MS_MAX, startAtMs - Date.now()));
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Nobody waits any longer: the run is to end. */
  open(): void {
    this.#isOpen = true;
    this.#wake();
  }
}

const tooLate = (startAtMs: number, nowMs: number): ReplayError =>
  new ReplayError({
    code: 'ERR_RUN_LATE',
    kind: 'environment',
    message:
      `it was to start at ${new Date(startAtMs).toISOString()} and was ready ` +
      `${formatDuration((nowMs - startAtMs) * NS_PER_MS)} later: nothing was played`,
    hint: 'give a later --start-at; reading large captures takes time (--index keeps what was read)',
  });
