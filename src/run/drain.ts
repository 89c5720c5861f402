/** How a run ends that has been interrupted, and how long it may take. */
import { NS_PER_MS, NS_PER_SECOND } from '../base/time.ts';

/** After an interrupt servers get this long to end their streams too; then what is open is reset. */
export const DRAIN_NS = NS_PER_SECOND;

/** Resets sent in one turn of the loop: a target must not drown in them. */
export const RESETS_PER_TURN = 512;

/**
 * After the last user a real target's repeated FINs are still acknowledged for this long: a lost
 * last ACK would leave its connection in LAST-ACK (its first repetition comes after 200 ms).
 */
export const LINGER_NS = 300 * NS_PER_MS;
