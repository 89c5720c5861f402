/** Gives the event loop its turn while captures are read, so that Ctrl-C and progress are served. */

/** This often. */
const TURN_MS = 50;

/** What is called between turns, and what ends the work. */
export interface TurnOptions {
  /** Called at each turn with the octets read so far and in all, and how long that took. */
  readonly onProgress?: (bytesRead: number, bytes: number, elapsedMs: number) => void;
  /** Ends the reading: `take` is then rejected with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Counts what is read, and lets the event loop have its turn now and then. */
export class Turns {
  readonly #options: TurnOptions;
  readonly #startMs = performance.now();
  #turnMs = this.#startMs;

  constructor(options: TurnOptions) {
    this.#options = options;
  }

  /** To be called often: it does something only when a turn is due. */
  async take(bytesRead: number, bytes: number): Promise<void> {
    const nowMs = performance.now();
    if (nowMs - this.#turnMs < TURN_MS) return;
    this.#options.onProgress?.(bytesRead, bytes, nowMs - this.#startMs);
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#options.signal?.throwIfAborted();
    this.#turnMs = performance.now();
  }
}
