/**
 * By how much the clocks of two taps differ, where each captured one direction of the sessions.
 *
 * A packet that acknowledges octets was sent after these. So each acknowledgment bounds the
 * difference: the server's answers from above (none was dated before its request), the client's
 * from below. Where the bounds of most sessions leave no room for clocks that agree, the clocks
 * differ by what lies in the middle of them, as NTP has it (RFC 5905, section 8): the error is at
 * most half of what a round trip takes from tap to tap.
 *
 * A lane is an interface of a capture file: what one clock has dated. Packets of both directions may
 * also have been merged into one lane.
 */
import { seqAdd, seqDiff } from '../../base/seq.ts';
import {
  DETAIL_WORDS,
  DetailFloat,
  DetailMark,
  DetailWord,
  LANE_BITS,
  LANE_MAX,
  LANE_SHIFT_0,
  SEGMENT_WORDS,
  SESSION_WORDS,
  SegmentFlag,
  SegmentFloat,
  SegmentWord,
  type SessionRecords,
  SessionWord,
} from './session-records.ts';

/** Packets of one tap overtake one another by so much on their way through queues and processors. */
const OVERTAKING_NS_MAX = 100_000;
const LANES = LANE_MAX + 1;
/** So many sessions of a pair of lanes tell their clocks apart as well as all. */
const SESSIONS_MAX = 10_000;

/** The clock of one lane against another's. */
export interface ClockSkew {
  readonly clientLane: number;
  readonly serverLane: number;
  /** So much is the clock of the server's packets ahead. */
  readonly skewNs: number;
  /** The true difference lies within this of it. */
  readonly errorNs: number;
}

interface Bounds {
  lowNs: number;
  highNs: number;
}

/** How far the clocks of two taps are apart, for every session. */
export class ClockSkews {
  /** Whether any session's turns must be counted by acknowledgments. */
  readonly hasUnsorted: boolean;
  /** Pairs of lanes whose clocks differ. */
  readonly found: readonly ClockSkew[];
  readonly #records: SessionRecords;
  readonly #serverSideOf: (session: number) => 0 | 1;
  readonly #byPair: ReadonlyMap<number, ClockSkew>;

  constructor(records: SessionRecords, serverSideOf: (session: number) => 0 | 1) {
    this.#records = records;
    this.#serverSideOf = serverSideOf;
    this.hasUnsorted = records.mayHaveMarks && hasUnsorted(records);
    this.#byPair = this.hasUnsorted ? this.#estimate() : new Map();
    this.found = [...this.#byPair.values()];
  }

  /** How much the clock of what the server sent is ahead of the client's in a session. */
  of(session: number): number {
    if (this.#byPair.size === 0) return 0;
    const skew = this.#byPair.get(this.#pairOf(session));
    if (skew === undefined) return 0;
    // Clocks drift: what a session shows itself bounds what holds for all of them.
    const { lowNs, highNs } = this.#boundsOf(session);
    if (lowNs > highNs) return skew.skewNs;
    return Math.max(lowNs, Math.min(highNs, skew.skewNs));
  }

  #estimate(): Map<number, ClockSkew> {
    const { sessions } = this.#records;
    const pairs = new Map<number, { total: number; apart: Bounds[] }>();
    for (let session = 0; session < sessions.count; session++) {
      const pair = this.#pairOf(session);
      if (pair < 0) continue;
      const known = pairs.get(pair) ?? { total: 0, apart: [] };
      pairs.set(pair, known);
      if (known.total === SESSIONS_MAX) continue;
      known.total++;
      if (!this.#isUnsorted(session)) continue;
      const bounds = this.#boundsOf(session);
      const isApart = bounds.lowNs > OVERTAKING_NS_MAX || bounds.highNs < -OVERTAKING_NS_MAX;
      if (isApart && bounds.lowNs <= bounds.highNs) known.apart.push(bounds);
    }
    const skews = new Map<number, ClockSkew>();
    for (const [pair, { total, apart }] of pairs) {
      if (apart.length === 0 || apart.length * 2 < total) continue;
      const lanes = { clientLane: Math.floor(pair / LANES), serverLane: pair % LANES };
      const estimate = middleOf(apart);
      if (Number.isFinite(estimate.skewNs)) skews.set(pair, { ...lanes, ...estimate });
    }
    return skews;
  }

  /** Client's and server's lane as a number; -1 where one of them was not captured. */
  #pairOf(session: number): number {
    const marks = this.#marksOf(session);
    const both = DetailMark.HAS_LANE_0 | (DetailMark.HAS_LANE_0 << 1);
    if ((marks & both) !== both) return -1;
    const server = this.#serverSideOf(session);
    return laneOf(marks, 1 - server) * LANES + laneOf(marks, server);
  }

  #isUnsorted(session: number): boolean {
    return (this.#marksOf(session) & DetailMark.UNSORTED) !== 0;
  }

  #marksOf(session: number): number {
    const detail = this.#records.sessions.u32[session * SESSION_WORDS + SessionWord.DETAIL];
    return detail === 0
      ? 0
      : this.#records.details.u32[(detail - 1) * DETAIL_WORDS + DetailWord.MARKS];
  }

  /** What a session's acknowledgments say of how far the server's clock is ahead. */
  #boundsOf(session: number): Bounds {
    const { sessions, details } = this.#records;
    const detail = (sessions.u32[session * SESSION_WORDS + SessionWord.DETAIL] - 1) * DETAIL_WORDS;
    const server = this.#serverSideOf(session);
    const half = detail >>> 1;
    const synNs = details.f64[half + DetailFloat.SYN_NS];
    const synAckNs = details.f64[half + DetailFloat.SYN_ACK_NS];
    const ackNs = details.f64[half + DetailFloat.ACK_NS];
    const bounds = { lowNs: Number.NEGATIVE_INFINITY, highNs: Number.POSITIVE_INFINITY };
    if (synAckNs - synNs < bounds.highNs) bounds.highNs = synAckNs - synNs;
    if (synAckNs - ackNs > bounds.lowNs) bounds.lowNs = synAckNs - ackNs;
    const first = detail + DetailWord.FIRST_SEGMENT;
    const ofClient = details.u32[first + 1 - server];
    const ofServer = details.u32[first + server];
    bounds.highNs = Math.min(bounds.highNs, this.#leastLag(ofServer, ofClient));
    bounds.lowNs = Math.max(bounds.lowNs, -this.#leastLag(ofClient, ofServer));
    return bounds;
  }

  /**
   * The shortest time by which an acknowledgment is dated after what it acknowledges.
   * @param answers first segment + 1 of the direction that acknowledges
   * @param asked likewise of the other one
   */
  #leastLag(answers: number, asked: number): number {
    const { u32: words, f64: floats } = this.#records.segments;
    let leastNs = Number.POSITIVE_INFINITY;
    let other = asked;
    let last: number | null = null;
    for (let own = answers; own !== 0 && other !== 0; ) {
      const at = (own - 1) * SEGMENT_WORDS;
      own = words[at + SegmentWord.NEXT];
      const ack = words[at + SegmentWord.ACK];
      if ((words[at + SegmentWord.FLAGS] & SegmentFlag.HAS_ACK) === 0) continue;
      if (last !== null && seqDiff(ack, last) <= 0) continue;
      last = ack;
      other = this.#holding(other, ack);
      if (other === 0) break;
      const of = (other - 1) * SEGMENT_WORDS;
      if (seqDiff(words[of + SegmentWord.SEQ], ack) >= 0) continue;
      const lagNs = floats[(at >>> 1) + SegmentFloat.NS] - floats[(of >>> 1) + SegmentFloat.NS];
      leastNs = Math.min(leastNs, lagNs);
    }
    return leastNs;
  }

  /** From a segment on, the first (+ 1) that reaches a sequence number; 0 where none does. */
  #holding(from: number, seq: number): number {
    const words = this.#records.segments.u32;
    let segment = from;
    while (segment !== 0) {
      const at = (segment - 1) * SEGMENT_WORDS;
      const end = seqAdd(words[at + SegmentWord.SEQ], words[at + SegmentWord.BYTES]);
      if (seqDiff(end, seq) >= 0) return segment;
      segment = words[at + SegmentWord.NEXT];
    }
    return 0;
  }
}

const laneOf = (marks: number, direction: number): number =>
  (marks >>> (LANE_SHIFT_0 + direction * LANE_BITS)) & LANE_MAX;

/** Details lie side by side, sessions' links to them do not. */
function hasUnsorted({ details }: SessionRecords): boolean {
  const words = details.u32;
  const end = details.count * DETAIL_WORDS;
  for (let at = DetailWord.MARKS; at < end; at += DETAIL_WORDS) {
    if ((words[at] & DetailMark.UNSORTED) !== 0) return true;
  }
  return false;
}

/** Where one difference satisfies all sessions, the middle of what does; else (a drift) the median. */
function middleOf(all: readonly Bounds[]): { readonly skewNs: number; readonly errorNs: number } {
  const low = all.reduce((most, { lowNs }) => Math.max(most, lowNs), Number.NEGATIVE_INFINITY);
  const high = all.reduce((least, { highNs }) => Math.min(least, highNs), Number.POSITIVE_INFINITY);
  if (low <= high) return within(low, high);
  const middles = all.map(({ lowNs, highNs }) => within(lowNs, highNs));
  middles.sort((a, b) => a.skewNs - b.skewNs);
  return middles[middles.length >>> 1];
}

/** Between two bounds; at the one that there is where the other is missing. */
function within(low: number, high: number): { readonly skewNs: number; readonly errorNs: number } {
  if (!Number.isFinite(low)) return { skewNs: high, errorNs: Number.POSITIVE_INFINITY };
  if (!Number.isFinite(high)) return { skewNs: low, errorNs: Number.POSITIVE_INFINITY };
  return { skewNs: (low + high) / 2, errorNs: (high - low) / 2 };
}
