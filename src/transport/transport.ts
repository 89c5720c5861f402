/**
 * The port between who plays and how octets get across. A player says what a user's stream may hold
 * by now (ClientStream) and asks to send; a transport carries it, counts what happens on the way, and
 * tells what came of it as bits. TCP is the first implementation (tcp-transport.ts).
 *
 * Users are indices, the same for player, transport and stream. Sans-IO: what is done happens at the time that the caller has set (`Instant`).
 */

import type { Instant } from '../base/instant.ts';

/** What a packet or a timeout brought about; bits. */
export const TransportEvent = {
  NONE: 0,
  /** The conversation is open: what is asked now is heard. */
  CONNECTED: 0x001,
  /** Octets of the server's stream came in, in order: see Delivery. */
  DATA: 0x002,
  /** Something of ours was acknowledged. */
  ACKED: 0x004,
  /** The server has ended its stream. */
  PEER_FIN: 0x008,
  /** Both streams are ended and acknowledged. */
  CLOSED: 0x010,
  /** The server does not want this conversation. */
  REFUSED: 0x020,
  /** The server has broken it off. */
  RESET: 0x040,
  /** It has been tried often enough: nothing comes back. */
  GAVE_UP: 0x080,
} as const;

/** In-order octets that a packet brought, and where they lie: a piece at a time (`nextPiece`). */
export interface Delivery {
  /** In-order octets; in the last piece those that had been waiting behind a hole may be included. */
  readonly bytes: number;
  /** Whether they end with the sender's push flag. */
  readonly isPushed: boolean;
  readonly arrived: Instant;
  /** Where the first of them lies in `data`, and how many of them, the first ones, lie there. */
  readonly data: DataView;
  readonly dataStart: number;
  readonly atHandBytes: number;
}

/** How users' octets get to their servers. A spurious call is harmless. */
export interface Transport {
  /** What the packet at hand brought, during an event with DATA. */
  readonly delivery: Delivery;
  /** Goes on to the packet's next octets, which had been waiting behind a hole; false without any. */
  nextPiece(): boolean;
  /**
   * Begin the user's present connection (`Connections`). Its time is told to SendTimes.
   * @param target row in the plan's targets
   * @param mayOfferSack false where the recorded client's SYN left SACK out
   */
  open(user: number, target: number, mayOfferSack: boolean): void;
  /** Send what may be sent now: the stream up to its limit, its end behind it, acknowledgements. */
  emit(user: number): void;
  /** Our stream ends at its limit; with the next `emit` that has sent the rest. */
  finish(user: number): void;
  /** Break it off: nothing is sent or awaited any more. */
  abort(user: number): void;
  /** More of an answer is awaited: nothing of ours may make the server hold it back. */
  expectMore(user: number): void;
  /** When to call `onTimeout`; NEVER_NS while there is nothing to wait for. */
  dueNs(user: number): number;
  /**
   * The user's `dueNs` has come.
   * @returns bits of TransportEvent: NONE or GAVE_UP (then the user is to be ended; `abort` says
   * goodbye)
   */
  onTimeout(user: number): number;
  /**
   * What was handed over since `sinceNs` has left up to `byNs` later: its answer is waited for that
   * much longer.
   */
  hasLeftLate(user: number, sinceNs: number, byNs: number): void;
  /** Whether the server has not answered `open` yet. */
  isOpening(user: number): boolean;
  /** Whether something of ours is not acknowledged yet: octets, the opening or the end. */
  isOutstanding(user: number): boolean;
  /** Whether octets of ours, or our end, are not acknowledged although they were sent again. */
  isRepeating(user: number): boolean;
  /** Octets of our stream that are acknowledged; our end counts as one. */
  ackedBytes(user: number): number;
  /** Whether something of the server's has come that lies behind a gap: there is more to come. */
  hasHole(user: number): boolean;
  /** The smoothed round trip in microseconds; 0 before the first is measured. */
  roundTripUs(user: number): number;
  /** Hand over what was written; SendTimes is told when it left. */
  flush(): void;
  /**
   * Of ended users whose last packet, if it was lost, the server will ask for: the longest smoothed round
   * trip in microseconds; NOBODY where there are none.
   */
  lingerRoundTripUs(): number;
}

/** Of `Transport.lingerRoundTripUs`: every ended user's server has acknowledged the end. */
export const NOBODY = -1;

/** Who is told what comes in: the player. */
export interface TransportListener {
  /**
   * A packet came for the user: `emit` afterwards, also for one who has ended.
   * @param events bits of TransportEvent
   */
  onEvents(user: number, events: number): void;
  /** The user's `dueNs` has changed. */
  onDueChanged(user: number): void;
}

/** Nobody wants to know when a packet leaves. */
export const NO_TIME = 0;

/** Who is told when octets left. */
export interface SendTimes {
  /**
   * A packet of the user's is about to leave: for what is its time wanted? Where it is, it is told once.
   * @param isOpening whether it is the one that asks for the connection
   * @param end stream offset just past its octets; 0 without any
   * @returns what SendTimes is to be told with the time; NO_TIME where nobody wants it
   */
  wanted(user: number, isOpening: boolean, end: number): number;
  /**
   * That packet was handed over at `sent`: just before it left (`Sender.flush`). In the order in which packets were asked about.
   * @param wanted what `wanted` has said of it
   */
  onSent(user: number, wanted: number, sent: Instant): void;
}
