/**
 * How far another machine's wall clock is ahead of this one's, from round trips (the clock filter of
 * NTP, RFC 5905, section 10).
 *
 * A round trip says: the offset lies within half its time around the middle. The shortest of the
 * latest ones says it best; what has passed since counts against it, because clocks drift apart.
 */
import { NS_PER_SECOND, type Timestamp } from '../base/time.ts';

const SAMPLES = 32;
/** What a machine's clock may gain on another's: crystals are within 20 ppm of each other. */
const DRIFT = 20e-6;

/**
 * By how much another machine's clock is ahead, from pings: the sample with the shortest round trip
 * counts.
 */
export class ClockOffset {
  readonly #offsetNs = new Float64Array(SAMPLES);
  readonly #roundTripNs = new Float64Array(SAMPLES);
  readonly #atNs = new Float64Array(SAMPLES);
  #count = 0;
  #offset = 0;
  #uncertainty = Number.POSITIVE_INFINITY;

  /** Theirs minus ours, in nanoseconds; 0 before the first sample. */
  get offsetNs(): number {
    return this.#offset;
  }

  /** The offset is known to within this much either way; infinite before the first sample. */
  get uncertaintyNs(): number {
    return this.#uncertainty;
  }

  /**
   * A round trip.
   * @param sent by our clock, `came` and `answered` by theirs, `back` by ours again
   * @param nowNs of a clock that is never set
   */
  addSample(
    trip: {
      readonly sent: Timestamp;
      readonly came: Timestamp;
      readonly answered: Timestamp;
      readonly back: Timestamp;
    },
    nowNs: number,
  ): void {
    const there = distanceNs(trip.sent, trip.came);
    const back = distanceNs(trip.back, trip.answered);
    const roundTripNs = Math.max(0, there - back);
    const offsetNs = (there + back) / 2;
    // No drift explains this: one of the two clocks was set. What is known is of no use any more.
    const apart = Math.abs(offsetNs - this.#offset);
    if (apart > roundTripNs / 2 + this.#uncertainty + DRIFT * NS_PER_SECOND) this.#count = 0;
    const row = this.#count++ % SAMPLES;
    this.#offsetNs[row] = offsetNs;
    this.#roundTripNs[row] = roundTripNs;
    this.#atNs[row] = nowNs;
    this.#choose(nowNs);
  }

  #choose(nowNs: number): void {
    this.#uncertainty = Number.POSITIVE_INFINITY;
    for (let row = 0; row < Math.min(this.#count, SAMPLES); row++) {
      const within = this.#roundTripNs[row] / 2 + (nowNs - this.#atNs[row]) * DRIFT;
      if (within >= this.#uncertainty) continue;
      this.#uncertainty = within;
      this.#offset = this.#offsetNs[row];
    }
  }
}

/** From one stamp to another; exact while they lie within a century of each other. */
const distanceNs = (from: Timestamp, to: Timestamp): number =>
  (to.seconds - from.seconds) * NS_PER_SECOND + (to.nanoseconds - from.nanoseconds);
