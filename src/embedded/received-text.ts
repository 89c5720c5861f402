/** What clients send to the embedded server: put in order, and compared with what was recorded. */
import { type Seq, seqAdd, seqAfter, seqBefore, seqDiff } from '../base/seq.ts';
import type { ClientTexts } from '../transport/ports.ts';
import { type ConnectionTable, Flag, ServerState, U8, U16, U32 } from './connection-table.ts';

/** Compares payload with the recorded stream. */
export interface PayloadCheck {
  /**
   * How many octets of the present segment's payload, from `from` up to `to`, are not those of the
   * session's client stream from `streamOffset`.
   */
  mismatches(session: number, streamOffset: number, from: number, to: number): number;
  /** This many octets came in order and were right, this many came and were wrong. */
  onChecked(right: number, wrong: number): void;
}

/** Moves RCV.NXT on, and keeps one interval of octets that came before their turn. */
export class ReceivedText {
  readonly #table: ConnectionTable;
  readonly #check: PayloadCheck;
  /** Null where clients say what was recorded. */
  texts: ClientTexts | null = null;

  constructor(table: ConnectionTable, check: PayloadCheck) {
    this.#table = table;
    this.#check = check;
  }

  /** In-order payload, of which the first `skip` octets are known already. */
  take(user: number, seq: Seq, skip: number, payloadBytes: number): void {
    const table = this.#table;
    const end = seqAdd(seq, payloadBytes);
    const offset = table.receivedBytes(user);
    const wrong = this.#mismatches(user, offset, skip, payloadBytes);
    let right = payloadBytes - skip - wrong;
    table.rcvNxt[user * U32] = end;
    const to = table.outOfOrderTo[user * U32];
    if (
      table.outOfOrderFrom[user * U32] !== to &&
      !seqAfter(table.outOfOrderFrom[user * U32], end)
    ) {
      if (seqAfter(to, end)) {
        right += seqDiff(to, end);
        table.rcvNxt[user * U32] = to;
      }
      table.outOfOrderFrom[user * U32] = to;
      table.flags[user * U16] |= Flag.ACK_NOW;
    }
    this.#check.onChecked(right, wrong);
    table.flags[user * U16] |=
      table.flags[user * U16] & Flag.ACK_OWED ? Flag.ACK_NOW : Flag.ACK_OWED;
  }

  /** Keeps the interval when it is right and touches what is kept; else it must come again. */
  keep(user: number, seq: Seq, payloadBytes: number): void {
    if (payloadBytes === 0) return;
    const table = this.#table;
    const offset = seqDiff(seq, table.irs[user * U32]) - 1;
    const wrong = this.#mismatches(user, offset >>> 0, 0, payloadBytes);
    if (wrong > 0) {
      this.#check.onChecked(0, wrong);
      return;
    }
    const end = seqAdd(seq, payloadBytes);
    const from = table.outOfOrderFrom[user * U32];
    const to = table.outOfOrderTo[user * U32];
    if (from === to) {
      table.outOfOrderFrom[user * U32] = seq;
      table.outOfOrderTo[user * U32] = end;
    } else if (!seqAfter(seq, to) && !seqBefore(end, from)) {
      if (seqBefore(seq, from)) table.outOfOrderFrom[user * U32] = seq;
      if (seqAfter(end, to)) table.outOfOrderTo[user * U32] = end;
    }
  }

  /** Nobody knows what is right where it is not as recorded; a segment is either this or that. */
  #mismatches(user: number, offset: number, from: number, to: number): number {
    const session = this.#table.session[user * U32];
    const { texts } = this;
    if (texts?.isRewritten(session) !== true)
      return this.#check.mismatches(session, offset, from, to);
    if (texts.isWritten(user, offset + from)) return 0;
    const recorded = texts.recordedOffset(user, offset + from) - from;
    return this.#check.mismatches(session, recorded, from, to);
  }

  /** The FIN is the next octet: the state moves on. */
  onFin(user: number): void {
    const table = this.#table;
    table.rcvNxt[user * U32] = seqAdd(table.rcvNxt[user * U32], 1);
    table.flags[user * U16] |= Flag.PEER_FIN;
    switch (table.state[user * U8]) {
      case ServerState.ESTABLISHED:
        table.state[user * U8] = ServerState.CLOSE_WAIT;
        break;
      case ServerState.FIN_WAIT_1:
        table.state[user * U8] = ServerState.CLOSING;
        break;
      case ServerState.FIN_WAIT_2:
        table.state[user * U8] = ServerState.TIME_WAIT;
        break;
      default:
    }
  }
}
