/**
 * When each frame of a batch was handed over. All frames of a system call bear one stamp, that of its beginning, so
 * it may not last: what comes behind a frame (on a veth pair the target's whole kernel, and a server that it wakes
 * and that takes the core from us) happens within the call, and would be added to the latencies of the frames behind.
 */
import type { FrameBatch } from '../../wire/frame-batch.ts';
import type { RunClock } from '../receive/run-clock.ts';

/** What frames are stamped by. */
export type StampClock = Pick<RunClock, 'nowNs'>;

/** For who wants frames sent and no times. */
export const NO_CLOCK: StampClock = { nowNs: () => 0 };

/** What a call may last, and so by how much the stamp of its last frame errs, upwards. */
export const CALL_NS = 50_000;

/** Before anything was sent: some 5 µs a frame. */
const FIRST_FRAMES = 10;

/** Stamps a batch call by call, and sizes calls by how long the last one took. */
export class CallStamps {
  /** How many frames the next call is to hand over: one at least, and at most twice those of the last call. */
  frames = FIRST_FRAMES;
  readonly #clock: StampClock;
  readonly #laterNs: Float64Array;
  #firstNs = 0;
  #nowNs = 0;

  /** @param batch whose `laterNs` it writes */
  constructor(clock: StampClock, batch: FrameBatch) {
    this.#clock = clock;
    this.#laterNs = batch.laterNs;
  }

  /** A flush begins. @returns what `Sender.flush` is to return */
  begin(): number {
    this.#firstNs = this.#clock.nowNs();
    this.#nowNs = this.#firstNs;
    return this.#firstNs;
  }

  /** Frames `from .. to - 1` are handed over now. */
  onCall(from: number, to: number): void {
    this.#laterNs.fill(this.#nowNs - this.#firstNs, from, to);
  }

  /** The call is over. @param frames how many it handed over */
  onReturn(frames: number): void {
    const nowNs = this.#clock.nowNs();
    const fitting = Math.floor((frames * CALL_NS) / Math.max(1, nowNs - this.#nowNs));
    this.frames = Math.max(1, Math.min(fitting, 2 * this.frames));
    this.#nowNs = nowNs;
  }
}
