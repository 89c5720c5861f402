/**
 * What can be played of a session that is not whole, where that is asked for.
 *
 * - `mid-stream`: the capture began after its SYN. It is played from the first client turn that is
 *   known to be whole: the client speaks, having received all that the server had said.
 * - `holed`: octets are missing. What the server said is filled up, since only its length counts.
 *   What the client said is played up to the last turn before the first octet that is missing.
 * - `one-sided`: of the server nothing was captured. How much it had said when the client spoke, the
 *   client's acknowledgments tell.
 *
 * Of a server's answers that the snap length cut only the length counts, too: those sessions are
 * played without being asked for.
 */
import { type Seq, seqAdd, seqAfter, seqBefore, seqDiff } from '../../base/seq.ts';
import { DatedStream } from './dated-stream.ts';
import {
  DETAIL_WORDS,
  DetailWord,
  SEGMENT_WORDS,
  SESSION_WORDS,
  SegmentFlag,
  SegmentFloat,
  SegmentWord,
  SessionFlag,
  type SessionRecords,
  SessionWord,
} from './session-records.ts';
import { isTailMissing } from './stream-resolver.ts';

/** What the snap length cut off is filled in one piece: only lengths are looked at here. */
const FILL_BYTES = 0xffff_ffff;

/** Which part of a session is played. Offsets are those of the recorded streams. */
export interface SessionPart {
  readonly clientFrom: number;
  readonly clientTo: number;
  readonly serverFrom: number;
  readonly serverTo: number;
  /** When it begins; NaN: with its SYN. */
  readonly startNs: number;
  /** The recorded client went on after `clientTo`. */
  readonly isCut: boolean;
  /** Of a server of which nothing was captured: what the client's acknowledgments tell. */
  readonly unheard: UnheardServer | null;
}

/** A server's stream as its client acknowledged it. */
export interface UnheardServer {
  /** Sequence number behind its last octet. */
  readonly endSeq: number;
  /** When it ended its stream: before the client did, after that, or not that we know. */
  readonly end: 'first' | 'last' | 'open';
}

/** All of a session, whose streams have so many octets. */
export const wholeSession = (clientTo: number, serverTo: number): SessionPart => ({
  clientFrom: 0,
  clientTo,
  serverFrom: 0,
  serverTo,
  startNs: Number.NaN,
  isCut: false,
  unheard: null,
});

/**
 * The whole of a session in which nothing of the server was captured.
 * @param clientTo octets of the client's stream
 */
export function oneSidedSession(
  { sessions, details }: SessionRecords,
  session: number,
  client: 0 | 1,
  clientTo: number,
): SessionPart {
  const server = 1 - client;
  const row = session * SESSION_WORDS;
  const words = details.u32;
  const detail = (sessions.u32[row + SessionWord.DETAIL] - 1) * DETAIL_WORDS;
  const flags = sessions.u32[row + SessionWord.FLAGS];
  const begin = seqAdd(sessions.u32[row + SessionWord.BASE_SEQ + server], 1);
  const hasAcked = (flags & (SessionFlag.HAS_UNA_0 << server)) !== 0;
  const una = hasAcked ? words[detail + DetailWord.UNA + server] : begin;
  const endAck = words[detail + DetailWord.END_ACK + client];
  const isEnded = (flags & (SessionFlag.END_HAS_ACK_0 << client)) !== 0;
  const isReset = (flags & (SessionFlag.ENDED_BY_RST_0 << client)) !== 0;
  // Whoever ends first gets the other's FIN later, and acknowledges it.
  const end = isEnded && !isReset ? (seqDiff(una, endAck) > 0 ? 'last' : 'first') : 'open';
  const endSeq = end === 'open' || seqDiff(una, begin) === 0 ? una : seqAdd(una, -1);
  return {
    ...wholeSession(clientTo, Math.max(0, seqDiff(endSeq, begin))),
    unheard: { endSeq, end },
  };
}

/** Finds which part of a session that is not whole can be played. */
export class PartFinder {
  readonly #records: SessionRecords;
  readonly #client: DatedStream;
  readonly #server: DatedStream;

  constructor(records: SessionRecords) {
    this.#records = records;
    this.#client = new DatedStream(records);
    this.#server = new DatedStream(records);
  }

  /**
   * @param mayHaveHoles whether holes are admitted, too
   * @returns null where nothing of it can be played
   */
  find(
    session: number,
    client: 0 | 1,
    options: { readonly hasSyn: boolean; readonly mayHaveHoles: boolean },
  ): SessionPart | null {
    this.#client.resolve(session, client);
    this.#server.resolve(session, 1 - client, { fillBytes: FILL_BYTES });
    const turn = options.hasSyn ? 0 : this.#firstWholeTurn(session, client);
    if (turn < 0) return null;
    const clientFrom = options.hasSyn
      ? 0
      : this.#client.offsetOf(this.#word(turn, SegmentWord.SEQ));
    const serverFrom = options.hasSyn ? 0 : this.#serverOffset(turn);
    this.#client.cut(clientFrom, this.#client.endOffset);
    this.#server.cut(serverFrom, this.#server.endOffset);
    const isWhole = this.#isTailWhole(session, client, this.#client) && isComplete(this.#client);
    const isServerWhole =
      this.#isTailWhole(session, 1 - client, this.#server) && isComplete(this.#server);
    if (!(isWhole && isServerWhole) && !options.mayHaveHoles) return null;
    const startNs = options.hasSyn ? Number.NaN : this.#startNs(turn);
    const part = isWhole ? this.#all() : this.#untilHole();
    if (part === null || part.clientTo === 0) return null;
    return {
      clientFrom,
      clientTo: clientFrom + part.clientTo,
      serverFrom,
      serverTo: serverFrom + part.serverTo,
      startNs,
      isCut: !isWhole,
      unheard: null,
    };
  }

  #all(): { readonly clientTo: number; readonly serverTo: number } {
    return { clientTo: this.#client.endOffset, serverTo: this.#server.endOffset };
  }

  /** Up to the end of the last turn before the first octet that is missing. */
  #untilHole(): { readonly clientTo: number; readonly serverTo: number } | null {
    const client = this.#client;
    const server = this.#server;
    client.date(server);
    server.date(client);
    const missing = client.firstMissing();
    const answeredTo = this.#answeredUpTo(missing);
    if (missing > 0 && answeredTo > 0) return { clientTo: missing, serverTo: answeredTo };
    let clientTo = 0;
    let serverTo = 0;
    for (let i = 1; i < client.count && client.start[i] <= missing; i++) {
      if (client.acked[i] <= client.acked[i - 1]) continue;
      clientTo = client.start[i];
      serverTo = client.acked[i];
    }
    return clientTo === 0 ? null : { clientTo, serverTo };
  }

  /**
   * End of what the server said when it had received just `offset` octets: if it spoke then, a turn
   * of the client ended there. 0 if it did not.
   */
  #answeredUpTo(offset: number): number {
    const { count, acked, start, bytes } = this.#server;
    let end = 0;
    for (let i = 0; i < count && acked[i] <= offset; i++) {
      if (acked[i] === offset) end = start[i] + bytes[i];
    }
    return end;
  }

  /** Word of the segment with which the client answers all that the server had said; or -1. */
  #firstWholeTurn(session: number, client: 0 | 1): number {
    const detail = this.#records.sessions.u32[session * SESSION_WORDS + SessionWord.DETAIL];
    if (detail === 0) return -1;
    const first = (detail - 1) * DETAIL_WORDS + DetailWord.FIRST_SEGMENT;
    const words = this.#records.details.u32;
    let ours = words[first + client];
    let theirs = words[first + 1 - client];
    let serverEnd: Seq | null = null;
    let clientEnd: Seq | null = null;
    while (ours !== 0) {
      const isServer = theirs !== 0 && theirs < ours;
      const at = ((isServer ? theirs : ours) - 1) * SEGMENT_WORDS;
      const seq = this.#word(at, SegmentWord.SEQ);
      const end = seqAdd(seq, this.#word(at, SegmentWord.BYTES));
      if (isServer) {
        if (serverEnd === null || seqAfter(end, serverEnd)) serverEnd = end;
        theirs = this.#word(at, SegmentWord.NEXT);
        continue;
      }
      const isNew = clientEnd === null || !seqBefore(seq, clientEnd);
      if (serverEnd !== null && isNew && this.#acknowledges(at, serverEnd)) return at;
      if (clientEnd === null || seqAfter(end, clientEnd)) clientEnd = end;
      // What the server said before counts no more: the client is in the middle of a turn.
      if (isNew) serverEnd = null;
      ours = this.#word(at, SegmentWord.NEXT);
    }
    return -1;
  }

  #acknowledges(at: number, seq: number): boolean {
    const hasAck = (this.#word(at, SegmentWord.FLAGS) & SegmentFlag.HAS_ACK) !== 0;
    return hasAck && !seqBefore(this.#word(at, SegmentWord.ACK), seq);
  }

  #serverOffset(turn: number): number {
    const offset = this.#server.offsetOf(this.#word(turn, SegmentWord.ACK));
    return Math.max(0, Math.min(this.#server.endOffset, offset));
  }

  #startNs(turn: number): number {
    return this.#records.segments.f64[(turn >>> 1) + SegmentFloat.NS];
  }

  #isTailWhole(session: number, direction: number, { endSeq }: DatedStream): boolean {
    return !isTailMissing(this.#records, session, direction, endSeq);
  }

  #word(at: number, word: number): number {
    return this.#records.segments.u32[at + word];
  }
}

const isComplete = (stream: DatedStream): boolean => stream.firstMissing() === stream.endOffset;
