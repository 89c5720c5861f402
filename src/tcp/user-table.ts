/**
 * The transmission control blocks of all virtual users: a column a variable, a user is an index.
 *
 * Names are those of RFC 9293, section 3.3.1. Sequence numbers are 32-bit integers with a sign. A column
 * that a segment touches costs a cache miss, so small counts stand in one column with the flags.
 */

import { Instant } from '../base/instant.ts';
import { NEVER_NS } from '../base/time.ts';

/** RFC 9293, section 3.3.2. LISTEN and SYN-RECEIVED do not occur: our users only open actively. */
export const State = {
  CLOSED: 0,
  SYN_SENT: 1,
  ESTABLISHED: 2,
  CLOSE_WAIT: 3,
  FIN_WAIT_1: 4,
  FIN_WAIT_2: 5,
  CLOSING: 6,
  LAST_ACK: 7,
  TIME_WAIT: 8,
} as const;
export type State = (typeof State)[keyof typeof State];

/** Bits of the `flags` column; the counts of `Count` stand between them, from bit 12 to 28. */
export const UserFlag = {
  /** Both sides offered timestamps: every segment carries them. */
  TIMESTAMPS: 0x001,
  /** The peer understands window scaling: our window is sent scaled. */
  SCALED: 0x002,
  /** In-order data has come in whose acknowledgement is still owed, but may wait. */
  ACK_OWED: 0x004,
  /** An acknowledgement must leave with the next `emit`. */
  ACK_NOW: 0x008,
  /** Fast recovery (RFC 6582); ends when what had been sent by then, up to `mark`, is acknowledged. */
  RECOVERY: 0x010,
  /** After a retransmission timeout, until what had been sent by then, up to `mark`, is acknowledged. */
  LOSS: 0x020,
  /** The round trip of the octet before `mark` is being timed; it has been sent once. */
  TIMED: 0x040,
  /** A round trip has been measured; `srttUs` and `rttvarUs` hold. */
  RTT_KNOWN: 0x080,
  /** The stream ends at its limit: a FIN follows the last octet. In CLOSED: both streams have ended so. */
  FIN_QUEUED: 0x100,
  /** Something lies behind a hole in the peer's stream: see Reassembly. */
  HOLE: 0x200,
  /** In SYN-SENT: a connection of an earlier run has answered our SYN. */
  OLD_CONNECTION: 0x400,
  /** Afterwards, in the same place: the last probe was not needed, the peer had delayed its acknowledgement. */
  PEER_DELAYS: 0x400,
  /** In SYN-SENT: we have offered SACK; afterwards: so has the peer, and both use it (RFC 2018). */
  SACK: 0x800,
  /** A probe (RFC 8985) was the last to leave; an acknowledgement of something new clears it. */
  TAIL_PROBED: 1 << 29,
  /** The peer has reported what it holds, or is waited for to do so: see Scoreboard. */
  SCOREBOARD: 1 << 30,
  /** The peer has reported what was sent once after what was sent later: packets overtake each other. */
  REORDERED: 1 << 31,
} as const;

/** Counts in the `flags` column beside the flags: the number of the first bit, and its largest << 8. */
export const Count = {
  /** Shift of the peer's window field. */
  WINDOW_SHIFT: (0xf << 8) | 12,
  /** Doublings of the retransmission timeout (Karn: kept until there is a valid sample). */
  BACKOFF: (0xf << 8) | 16,
  /** Duplicate acknowledgements in a row. */
  DUPLICATE_ACKS: (0x3 << 8) | 20,
  /** With TAIL_PROBED, in the same place, since with a scoreboard none of those are counted: probes in a row. */
  PROBES: (0x3 << 8) | 20,
  /** Retransmission timeouts in a row without anything acknowledged. */
  RETRIES: (0x7f << 8) | 22,
} as const;
export type Count = (typeof Count)[keyof typeof Count];

const FIRST_BIT = 0x1f;

/** All bits of the back-off. */
export const BACKOFF_BITS = 0xf << 16;
/** What an acknowledgement of something new clears: the last two counts, and TAIL_PROBED. */
export const ACKED_BITS = 0x3ff << 20;

/** The largest `burst`: as good as none, since the congestion window is a bound as well. */
export const BURST_MAX = 0xff;

/** `ssthresh` while nothing has been lost: above any congestion window. */
export const SSTHRESH_INITIAL = 0xffff;

/** Octets that one user takes in this table. */
export const TCB_BYTES_PER_USER = 64;

/**
 * Transmission control blocks as columns: a row a user, allocated once (RFC 9293, section 3.3.1).
 */
export class UserTable {
  readonly users: number;
  /** When what is done to the rows happens: set before. */
  readonly now: Instant;
  readonly state: Uint8Array;
  /** Bits of UserFlag, and above them the numbers of `Count`. */
  readonly flags: Int32Array;
  /** Initial send sequence number. */
  readonly iss: Int32Array;
  readonly sndUna: Int32Array;
  /** Next to send; after a retransmission timeout it lies before `sndMax`. */
  readonly sndNxt: Int32Array;
  /** One past the highest sequence number ever sent. */
  readonly sndMax: Int32Array;
  /** The peer's window, scaled to octets, and the sequence number of the segment that told it. */
  readonly sndWnd: Uint32Array;
  readonly sndWl1: Int32Array;
  readonly rcvNxt: Int32Array;
  /**
   * TS.Recent of RFC 7323, section 4.3; without timestamps, while TIMED: when the timed octet left,
   * in microseconds modulo 2^32.
   */
  readonly tsRecent: Int32Array;
  /**
   * A point in the stream, one past an octet: with RECOVERY or LOSS the `recover` of RFC 6582; with
   * TIMED the octet that is timed. With none of them, while nothing is outstanding: when the last
   * acknowledgement came, in microseconds modulo 2^32.
   */
  readonly mark: Int32Array;
  /** Smoothed round trip and its variation, in microseconds (RFC 6298). */
  readonly srttUs: Uint32Array;
  readonly rttvarUs: Uint32Array;
  /**
   * The TCP timer: retransmission while something is unacknowledged, else window probe or delayed
   * acknowledgement; NEVER_NS when there is nothing to wait for.
   */
  readonly dueNs: Float64Array;
  /** Payload octets that fit a segment to the peer, options deducted. */
  readonly sendMss: Uint16Array;
  /** Congestion window and slow start threshold, in sixteenths of a segment. */
  readonly cwnd: Uint16Array;
  readonly ssthresh: Uint16Array;
  /**
   * With LOSS and no SCOREBOARD: segments from `sndUna` on that may be sent again before the next acknowledgement. With
   * REORDERED: how long one waits for what is late (`reorderingNs`).
   */
  readonly burst: Uint8Array;

  constructor(users: number, now = new Instant()) {
    this.users = users;
    this.now = now;
    this.state = new Uint8Array(users);
    this.flags = new Int32Array(users);
    this.iss = new Int32Array(users);
    this.sndUna = new Int32Array(users);
    this.sndNxt = new Int32Array(users);
    this.sndMax = new Int32Array(users);
    this.sndWnd = new Uint32Array(users);
    this.sndWl1 = new Int32Array(users);
    this.rcvNxt = new Int32Array(users);
    this.tsRecent = new Int32Array(users);
    this.mark = new Int32Array(users);
    this.srttUs = new Uint32Array(users);
    this.rttvarUs = new Uint32Array(users);
    this.dueNs = new Float64Array(users).fill(NEVER_NS);
    this.sendMss = new Uint16Array(users);
    this.cwnd = new Uint16Array(users);
    this.ssthresh = new Uint16Array(users);
    this.burst = new Uint8Array(users);
  }

  /** One of the counts in the `flags` column. */
  count(user: number, which: Count): number {
    return (this.flags[user] >>> (which & FIRST_BIT)) & (which >>> 8);
  }

  /** Sets it; what is larger than it can be becomes the largest. */
  setCount(user: number, which: Count, value: number): void {
    const first = which & FIRST_BIT;
    const max = which >>> 8;
    this.flags[user] = (this.flags[user] & ~(max << first)) | (Math.min(value, max) << first);
  }
}
