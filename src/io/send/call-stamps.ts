/**
 * When each frame of a batch was handed over. All frames of a system call bear one stamp, that of its beginning, so
 * it may not last: what comes behind a frame (on a veth pair the target's whole kernel, and a server that it wakes
 * and that takes the core from us) happens within the call, and would be added to the latencies of the frames behind.
 */
import { Instant } from '../../base/instant.ts';
import type { FrameBatch } from '../../wire/frame-batch.ts';
import type { RunClock } from '../receive/run-clock.ts';

/** What frames are stamped by. */
export type StampClock = Pick<RunClock, 'now' | 'read'>;

/** For who wants frames sent and no times. */
export const NO_CLOCK: StampClock = { now: new Instant(), read: () => undefined };

/** What a call may last, and so by how much the stamp of its last frame errs, upwards. */
export const CALL_NS = 50_000;

/** Before anything was sent: some 5 µs a frame. */
const FIRST_FRAMES = 10;

/** Stamps a batch call by call, and sizes calls by how long the last one took. */
export class CallStamps {
  /** How many frames the next call is to hand over: one at least, and at most twice those of the last call. */
  frames = FIRST_FRAMES;
  readonly #clock: StampClock;
  readonly #batch: FrameBatch;
  /** When the call at hand began. */
  #calledNs = -0;

  /** @param batch whose `firstNs` and `laterNs` it writes */
  constructor(clock: StampClock, batch: FrameBatch) {
    this.#clock = clock;
    this.#batch = batch;
  }

  /** A flush begins. */
  begin(): void {
    this.#clock.read();
    this.#calledNs = this.#clock.now.ns;
    this.#batch.firstNs = this.#calledNs;
  }

  /** Frames `from .. to - 1` are handed over now. */
  onCall(from: number, to: number): void {
    const { firstNs, laterNs } = this.#batch;
    const later = this.#calledNs - firstNs;
    for (let frame = from; frame < to; frame++) laterNs[frame] = later;
  }

  /** The call is over. @param frames how many it handed over */
  onReturn(frames: number): void {
    this.#clock.read();
    const nowNs = this.#clock.now.ns;
    const fitting = Math.floor((frames * CALL_NS) / Math.max(1, nowNs - this.#calledNs));
    this.frames = Math.max(1, Math.min(fitting, 2 * this.frames));
    this.#calledNs = nowNs;
  }
}
