/** How a run ends that has been interrupted, and how long it may take. */
import { NS_PER_MS, NS_PER_SECOND, NS_PER_US } from '../../base/time.ts';
import { Counter } from '../../measure/counters.ts';
import type { Replay } from '../../replay/replay.ts';
import { NOBODY } from '../../transport/transport.ts';

/** After an interrupt servers get this long to end their streams too; then what is open is reset. */
export const DRAIN_NS = NS_PER_SECOND;

/** Resets sent in one turn of the loop: a target must not drown in them. */
export const RESETS_PER_TURN = 512;

/** After the last user repeated FINs of a real target are still acknowledged for this long. */
const LINGER_NS = 300 * NS_PER_MS;
/** And at most, and where packets were lost: stacks repeat a FIN after 1 s (RFC 6298) and a second one later. */
const LINGER_LOSSY_NS = 3 * NS_PER_SECOND;
/** A server's timer is at first three of them (RFC 6298, section 2.2): what it repeats comes so much later. */
const LINGER_ROUND_TRIPS = 3;

/**
 * How long ended users still acknowledge what their servers repeat: a lost last ACK would leave a
 * connection in LAST-ACK or CLOSING. Longer where there are users whose ACK was the last segment
 * (TIME-WAIT), if their way is long, or the network has lost something.
 */
export function lingerNs(replay: Replay): number {
  const roundTripUs = replay.lingerRoundTripUs();
  if (roundTripUs === NOBODY) return LINGER_NS;
  const isLossy = SIGNS_OF_LOSS.some((counter) => replay.counters[counter] > 0);
  if (isLossy) return LINGER_LOSSY_NS;
  return Math.min(LINGER_NS + LINGER_ROUND_TRIPS * roundTripUs * NS_PER_US, LINGER_LOSSY_NS);
}

/** What is repeated, or comes again or too late, was lost or overtaken on the way. */
const SIGNS_OF_LOSS = [
  Counter.RETRANSMITTED,
  Counter.SYN_RETRANSMITTED,
  Counter.DROPPED_OUT_OF_WINDOW,
  Counter.DROPPED_OUT_OF_ORDER,
  Counter.RING_DROPPED,
] as const;
