/**
 * Time of capture as a number: nanoseconds since the first packet, exact for 104 days.
 *
 * Captures date packets by a clock that may be set back while they are taken, and files are glued
 * together that were taken at different times. A step back of more than a second moves everything
 * after it on that interface forwards again by as much, so that the mended clock goes on where it
 * was. A smaller one is left as it is: packets of different queues and processors come out of
 * order by so much, and adding those up would make the clock run fast. Single time stamps that are
 * far off never come here as they were (stray-times.ts).
 */
import { NS_PER_SECOND } from '../base/time.ts';

const STEP_BACK_NS_MAX = NS_PER_SECOND;

/**
 * Where time begins for all files of a run: the date of the first packet of any of them. Unlike a
 * Timestamp it is filled in by whoever reads that packet.
 */
export interface Epoch {
  /** Since 1970; NaN until there is a packet. */
  seconds: number;
  /** What the first packet has beyond that second. */
  nanoseconds: number;
}

/** Of captures that have not been begun yet. */
export const newEpoch = (): Epoch => ({ seconds: Number.NaN, nanoseconds: 0 });

/**
 * Mends the times of one capture: nanoseconds from the epoch, which do not go back within a lane.
 */
export class CaptureClock {
  /** Of the packet last taken: mended, and as recorded. */
  ns = 0;
  rawNs = 0;
  /** How often it was set back by more than a second. */
  stepsBack = 0;
  readonly #epoch: Epoch;
  /** A lane an interface: last recorded time, and how much is added. */
  readonly #lastNs: number[] = [];
  readonly #shiftNs: number[] = [];

  constructor(epoch: Epoch) {
    this.#epoch = epoch;
  }

  /** Since 1970: what recorded times are counted from; NaN before the first packet. */
  get epochSeconds(): number {
    return this.#epoch.seconds;
  }

  /** The recorded time of an interface's last packet; -Infinity before its first. */
  lastNsOf(interfaceIndex: number): number {
    return this.#lastNs.at(interfaceIndex) ?? Number.NEGATIVE_INFINITY;
  }

  /** From an interface's last packet to a time; NaN where either is missing. */
  stepNs(seconds: number, nanoseconds: number, interfaceIndex: number): number {
    const stepNs = this.#rawNs(seconds, nanoseconds) - this.lastNsOf(interfaceIndex);
    return Number.isFinite(stepNs) ? stepNs : Number.NaN;
  }

  /** @param seconds since 1970; NaN where the packet has no time: then it has the last one's */
  onPacket(seconds: number, nanoseconds: number, interfaceIndex: number): void {
    if (Number.isNaN(seconds)) return;
    if (Number.isNaN(this.#epoch.seconds)) {
      this.#epoch.seconds = seconds;
      this.#epoch.nanoseconds = nanoseconds;
    }
    while (this.#lastNs.length <= interfaceIndex) {
      this.#lastNs.push(Number.NEGATIVE_INFINITY);
      this.#shiftNs.push(0);
    }
    const rawNs = this.#rawNs(seconds, nanoseconds);
    const stepBackNs = this.#lastNs[interfaceIndex] - rawNs;
    if (stepBackNs > STEP_BACK_NS_MAX) {
      this.#shiftNs[interfaceIndex] += stepBackNs;
      this.stepsBack++;
    }
    this.#lastNs[interfaceIndex] = rawNs;
    this.rawNs = rawNs;
    this.ns = rawNs + this.#shiftNs[interfaceIndex];
  }

  #rawNs(seconds: number, nanoseconds: number): number {
    return (seconds - this.#epoch.seconds) * NS_PER_SECOND + nanoseconds;
  }
}
