/** All times are nanoseconds in a `number`: exact for 104 days from the start of a run. */
export const NS_PER_US = 1_000;
export const NS_PER_MS = 1_000_000;
export const NS_PER_SECOND = 1_000_000_000;

/** The due time of what is not due at all. */
export const NEVER_NS = Number.POSITIVE_INFINITY;

/** A point of time by a wall clock (CLOCK_REALTIME, a packet's date), as struct timespec has it. */
export interface Timestamp {
  /** Since 1970. */
  readonly seconds: number;
  /** Beyond that second, below 10^9. */
  readonly nanoseconds: number;
}
