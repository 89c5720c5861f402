/** Frames on their way out, and when those left whose time somebody wants to know. */
import { Instant } from '../base/instant.ts';
import type { FrameBatch } from '../wire/frame-batch.ts';
import type { Sender } from './ports.ts';
import { NO_TIME, type SendTimes } from './transport.ts';

/** The sender's batch while it is filled: sent when it is full, or when a turn is over. */
export class Outbox {
  readonly batch: FrameBatch;
  readonly #sender: Sender;
  readonly #times: SendTimes;
  /** Users of whom the batch holds a frame whose time is wanted, which one, what for: `#timedCount` of them. */
  readonly #timed: Int32Array;
  readonly #timedFrame: Uint32Array;
  readonly #timedFor: Uint8Array;
  #timedCount = 0;
  /** When the frame at hand left. */
  readonly #left = new Instant();

  constructor(sender: Sender, times: SendTimes) {
    this.batch = sender.batch;
    this.#sender = sender;
    this.#times = times;
    this.#timed = new Int32Array(sender.batch.capacity);
    this.#timedFrame = new Uint32Array(sender.batch.capacity);
    this.#timedFor = new Uint8Array(sender.batch.capacity);
  }

  /** There is room in the batch for one more frame afterwards. */
  makeRoom(): void {
    if (this.batch.count === this.batch.capacity) this.flush();
  }

  /** The frame is written whose row is `batch.count`. */
  add(user: number, isOpening: boolean, end: number): void {
    const frame = this.batch.count++;
    const wanted = this.#times.wanted(user, isOpening, end);
    if (wanted === NO_TIME) return;
    this.#timed[this.#timedCount] = user;
    this.#timedFor[this.#timedCount] = wanted;
    this.#timedFrame[this.#timedCount++] = frame;
  }

  /** Hand the batch over, and tell when each frame left. */
  flush(): void {
    if (this.batch.count === 0) return;
    this.#sender.flush();
    const { firstNs, laterNs } = this.batch;
    for (let i = 0; i < this.#timedCount; i++) {
      this.#left.ns = firstNs + laterNs[this.#timedFrame[i]];
      this.#times.onSent(this.#timed[i], this.#timedFor[i], this.#left);
    }
    this.#timedCount = 0;
  }
}
