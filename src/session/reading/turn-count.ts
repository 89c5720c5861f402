/**
 * Who spoke when, where the order of capture does not tell: two taps whose clocks differ, packets
 * that overtook one another, padding that looks like speech, a direction that was not captured.
 *
 * Payload is put in the order that its acknowledgment numbers prove: what acknowledges octets was
 * sent after them. Where they prove nothing, time decides. Of a direction that was not captured the
 * other one's acknowledgments tell when something was said.
 */
import { seqAdd, seqDiff } from '../../base/seq.ts';
import {
  DETAIL_WORDS,
  DetailMark,
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
import { StreamResolver } from './stream-resolver.ts';

const NOBODY = -1;
const NO_SEGMENT = -1;

/** One direction while its segments are taken. */
interface Side {
  /** Row of the next segment with octets that have not come before; `NO_SEGMENT` behind the last. */
  segment: number;
  /** Sequence number behind what has been taken. */
  endSeq: number;
  /** What is taken off its times. */
  shiftNs: number;
  wasCaptured: boolean;
  /** Of segments that may be padding, those that are none; null where there is no doubt. */
  spoken: ReadonlySet<number> | null;
}

const newSide = (): Side => ({
  segment: NO_SEGMENT,
  endSeq: 0,
  shiftNs: 0,
  wasCaptured: false,
  spoken: null,
});

/** Counts changes of speaker by acknowledgements, where the order of capture proves nothing. */
export class TurnCount {
  readonly #records: SessionRecords;
  readonly #resolver: StreamResolver;
  readonly #sides: readonly [Side, Side] = [newSide(), newSide()];
  /** Changes of speaker towards each direction. */
  readonly #turns: [number, number] = [0, 0];
  #first = NOBODY;
  #last = NOBODY;

  constructor(records: SessionRecords) {
    this.#records = records;
    this.#resolver = new StreamResolver(records);
  }

  /**
   * Counts a session's turns again and writes them into its record.
   * @param server direction of what the server sends
   * @param skewNs by how much the clock that dated the server's packets is ahead of the client's
   */
  count(session: number, server: 0 | 1, skewNs: number): void {
    this.#turns.fill(0);
    this.#first = NOBODY;
    this.#last = NOBODY;
    for (const direction of [0, 1] as const) {
      this.#open(session, direction, direction === server ? skewNs : 0);
    }
    const [a, b] = this.#sides;
    while (a.segment !== NO_SEGMENT || b.segment !== NO_SEGMENT) this.#take(this.#next());
    this.#write(session);
  }

  #open(session: number, direction: 0 | 1, shiftNs: number): void {
    const { sessions, details } = this.#records;
    const row = session * SESSION_WORDS;
    const detail = (sessions.u32[row + SessionWord.DETAIL] - 1) * DETAIL_WORDS;
    const side = this.#sides[direction];
    const hasIsn =
      (sessions.u32[row + SessionWord.FLAGS] & (SessionFlag.HAS_ISN_0 << direction)) !== 0;
    const base = hasIsn
      ? details.u32[detail + DetailWord.ISN + direction]
      : sessions.u32[row + SessionWord.BASE_SEQ + direction];
    side.endSeq = seqAdd(base, 1);
    side.shiftNs = shiftNs;
    side.segment = details.u32[detail + DetailWord.FIRST_SEGMENT + direction] - 1;
    const { SYN_0, SYN_ACK_0, FIN_0, RST_0, HAS_NXT_0 } = SessionFlag;
    const seen = SYN_0 | SYN_ACK_0 | FIN_0 | RST_0 | HAS_NXT_0;
    side.wasCaptured = (sessions.u32[row + SessionWord.FLAGS] & (seen << direction)) !== 0;
    const isPadded = details.u32[detail + DetailWord.MARKS] & (DetailMark.PADDED_0 << direction);
    side.spoken = isPadded === 0 ? null : this.#spoken(session, direction);
    this.#skip(side);
  }

  /** Rows of the segments of which a direction's stream is made. */
  #spoken(session: number, direction: number): ReadonlySet<number> {
    const resolver = this.#resolver;
    resolver.resolve(session, direction);
    return new Set(resolver.segment.subarray(0, resolver.count));
  }

  /** Steps over segments that bring nothing new. */
  #skip(side: Side): void {
    const words = this.#records.segments.u32;
    while (side.segment !== NO_SEGMENT) {
      const at = side.segment * SEGMENT_WORDS;
      const end = seqAdd(words[at + SegmentWord.SEQ], words[at + SegmentWord.BYTES]);
      if (seqDiff(end, side.endSeq) > 0 && this.#isSpeech(side, at)) return;
      side.segment = words[at + SegmentWord.NEXT] - 1;
    }
  }

  #isSpeech(side: Side, at: number): boolean {
    const flags = this.#records.segments.u32[at + SegmentWord.FLAGS];
    const mayBePadding = (flags & SegmentFlag.MAY_BE_PADDING) !== 0;
    return !mayBePadding || side.spoken === null || side.spoken.has(side.segment);
  }

  /** Direction of the segment that was sent next. */
  #next(): 0 | 1 {
    const [a, b] = this.#sides;
    if (a.segment === NO_SEGMENT) return 1;
    if (b.segment === NO_SEGMENT) return 0;
    const mayA = this.#hasSeenAll(a, b);
    if (mayA !== this.#hasSeenAll(b, a)) return mayA ? 0 : 1;
    const order = this.#sentNs(a) - this.#sentNs(b);
    return (order === 0 ? a.segment - b.segment : order) < 0 ? 0 : 1;
  }

  /** Whether what a side's next segment acknowledges has been taken. */
  #hasSeenAll(side: Side, peer: Side): boolean {
    const words = this.#records.segments.u32;
    const at = side.segment * SEGMENT_WORDS;
    if ((words[at + SegmentWord.FLAGS] & SegmentFlag.HAS_ACK) === 0) return true;
    return seqDiff(words[at + SegmentWord.ACK], peer.endSeq) <= 0;
  }

  #sentNs({ segment, shiftNs }: Side): number {
    const at = (segment * SEGMENT_WORDS) >>> 1;
    return this.#records.segments.f64[at + SegmentFloat.NS] - shiftNs;
  }

  #take(direction: 0 | 1): void {
    const words = this.#records.segments.u32;
    const side = this.#sides[direction];
    const peer = this.#sides[1 - direction];
    if (!peer.wasCaptured && !this.#hasSeenAll(side, peer)) {
      peer.endSeq = words[side.segment * SEGMENT_WORDS + SegmentWord.ACK];
      this.#speak(direction === 0 ? 1 : 0);
    }
    this.#speak(direction);
    const at = side.segment * SEGMENT_WORDS;
    side.endSeq = seqAdd(words[at + SegmentWord.SEQ], words[at + SegmentWord.BYTES]);
    side.segment = words[at + SegmentWord.NEXT] - 1;
    this.#skip(side);
  }

  #speak(direction: 0 | 1): void {
    if (this.#first === NOBODY) this.#first = direction;
    if (this.#last === direction) return;
    this.#last = direction;
    this.#turns[direction]++;
  }

  #write(session: number): void {
    const { sessions, details } = this.#records;
    const row = session * SESSION_WORDS;
    const detail = (sessions.u32[row + SessionWord.DETAIL] - 1) * DETAIL_WORDS;
    for (const [direction, turns] of this.#turns.entries()) {
      details.u32[detail + DetailWord.TURNS + direction] = turns;
    }
    const { SPOKE, FIRST_SPEAKER } = SessionFlag;
    const spoke = this.#first === NOBODY ? 0 : SPOKE;
    const first = this.#first === 1 ? FIRST_SPEAKER : 0;
    sessions.u32[row + SessionWord.FLAGS] =
      (sessions.u32[row + SessionWord.FLAGS] & ~(SPOKE | FIRST_SPEAKER)) | spoke | first;
  }
}
