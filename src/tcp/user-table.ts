/**
 * The transmission control blocks of all virtual users: a column a variable, a user is an index.
 *
 * Names are those of RFC 9293, section 3.3.1. Sequence numbers are unsigned 32-bit integers.
 */

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

/** Bits of the `flags` column. */
export const UserFlag = {
  /** Both sides offered timestamps: every segment carries them. */
  TIMESTAMPS: 0x01,
  /** The peer understands window scaling: our window is sent scaled. */
  SCALED: 0x02,
  /** In-order data has come in whose acknowledgement is still owed, but may wait. */
  ACK_OWED: 0x04,
  /** An acknowledgement must leave with the next `emit`. */
  ACK_NOW: 0x08,
  /** Fast retransmit has happened; ends when everything sent by then is acknowledged. */
  RECOVERY: 0x10,
  /** The stream ends at its limit: a FIN follows the last octet. */
  FIN_QUEUED: 0x20,
  /** The out-of-order interval ends with the peer's FIN. */
  OUT_OF_ORDER_FIN: 0x40,
  /** A round trip has been measured; `srttUs` and `rttvarUs` hold. */
  RTT_KNOWN: 0x80,
  /** The out-of-order interval ends with a push. */
  OUT_OF_ORDER_PUSH: 0x100,
} as const;

/** Octets that one user takes in this table. */
export const TCB_BYTES_PER_USER = 64;

export class UserTable {
  readonly users: number;
  readonly state: Uint8Array;
  readonly flags: Uint16Array;
  /** Initial send sequence number. */
  readonly iss: Uint32Array;
  readonly sndUna: Uint32Array;
  /** Next to send; after a retransmission timeout it lies before `sndMax`. */
  readonly sndNxt: Uint32Array;
  /** One past the highest sequence number ever sent. */
  readonly sndMax: Uint32Array;
  /** The peer's window, scaled to octets. */
  readonly sndWnd: Uint32Array;
  readonly rcvNxt: Uint32Array;
  /** The one out-of-order interval that is kept, `[from, to)`; empty when both are equal. */
  readonly outOfOrderFrom: Uint32Array;
  readonly outOfOrderTo: Uint32Array;
  /** TS.Recent of RFC 7323, section 4.3. */
  readonly tsRecent: Uint32Array;
  /** Smoothed round trip and its variation, in microseconds (RFC 6298). */
  readonly srttUs: Uint32Array;
  readonly rttvarUs: Uint32Array;
  /**
   * The TCP timer: retransmission while something is unacknowledged, else window probe or delayed
   * acknowledgement; NEVER_NS when there is nothing to wait for.
   */
  readonly dueNs: Float64Array;
  /** Retransmissions in a row without an acknowledgement. */
  readonly retries: Uint8Array;
  readonly duplicateAcks: Uint8Array;
  /** Shift of the peer's window field. */
  readonly sndWndShift: Uint8Array;
  /** Payload octets that fit a segment to the peer, options deducted. */
  readonly sendMss: Uint16Array;
  /** Congestion window and slow start threshold, in sixteenths of a segment. */
  readonly cwnd: Uint16Array;
  readonly ssthresh: Uint16Array;

  constructor(users: number) {
    this.users = users;
    this.state = new Uint8Array(users);
    this.flags = new Uint16Array(users);
    this.iss = new Uint32Array(users);
    this.sndUna = new Uint32Array(users);
    this.sndNxt = new Uint32Array(users);
    this.sndMax = new Uint32Array(users);
    this.sndWnd = new Uint32Array(users);
    this.rcvNxt = new Uint32Array(users);
    this.outOfOrderFrom = new Uint32Array(users);
    this.outOfOrderTo = new Uint32Array(users);
    this.tsRecent = new Uint32Array(users);
    this.srttUs = new Uint32Array(users);
    this.rttvarUs = new Uint32Array(users);
    this.dueNs = new Float64Array(users).fill(Number.POSITIVE_INFINITY);
    this.retries = new Uint8Array(users);
    this.duplicateAcks = new Uint8Array(users);
    this.sndWndShift = new Uint8Array(users);
    this.sendMss = new Uint16Array(users);
    this.cwnd = new Uint16Array(users);
    this.ssthresh = new Uint16Array(users);
  }
}

/** The connection is gone: CLOSED, with no timer. */
export function closeUser(users: UserTable, user: number): void {
  users.state[user] = State.CLOSED;
  users.dueNs[user] = NEVER_NS;
}
