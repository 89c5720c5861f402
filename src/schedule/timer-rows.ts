/**
 * Timers' rows: a user's due time and its two neighbours in a list side by side, since whoever comes to a user
 * touches all three, and among a million users each touch of another place in memory waits for it.
 *
 *     due[user << DUE_SHIFT]                when the timer is due
 *     links[(user << LINKS_SHIFT) | NEXT]   who follows
 *     links[(user << LINKS_SHIFT) | PREV]   who is before it
 */

/** What a row takes: `1 << DUE_SHIFT` times 8, or `1 << LINKS_SHIFT` times 4. */
export const TIMER_BYTES_PER_USER = 16;
/** From a user to its row. */
export const DUE_SHIFT = 1;
export const LINKS_SHIFT = 2;
/** Where in a row the links are. */
export const NEXT = 2;
export const PREV = 3;

/** The rows of the users `0 .. users - 1`. */
export class TimerRows {
  readonly due: Float64Array;
  readonly links: Int32Array;

  constructor(users: number) {
    const buffer = new ArrayBuffer(users * TIMER_BYTES_PER_USER);
    this.due = new Float64Array(buffer);
    this.links = new Int32Array(buffer);
  }
}
