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

/**
 * What one connection takes in this table: a row whose fields lie side by side. A segment touches most of them, and
 * among a million connections each touch of another place in memory waits for it.
 */
export const CONNECTION_BYTES = 96;

/** From a user to its row in a column of so many bits: `rcvNxt[user * U32]`. */
export const U8 = CONNECTION_BYTES / Uint8Array.BYTES_PER_ELEMENT;
export const U16 = CONNECTION_BYTES / Uint16Array.BYTES_PER_ELEMENT;
export const U32 = CONNECTION_BYTES / Uint32Array.BYTES_PER_ELEMENT;
export const F64 = CONNECTION_BYTES / Float64Array.BYTES_PER_ELEMENT;

/**
 * Columns of the embedded target's connections, woven into each other: a row a user, allocated once (RFC 9293,
 * section 3.3.1).
 */
export class ConnectionTable {
  readonly users: number;
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
    this.users = users;
    // A thread may have none: views begin within their buffer all the same.
    const rows = new ArrayBuffer(Math.max(1, users) * CONNECTION_BYTES);
    this.scriptDueNs = new Float64Array(rows, 0);
    this.retransmitDueNs = new Float64Array(rows, 8);
    this.readyNs = new Float64Array(rows, 16);
    this.session = new Uint32Array(rows, 24);
    this.clientLow32 = new Uint32Array(rows, 28);
    this.irs = new Int32Array(rows, 32);
    this.rcvNxt = new Int32Array(rows, 36);
    this.outOfOrderFrom = new Int32Array(rows, 40);
    this.outOfOrderTo = new Int32Array(rows, 44);
    this.iss = new Int32Array(rows, 48);
    this.sndUna = new Int32Array(rows, 52);
    this.sndNxt = new Int32Array(rows, 56);
    this.sndMax = new Int32Array(rows, 60);
    this.sndWnd = new Uint32Array(rows, 64);
    this.tsRecent = new Int32Array(rows, 68);
    this.nextMessage = new Uint32Array(rows, 72);
    this.writtenBytes = new Uint32Array(rows, 76);
    this.flags = new Uint16Array(rows, 80);
    this.clientPort = new Uint16Array(rows, 82);
    this.path = new Uint16Array(rows, 84);
    this.sendMss = new Uint16Array(rows, 86);
    this.state = new Uint8Array(rows, 88);
    this.sndWndShift = new Uint8Array(rows, 89);
    this.retries = new Uint8Array(rows, 90);
    this.duplicateAcks = new Uint8Array(rows, 91);
    for (let user = 0; user < users; user++) {
      this.scriptDueNs[user * F64] = NEVER_NS;
      this.retransmitDueNs[user * F64] = NEVER_NS;
    }
  }

  /**
   * A connection begins anew: in SYN-RECEIVED, with nothing sent yet.
   * @param iss, irs initial sequence numbers: the server's, the client's
   * @param window as the SYN says, which is never scaled
   */
  listen(user: number, iss: Seq, irs: Seq, window: number): void {
    this.state[user * U8] = ServerState.SYN_RECEIVED;
    this.flags[user * U16] &= Flag.QUEUED;
    this.irs[user * U32] = irs;
    this.rcvNxt[user * U32] = seqAdd(irs, 1);
    this.outOfOrderFrom[user * U32] = 0;
    this.outOfOrderTo[user * U32] = 0;
    this.iss[user * U32] = iss;
    this.sndUna[user * U32] = iss;
    this.sndNxt[user * U32] = iss;
    this.sndMax[user * U32] = iss;
    this.sndWnd[user * U32] = window;
    this.retries[user * U8] = 0;
    this.duplicateAcks[user * U8] = 0;
    this.retransmitDueNs[user * F64] = NEVER_NS;
  }

  /** Octets of the client's stream that have come in without a hole. */
  receivedBytes(user: number): number {
    const fin = (this.flags[user * U16] & Flag.PEER_FIN) === 0 ? 0 : 1;
    return (this.rcvNxt[user * U32] - this.irs[user * U32] - 1 - fin) >>> 0;
  }

  /** Sequence number of the server's FIN, or of its next octet to be written. */
  writtenSeq(user: number): Seq {
    return seqAdd(this.iss[user * U32], this.writtenBytes[user * U32] + 1);
  }

  /** Octets written from `seq` on; -1 behind a FIN. */
  writtenAfter(user: number, seq: Seq): number {
    return seqDiff(this.writtenSeq(user), seq);
  }

  /** Whether something is written, or queued as the end, that lies at or after SND.NXT. */
  hasUnsent(user: number): boolean {
    if (this.flags[user * U16] & Flag.RST_QUEUED) return true;
    const end = this.writtenSeq(user) + (this.flags[user * U16] & Flag.FIN_QUEUED ? 1 : 0);
    return seqBefore(this.sndNxt[user * U32], end);
  }

  /** Whether our FIN has been sent at least once. */
  hasSentFin(user: number): boolean {
    const isQueued = (this.flags[user * U16] & Flag.FIN_QUEUED) !== 0;
    return isQueued && seqAfter(this.sndMax[user * U32], this.writtenSeq(user));
  }
}
