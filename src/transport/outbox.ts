/** Frames on their way out, and when those left whose time somebody wants to know. */
import type { FrameBatch } from '../wire/frame-batch.ts';
import type { Sender } from './ports.ts';
import type { SendTimes } from './transport.ts';

/** The sender's batch while it is filled: sent when it is full, or when a turn is over. */
export class Outbox {
  readonly batch: FrameBatch;
  readonly #sender: Sender;
  readonly #times: SendTimes;
  /** Users of whom the batch holds a frame whose time is wanted: `#timedCount` of them. */
  readonly #timed: Int32Array;
  #timedCount = 0;

  constructor(sender: Sender, times: SendTimes) {
    this.batch = sender.batch;
    this.#sender = sender;
    this.#times = times;
    this.#timed = new Int32Array(sender.batch.capacity);
  }

  /** There is room in the batch for one more frame afterwards. */
  makeRoom(): void {
    if (this.batch.count === this.batch.capacity) this.flush();
  }

  /** The frame is written whose row is `batch.count`. */
  add(user: number, isOpening: boolean, end: number): void {
    this.batch.count++;
    if (this.#times.isWanted(user, isOpening, end)) this.#timed[this.#timedCount++] = user;
  }

  /** Hand the batch over, and tell when it left. */
  flush(): void {
    if (this.batch.count === 0) return;
    const sentNs = this.#sender.flush();
    for (let i = 0; i < this.#timedCount; i++) this.#times.onSent(this.#timed[i], sentNs);
    this.#timedCount = 0;
  }
}
