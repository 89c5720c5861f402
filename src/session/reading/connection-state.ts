/**
 * What the flags of segments change in a connection: which SYN-ACK counts, and how a stream ended.
 */
import type { Records } from '../../base/records.ts';
import { seqAdd, seqDiff } from '../../base/seq.ts';
import type { SegmentDecoder } from '../../capture/segment-decoder.ts';
import { ACK, RST } from '../../wire/tcp.ts';
import {
  DetailFloat,
  DetailMark,
  DetailWord,
  SEGMENT_WORDS,
  SegmentWord,
  SessionFlag,
  type SessionRecords,
  SessionWord,
} from './session-records.ts';

/** Data that a SYN may carry, and its SYN-ACK acknowledge. */
const SYN_OCTETS_MAX = 0xffff;
/** What was captured behind a RST, but sent before it, lies not further than a window before it. */
const RST_AHEAD_MAX = 1 << 24;

/**
 * Of the segment at hand: when it was captured, and where position 0 of its data and its file lie
 * in the joined capture. Fields, since a float that is an argument is put on the heap.
 */
export class Moment {
  ns = 0;
  base = 0;
  fileBase = 0;
}

/** Rows and words are those of the tables of SessionRecords. */
export class ConnectionState {
  readonly #sessions: Records;
  readonly #details: Records;
  readonly #segments: Records;
  readonly #moment: Moment;

  /** @param moment set before each segment */
  constructor({ sessions, details, segments }: SessionRecords, moment: Moment) {
    this.#sessions = sessions;
    this.#details = details;
    this.#segments = segments;
    this.#moment = moment;
  }

  /** Whether a SYN-ACK acknowledges the SYN, as far as that was seen. */
  answersSyn(row: number, direction: number, { ack }: SegmentDecoder): boolean {
    const words = this.#sessions.u32;
    const other = 1 - direction;
    if ((words[row + SessionWord.FLAGS] & (SessionFlag.SYN_0 << other)) === 0) return true;
    // A SYN may carry data, which may be acknowledged or not.
    const beyond = seqDiff(ack, words[row + SessionWord.BASE_SEQ + other]) - 1;
    return beyond >= 0 && beyond <= SYN_OCTETS_MAX;
  }

  /**
   * A SYN repeated may be answered with another number. The one that the client goes on with counts:
   * that which lies next before what it acknowledges, or before what the server goes on with.
   */
  learnIsn(row: number, detail: number, direction: number, isn: number): void {
    const flags = this.#sessions.u32[row + SessionWord.FLAGS];
    const details = this.#details.u32;
    const known = details[detail + DetailWord.ISN + direction];
    if ((flags & (SessionFlag.HAS_ISN_0 << direction)) !== 0 && known !== isn) {
      const first = details[detail + DetailWord.FIRST_SEGMENT + direction];
      const isAcked = (flags & (SessionFlag.HAS_UNA_0 << direction)) !== 0;
      if (isAcked || first !== 0) {
        const next = isAcked
          ? details[detail + DetailWord.UNA + direction]
          : this.#segments.u32[(first - 1) * SEGMENT_WORDS + SegmentWord.SEQ];
        if ((next - 1 - known) >>> 0 <= (next - 1 - isn) >>> 0) return;
      } else details[detail + DetailWord.MARKS] |= DetailMark.SEVERAL_ISNS_0 << direction;
    }
    this.setIsn(row, detail, direction, isn);
  }

  /** Of several SYN-ACKs the one with this number has turned out to count. */
  decideIsn(row: number, detail: number, direction: number, isn: number): void {
    this.#details.u32[detail + DetailWord.MARKS] &= ~(DetailMark.SEVERAL_ISNS_0 << direction);
    this.setIsn(row, detail, direction, isn);
  }

  /** A direction's stream begins behind this number. */
  setIsn(row: number, detail: number, direction: number, isn: number): void {
    const words = this.#sessions.u32;
    const details = this.#details.u32;
    const flags = words[row + SessionWord.FLAGS];
    const has = SessionFlag.HAS_ISN_0 << direction;
    if ((flags & has) !== 0 && details[detail + DetailWord.ISN + direction] === isn) return;
    details[detail + DetailWord.ISN + direction] = isn;
    words[row + SessionWord.BASE_SEQ + direction] = isn;
    words[row + SessionWord.FLAGS] |= has;
    if (details[detail + DetailWord.FIRST_SEGMENT + direction] === 0) {
      details[detail + DetailWord.NXT + direction] = seqAdd(isn, 1);
      words[row + SessionWord.FLAGS] |= SessionFlag.HAS_NXT_0 << direction;
    } else {
      // Payload came before its SYN: where the stream begins was not known yet.
      words[row + SessionWord.FLAGS] |= SessionFlag.DISORDERED_0 << direction;
    }
  }

  /**
   * The first FIN or RST of a direction ends it. A RST after a FIN changes nothing, nor does one
   * after which its sender went on: it was for another connection, or for a SYN-ACK come twice.
   */
  onEnd(row: number, detail: number, direction: number, segment: SegmentDecoder): void {
    const words = this.#sessions.u32;
    const isRst = (segment.flags & RST) !== 0;
    if (!isRst) this.revive(row, detail, direction, seqAdd(segment.seq, segment.payloadBytes + 1));
    const ended = (SessionFlag.FIN_0 | SessionFlag.RST_0) << direction;
    const isFirst = (words[row + SessionWord.FLAGS] & ended) === 0;
    words[row + SessionWord.FLAGS] |= (isRst ? SessionFlag.RST_0 : SessionFlag.FIN_0) << direction;
    if (!isFirst) return;
    const details = this.#details.u32;
    const payload = isRst ? 0 : segment.payloadBytes;
    this.#details.f64[(detail >>> 1) + DetailFloat.END_NS + direction] = this.#moment.ns;
    details[detail + DetailWord.END_SEQ + direction] = seqAdd(segment.seq, payload);
    details[detail + DetailWord.END_ACK + direction] = segment.ack;
    if (isRst) words[row + SessionWord.FLAGS] |= SessionFlag.ENDED_BY_RST_0 << direction;
    if ((segment.flags & ACK) !== 0) {
      words[row + SessionWord.FLAGS] |= SessionFlag.END_HAS_ACK_0 << direction;
    }
  }

  /** The direction has sent up to `end`: a RST that lies before that, or far off, has not ended it. */
  revive(row: number, detail: number, direction: number, end: number): void {
    const words = this.#sessions.u32;
    if ((words[row + SessionWord.FLAGS] & (SessionFlag.ENDED_BY_RST_0 << direction)) === 0) return;
    const rstSeq = this.#details.u32[detail + DetailWord.END_SEQ + direction];
    const ahead = seqDiff(rstSeq, end);
    if (ahead >= 0 && ahead <= RST_AHEAD_MAX) return;
    const ends = SessionFlag.RST_0 | SessionFlag.ENDED_BY_RST_0 | SessionFlag.END_HAS_ACK_0;
    words[row + SessionWord.FLAGS] &= ~(ends << direction);
  }
}
