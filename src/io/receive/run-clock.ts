/**
 * The run's clock: monotonic nanoseconds since the start of the run, the same in every thread, and
 * the way from the kernel's timestamps to it.
 *
 * Its times are whole nanoseconds and a half. V8 holds numbers that fit an `int` otherwise than others, and compiles for
 * those it has seen: were times whole, then all that is done for a packet would be thrown away 2^31 ns after the start, and
 * compiled anew while 2.1 s of users are under way.
 *
 * Received packets bear CLOCK_REALTIME. Its distance to the run's clock is sampled once a second
 * (NTP slews it by at most 0.5 ms in that time). A step of the wall clock in between shows as an
 * arrival in the future, or before the ring was last seen empty: then it is sampled again at once.
 */
import { Instant } from '../../base/instant.ts';
import { NS_PER_MS, NS_PER_SECOND } from '../../base/time.ts';
import { CLOCK_REALTIME, clockGettime, TIMESPEC_WORDS } from '../sys/clock.ts';

const SAMPLE_EVERY_NS = NS_PER_SECOND;
/** A sample whose two readings lie further apart was interrupted, and says nothing. */
const SAMPLE_SPREAD_NS_MAX = 2_000;
const SAMPLE_TRIES = 20;
/** Timestamps are taken a little before a packet shows in the ring, so this is not yet a step. */
const STEP_NS_MIN = 10 * NS_PER_MS;
/** What no `int` has. */
const HALF_NS = 0.5;
/** The wall clock counts from so long before the run on, which is beyond an `int` as well. */
const BASE_SECONDS_BEFORE = 16;

/** Where the readings come from; a test passes its own. */
export interface ClockSources {
  /** Monotonic milliseconds from an origin of its own, fractions and all. */
  readonly monotonicMs: () => number;
  /** CLOCK_REALTIME in nanoseconds since `realtimeBaseSeconds`. */
  readonly realtimeNs: () => number;
  readonly realtimeBaseSeconds: number;
}

/** The run's time in nanoseconds, and the kernel's stamps on the same scale. */
export class RunClock {
  readonly #sources: ClockSources;
  #originMs = -0;
  /** Realtime (since its base) minus run time. */
  #distanceNs = -HALF_NS;
  #sampledNs = Number.NEGATIVE_INFINITY;
  /** What was read last: whole nanoseconds since the start of the run, and a half. */
  readonly now = new Instant();

  /** @param originMs what `monotonicMs` says at the start of the run */
  constructor(sources: ClockSources, originMs: number) {
    this.#sources = sources;
    this.#originMs = originMs;
    // By that way, so that it has been gone once when code is compiled.
    this.keepFresh(this.now);
  }

  /** The run begins anew at `start` (`runStartsNow`): everything was opened before it began. */
  restart(start: string): void {
    this.#originMs = monotonicMsAt(BigInt(start));
    this.sample();
  }

  /** Nanoseconds since the start of the run: whole ones, and a half. */
  nowNs(): number {
    this.read();
    return this.now.ns;
  }

  /** Reads the clock: `now` says what it shows. A number that is returned may be an object. */
  read(): void {
    const elapsedMs = this.#sources.monotonicMs() - this.#originMs;
    this.now.ns = Math.floor(elapsedMs * NS_PER_MS) + HALF_NS;
  }

  /** Keeps the distance to the wall clock fresh; call it at least once a second. */
  keepFresh(now: Instant): void {
    if (now.ns - this.#sampledNs >= SAMPLE_EVERY_NS) this.sample();
  }

  /**
   * When the kernel stamped a packet, in run time, with the half as well; never later than now. What has come since the clock
   * was read last, and be it long (this thread had no processor), is not taken for older than it is.
   * @param emptyNs when the ring was last seen empty: no packet in it is older
   */
  arrivedNs(seconds: number, nanoseconds: number, emptyNs: number): number {
    const sinceBase = (seconds - this.#sources.realtimeBaseSeconds) * NS_PER_SECOND + nanoseconds;
    let at = sinceBase - this.#distanceNs;
    if (at > this.now.ns) this.read();
    if (at > this.now.ns + STEP_NS_MIN || at < emptyNs - STEP_NS_MIN) {
      this.sample();
      at = sinceBase - this.#distanceNs;
      // Stamped before the step, read after it: all that is left to say is when it can have been.
      if (at < emptyNs - STEP_NS_MIN) return emptyNs;
    }
    return Math.min(at, this.now.ns);
  }

  /** Takes the distance to the wall clock anew. */
  sample(): void {
    let spread = Number.POSITIVE_INFINITY;
    for (let tries = 0; tries < SAMPLE_TRIES && spread > SAMPLE_SPREAD_NS_MAX; tries++) {
      const before = this.nowNs();
      const realtime = this.#sources.realtimeNs();
      const after = this.nowNs();
      if (after - before >= spread) continue;
      spread = after - before;
      this.#distanceNs = realtime - Math.floor((before + after) / 2) - HALF_NS;
      this.#sampledNs = after;
    }
  }
}

/**
 * The start of a run as a number that can be posted to other threads: CLOCK_MONOTONIC in
 * nanoseconds, as text because it does not fit a number's 53 bits after 104 days of uptime.
 */
export const runStartsNow = (): string => process.hrtime.bigint().toString();

/** A thread's clock for the run that began at `start` (`runStartsNow`). */
export function openRunClock(start: string): RunClock {
  const timespec = new Uint32Array(TIMESPEC_WORDS);
  clockGettime(CLOCK_REALTIME, timespec);
  const baseLow = timespec[0] - BASE_SECONDS_BEFORE;
  const sources: ClockSources = {
    monotonicMs: () => performance.now(),
    realtimeNs: () => {
      clockGettime(CLOCK_REALTIME, timespec);
      // Seconds since the base fit 32 bits, so the distance of the low words is all of it.
      return ((timespec[0] - baseLow) | 0) * NS_PER_SECOND + timespec[2];
    },
    realtimeBaseSeconds: timespec[1] * 0x1_0000_0000 + baseLow,
  };
  return new RunClock(sources, monotonicMsAt(BigInt(start)));
}

/** What this thread's `performance.now()` said, or would have said, at an instant of hrtime. */
function monotonicMsAt(start: bigint): number {
  let best = Number.POSITIVE_INFINITY;
  let originMs = 0;
  for (let tries = 0; tries < 10; tries++) {
    const before = performance.now();
    const at = process.hrtime.bigint();
    const after = performance.now();
    if (after - before >= best) continue;
    best = after - before;
    originMs = (before + after) / 2 - Number(at - start) / NS_PER_MS;
  }
  return originMs;
}
