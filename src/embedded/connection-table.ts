/**
 * The embedded target's connections: one a user, a column a variable.
 *
 * Names are those of RFC 9293, section 3.3.1, seen from the server.
 */
import { type Seq, seqAdd, seqAfter, seqBefore, seqDiff } from '../base/seq.ts';
import { NEVER_NS } from '../base/time.ts';

/** RFC 9293, section 3.3.2. A connection that is CLOSED stands for LISTEN too. */
export const ServerState = {
  CLOSED: 0,
  SYN_RECEIVED: 1,
  ESTABLISHED: 2,
  CLOSE_WAIT: 3,
  FIN_WAIT_1: 4,
  FIN_WAIT_2: 5,
  CLOSING: 6,
  LAST_ACK: 7,
  TIME_WAIT: 8,
} as const;
export type ServerState = (typeof ServerState)[keyof typeof ServerState];

/** Bits of the `flags` column. */
export const Flag = {
  TIMESTAMPS: 0x0001,
  SCALED: 0x0002,
  /** Data has come in whose acknowledgement may wait for the answer. */
  ACK_OWED: 0x0004,
  ACK_NOW: 0x0008,
  /** Stands in the queue of connections that have something to send. */
  QUEUED: 0x0010,
  PEER_FIN: 0x0020,
  /** The stream ends at its limit: with a FIN, or with an RST. */
  FIN_QUEUED: 0x0040,
  RST_QUEUED: 0x0080,
  SYN_ACK_NOW: 0x0100,
  /** The first unacknowledged segment is to be sent again (fast retransmit). */
  RETRANSMIT_FIRST: 0x0200,
  /** One octet is to be sent into a closed window. */
  PROBE: 0x0400,
  /** The script has nothing more to say. */
  SCRIPT_ENDED: 0x0800,
  /** Both sides speak SACK. */
  SACK: 0x1000,
  /** The client holds something behind a hole: see HeldIntervals. */
  HELD: 0x2000,
} as const;

/** What one connection takes in this table. */
export const CONNECTION_BYTES = 92;

/**
 * Columns of the embedded target's connections: a row a user, allocated once (RFC 9293, section
 * 3.3.1).
 */
export class ConnectionTable {
  readonly state: Uint8Array;
  readonly flags: Uint16Array;
  readonly session: Uint32Array;
  /** The client's address (last 32 bits) and port, and a row of `ReplyWriter`'s paths. */
  readonly clientLow32: Uint32Array;
  readonly clientPort: Uint16Array;
  readonly path: Uint16Array;
  readonly irs: Int32Array;
  readonly rcvNxt: Int32Array;
  /** The one out-of-order interval that is kept, `[from, to)`; empty when both are equal. */
  readonly outOfOrderFrom: Int32Array;
  readonly outOfOrderTo: Int32Array;
  readonly iss: Int32Array;
  readonly sndUna: Int32Array;
  readonly sndNxt: Int32Array;
  /** One past the highest sequence number ever sent. */
  readonly sndMax: Int32Array;
  /** The client's window, scaled to octets. */
  readonly sndWnd: Uint32Array;
  readonly sndWndShift: Uint8Array;
  /** Payload octets that fit a segment to the client, options deducted. */
  readonly sendMss: Uint16Array;
  /** TS.Recent of RFC 7323, section 4.3. */
  readonly tsRecent: Int32Array;
  readonly retries: Uint8Array;
  readonly duplicateAcks: Uint8Array;
  /** Row of the server's next message, and the stream offset up to which it has written. */
  readonly nextMessage: Uint32Array;
  readonly writtenBytes: Uint32Array;
  /** When the script's next step (before it: the SYN-ACK) is due, or NEVER_NS. */
  readonly scriptDueNs: Float64Array;
  readonly retransmitDueNs: Float64Array;
  /** When what it is queued for became due. */
  readonly readyNs: Float64Array;

  constructor(users: number) {
    this.state = new Uint8Array(users);
    this.flags = new Uint16Array(users);
    this.session = new Uint32Array(users);
    this.clientLow32 = new Uint32Array(users);
    this.clientPort = new Uint16Array(users);
    this.path = new Uint16Array(users);
    this.irs = new Int32Array(users);
    this.rcvNxt = new Int32Array(users);
    this.outOfOrderFrom = new Int32Array(users);
    this.outOfOrderTo = new Int32Array(users);
    this.iss = new Int32Array(users);
    this.sndUna = new Int32Array(users);
    this.sndNxt = new Int32Array(users);
    this.sndMax = new Int32Array(users);
    this.sndWnd = new Uint32Array(users);
    this.sndWndShift = new Uint8Array(users);
    this.sendMss = new Uint16Array(users);
    this.tsRecent = new Int32Array(users);
    this.retries = new Uint8Array(users);
    this.duplicateAcks = new Uint8Array(users);
    this.nextMessage = new Uint32Array(users);
    this.writtenBytes = new Uint32Array(users);
    this.scriptDueNs = new Float64Array(users).fill(NEVER_NS);
    this.retransmitDueNs = new Float64Array(users).fill(NEVER_NS);
    this.readyNs = new Float64Array(users);
  }

  /**
   * A connection begins anew: in SYN-RECEIVED, with nothing sent yet.
   * @param iss, irs initial sequence numbers: the server's, the client's
   * @param window as the SYN says, which is never scaled
   */
  listen(user: number, iss: Seq, irs: Seq, window: number): void {
    this.state[user] = ServerState.SYN_RECEIVED;
    this.flags[user] &= Flag.QUEUED;
    this.irs[user] = irs;
    this.rcvNxt[user] = seqAdd(irs, 1);
    this.outOfOrderFrom[user] = 0;
    this.outOfOrderTo[user] = 0;
    this.iss[user] = iss;
    this.sndUna[user] = iss;
    this.sndNxt[user] = iss;
    this.sndMax[user] = iss;
    this.sndWnd[user] = window;
    this.retries[user] = 0;
    this.duplicateAcks[user] = 0;
    this.retransmitDueNs[user] = NEVER_NS;
  }

  /** Octets of the client's stream that have come in without a hole. */
  receivedBytes(user: number): number {
    const fin = (this.flags[user] & Flag.PEER_FIN) === 0 ? 0 : 1;
    return (this.rcvNxt[user] - this.irs[user] - 1 - fin) >>> 0;
  }

  /** Sequence number of the server's FIN, or of its next octet to be written. */
  writtenSeq(user: number): Seq {
    return seqAdd(this.iss[user], this.writtenBytes[user] + 1);
  }

  /** Octets written from `seq` on; -1 behind a FIN. */
  writtenAfter(user: number, seq: Seq): number {
    return seqDiff(this.writtenSeq(user), seq);
  }

  /** Whether something is written, or queued as the end, that lies at or after SND.NXT. */
  hasUnsent(user: number): boolean {
    if (this.flags[user] & Flag.RST_QUEUED) return true;
    const end = this.writtenSeq(user) + (this.flags[user] & Flag.FIN_QUEUED ? 1 : 0);
    return seqBefore(this.sndNxt[user], end);
  }

  /** Whether our FIN has been sent at least once. */
  hasSentFin(user: number): boolean {
    const isQueued = (this.flags[user] & Flag.FIN_QUEUED) !== 0;
    return isQueued && seqAfter(this.sndMax[user], this.writtenSeq(user));
  }
}
