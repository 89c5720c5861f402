/**
 * Keeps what segments say: a record a piece of payload, and how far each stream has got. What came
 * before, or is no payload, leaves none.
 */
import type { Records } from '../../base/records.ts';
import { seqAdd, seqDiff } from '../../base/seq.ts';
import { NS_PER_MS } from '../../base/time.ts';
import type { SegmentDecoder } from '../../capture/segment-decoder.ts';
import { isTlsHello } from '../../protocol/tls.ts';
import { ACK, SYN } from '../../wire/tcp.ts';
import type { ConnectionState, Moment } from './connection-state.ts';
import { isSshBanner, mayBePadding, PADDING_BYTES_MAX } from './payload-kind.ts';
import { fullSegmentBytes } from './segment-size.ts';
import {
  DetailFloat,
  DetailMark,
  DetailWord,
  SEGMENT_WORDS,
  SegmentFlag,
  SegmentFloat,
  SegmentWord,
  SessionFlag,
  type SessionRecords,
  SessionWord,
} from './session-records.ts';

/** A pause longer than two round trips and this was not the network's doing. */
const PAUSE_NS_MIN = 10 * NS_PER_MS;

/** Rows and words are those of the tables of SessionRecords. */
export class PayloadLog {
  readonly #records: SessionRecords;
  readonly #sessions: Records;
  readonly #details: Records;
  readonly #segments: Records;
  readonly #moment: Moment;
  readonly #state: ConnectionState;

  /** @param moment set before each segment */
  constructor(records: SessionRecords, moment: Moment, state: ConnectionState) {
    this.#records = records;
    this.#sessions = records.sessions;
    this.#details = records.details;
    this.#segments = records.segments;
    this.#moment = moment;
    this.#state = state;
  }

  /** Takes the payload of a segment that has some, and no RST. */
  onPayload(row: number, detail: number, direction: number, segment: SegmentDecoder): void {
    const bytes = segment.payloadBytes;
    const seq = (segment.seq + ((segment.flags & SYN) !== 0 ? 1 : 0)) >>> 0;
    const marks = this.#details.u32[detail + DetailWord.MARKS];
    if ((marks & (DetailMark.SEVERAL_ISNS_0 << direction)) !== 0) {
      const isn = (seq - 1) >>> 0;
      // A single octet may be a keep-alive probe's, which lies before the first one.
      if (bytes === 1 && isn !== this.#details.u32[detail + DetailWord.ISN + direction]) return;
      this.#state.decideIsn(row, detail, direction, isn);
    }
    const known = this.#sessions.u32[row + SessionWord.FLAGS];
    const hasFin = (known & (SessionFlag.FIN_0 << direction)) !== 0;
    const isNext = !hasFin && seq === this.#details.u32[detail + DetailWord.NXT + direction];
    if (!isNext && this.#isNothingNew(row, detail, direction, seq, bytes)) return;
    if (segment.payloadCaptured < bytes) {
      this.#sessions.u32[row + SessionWord.FLAGS] |= SessionFlag.TRUNCATED_0 << direction;
    }
    this.#recognise(row, detail, direction, segment);
    let flags = this.#segmentFlags(row, detail, direction, segment);
    if (bytes <= PADDING_BYTES_MAX && mayBePadding(segment)) {
      flags |= SegmentFlag.MAY_BE_PADDING;
      this.#onPadding(row, detail, direction);
    } else if (this.#advance(row, detail, direction, seq, bytes)) {
      this.#onSpeaker(row, detail, direction);
      this.#details.f64[(detail >>> 1) + DetailFloat.ACTIVE_NS + direction] = this.#moment.ns;
      this.#state.revive(row, detail, direction, seqAdd(seq, bytes));
    }
    if (segment.pieces === null) {
      const added = this.#append(detail, direction, seq, bytes);
      this.#place(added, this.#moment.base + segment.payloadStart);
      this.#describe(added, segment.ack, segment.payloadCaptured, flags);
      return;
    }
    this.#appendPieces(detail, direction, segment, seq, flags);
  }

  /** What came before, or lies behind a FIN: a probe's octet, or padding. */
  #isNothingNew(
    row: number,
    detail: number,
    direction: number,
    seq: number,
    bytes: number,
  ): boolean {
    const ends = this.#sessions.u32[row + SessionWord.FLAGS] >>> direction;
    const byFin = (ends & (SessionFlag.FIN_0 | SessionFlag.ENDED_BY_RST_0)) === SessionFlag.FIN_0;
    const endSeq = this.#details.u32[detail + DetailWord.END_SEQ + direction];
    if (byFin && seqDiff(seq, endSeq) >= 0) return true;
    return this.#isRepeated(row, detail, direction, seq, bytes);
  }

  /**
   * Whether all of it has come before: a retransmission in a stream without holes, or a keep-alive
   * probe, which has the octet before those to come, with whatever in it.
   */
  #isRepeated(row: number, detail: number, direction: number, seq: number, bytes: number): boolean {
    const flags = this.#sessions.u32[row + SessionWord.FLAGS];
    const details = this.#details.u32;
    if ((flags & (SessionFlag.HAS_NXT_0 << direction)) === 0) return false;
    const beyond = seqDiff(seqAdd(seq, bytes), details[detail + DetailWord.NXT + direction]);
    if (beyond > 0) return false;
    const isPadded =
      (details[detail + DetailWord.MARKS] & (DetailMark.PADDED_0 << direction)) !== 0;
    if (bytes === 1 && beyond === 0 && !isPadded) return true;
    const notPlain = SessionFlag.DISORDERED_0 | SessionFlag.TRUNCATED_0;
    if ((flags & (notPlain << direction)) !== 0) return false;
    // Without its SYN a stream may begin before what was seen of it first.
    if ((flags & (SessionFlag.HAS_ISN_0 << direction)) !== 0) return true;
    const first = details[detail + DetailWord.FIRST_SEGMENT + direction] - 1;
    if (first < 0) return false;
    return seqDiff(seq, this.#segments.u32[first * SEGMENT_WORDS + SegmentWord.SEQ]) >= 0;
  }

  #recognise(row: number, detail: number, direction: number, segment: SegmentDecoder): void {
    const { data, payloadStart, payloadCaptured } = segment;
    if (isTlsHello(data, payloadStart, payloadCaptured)) {
      this.#sessions.u32[row + SessionWord.FLAGS] |= SessionFlag.TLS_0 << direction;
    }
    const isFirst = this.#details.u32[detail + DetailWord.FIRST_SEGMENT + direction] === 0;
    if (isFirst && isSshBanner(segment)) {
      this.#details.u32[detail + DetailWord.MARKS] |= DetailMark.SSH;
      this.#records.mayHaveMarks = true;
    }
  }

  /** What may be padding moves nothing on; what follows tells whether it is. */
  #onPadding(row: number, detail: number, direction: number): void {
    this.#sessions.u32[row + SessionWord.FLAGS] |= SessionFlag.DISORDERED_0 << direction;
    this.#details.u32[detail + DetailWord.MARKS] |=
      (DetailMark.PADDED_0 << direction) | DetailMark.UNSORTED;
    this.#records.mayHaveMarks = true;
    const has = SessionFlag.HAS_NXT_0 << direction;
    if ((this.#sessions.u32[row + SessionWord.FLAGS] & has) !== 0) return;
    const base = this.#sessions.u32[row + SessionWord.BASE_SEQ + direction];
    this.#details.u32[detail + DetailWord.NXT + direction] = seqAdd(base, 1);
    this.#sessions.u32[row + SessionWord.FLAGS] |= has;
  }

  /** A change of speaker begins a turn of the one who speaks now. */
  #onSpeaker(row: number, detail: number, direction: number): void {
    const words = this.#sessions.u32;
    let flags = words[row + SessionWord.FLAGS];
    const last = (flags & SessionFlag.LAST_SPEAKER) !== 0 ? 1 : 0;
    if ((flags & SessionFlag.SPOKE) !== 0 && last === direction) return;
    if ((flags & SessionFlag.SPOKE) === 0) {
      flags |= SessionFlag.SPOKE;
      if (direction === 1) flags |= SessionFlag.FIRST_SPEAKER;
    }
    flags = direction === 1 ? flags | SessionFlag.LAST_SPEAKER : flags & ~SessionFlag.LAST_SPEAKER;
    words[row + SessionWord.FLAGS] = flags;
    this.#details.u32[detail + DetailWord.TURNS + direction]++;
  }

  #segmentFlags(row: number, detail: number, direction: number, segment: SegmentDecoder): number {
    const words = this.#details.u32;
    const floats = this.#details.f64;
    const half = detail >>> 1;
    let flags = (segment.flags & ACK) !== 0 ? SegmentFlag.HAS_ACK : 0;
    const { OFFER } = DetailWord;
    const isIpv6 = (this.#sessions.u32[row + SessionWord.FLAGS] & SessionFlag.IPV6) !== 0;
    const full = fullSegmentBytes(words[detail + OFFER], words[detail + OFFER + 1], isIpv6);
    if (segment.payloadBytes % full !== 0) flags |= SegmentFlag.ENDS_WRITE;
    const nxt = words[detail + DetailWord.NXT + direction];
    const isAllAcked = seqDiff(words[detail + DetailWord.UNA + direction], nxt) >= 0;
    const pauseNs = this.#moment.ns - floats[half + DetailFloat.ACTIVE_NS + direction];
    const longNs = 2 * floats[half + DetailFloat.RTT_NS] + PAUSE_NS_MIN;
    if (isAllAcked && pauseNs > longNs) flags |= SegmentFlag.AFTER_PAUSE;
    return flags;
  }

  /** Counts the octets and moves the stream's end. @returns whether it moved */
  #advance(row: number, detail: number, direction: number, seq: number, bytes: number): boolean {
    const words = this.#sessions.u32;
    const details = this.#details.u32;
    const has = SessionFlag.HAS_NXT_0 << direction;
    const nxt = detail + DetailWord.NXT + direction;
    if ((words[row + SessionWord.FLAGS] & has) === 0) {
      words[row + SessionWord.FLAGS] |= has;
      details[nxt] = seq;
    }
    const end = seqAdd(seq, bytes);
    if (details[nxt] === seq) {
      this.#details.f64[(detail >>> 1) + DetailFloat.UNIQUE_BYTES + direction] += bytes;
      details[nxt] = end;
      return true;
    }
    words[row + SessionWord.FLAGS] |= SessionFlag.DISORDERED_0 << direction;
    if (seqDiff(end, details[nxt]) <= 0) return false;
    details[nxt] = end;
    return true;
  }

  /** Adds a segment's record and returns the word where it begins. */
  #append(detail: number, direction: number, seq: number, bytes: number): number {
    const segments = this.#segments;
    const index = segments.append();
    const at = index * SEGMENT_WORDS;
    const words = segments.u32;
    segments.f64[(at >>> 1) + SegmentFloat.NS] = this.#moment.ns;
    words[at + SegmentWord.SEQ] = seq;
    words[at + SegmentWord.BYTES] = bytes;
    const details = this.#details.u32;
    const last = details[detail + DetailWord.LAST_SEGMENT + direction];
    if (last === 0) details[detail + DetailWord.FIRST_SEGMENT + direction] = index + 1;
    else words[(last - 1) * SEGMENT_WORDS + SegmentWord.NEXT] = index + 1;
    details[detail + DetailWord.LAST_SEGMENT + direction] = index + 1;
    return at;
  }

  /** Where its first octet lies in the joined capture. */
  #place(at: number, offset: number): void {
    this.#segments.f64[(at >>> 1) + SegmentFloat.OFFSET] = offset;
  }

  #describe(at: number, ack: number, captured: number, flags: number): void {
    const segments = this.#segments;
    segments.u32[at + SegmentWord.ACK] = ack;
    segments.u32[at + SegmentWord.CAPTURED] = captured;
    segments.u32[at + SegmentWord.FLAGS] = flags;
  }

  /** The payload of a reassembled packet lies in several places. */
  #appendPieces(
    detail: number,
    direction: number,
    segment: SegmentDecoder,
    seq: number,
    flags: number,
  ): void {
    const start = segment.payloadStart;
    const end = start + segment.payloadCaptured;
    let isFirst = true;
    for (const piece of segment.pieces ?? []) {
      const from = Math.max(piece.start, start);
      const to = Math.min(piece.start + piece.bytes, end);
      if (to <= from) continue;
      const added = this.#append(detail, direction, seqAdd(seq, from - start), to - from);
      this.#place(added, this.#moment.fileBase + piece.offset + from - piece.start);
      const first = isFirst ? flags & ~SegmentFlag.ENDS_WRITE : SegmentFlag.CONTINUES;
      const last = to === end ? flags & SegmentFlag.ENDS_WRITE : 0;
      this.#describe(added, segment.ack, to - from, first | last | (flags & SegmentFlag.HAS_ACK));
      isFirst = false;
    }
    const missing = segment.payloadBytes - segment.payloadCaptured;
    if (missing <= 0) return;
    const rest = this.#append(detail, direction, seqAdd(seq, segment.payloadCaptured), missing);
    this.#describe(rest, segment.ack, 0, flags);
  }
}
