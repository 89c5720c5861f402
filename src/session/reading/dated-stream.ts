/**
 * One stream of a session, put together, with when each part of it was sent and had arrived.
 *
 * - When a stretch was sent is the time of its first copy, or the time of anything after it in the
 *   stream when that is earlier: who sends in order had sent it by then. (The capture may have
 *   missed the original and seen only the retransmission.) The same holds for what its sender had
 *   acknowledged by then.
 * - When it had arrived is the time at which everything before it had been seen as well.
 */
import { seqDiff } from '../../base/seq.ts';
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
import { StreamResolver } from './stream-resolver.ts';

/** One direction of one session, cut into extents, each with when it was sent and had arrived. */
export class DatedStream {
  /** Extents: `count` rows of each column. Offsets count from `from`, once that has been cut. */
  count = 0;
  start = new Float64Array(0);
  bytes = new Uint32Array(0);
  offset = new Float64Array(0);
  /** Row of the segment that an extent is part of. */
  segment = new Uint32Array(0);
  sentNs = new Float64Array(0);
  arrivedNs = new Float64Array(0);
  /** What its sender had received of the other stream. */
  acked = new Float64Array(0);
  /** Octets of the stream. */
  endOffset = 0;
  /** Octets that were cut off at its beginning. */
  #from = 0;
  readonly #records: SessionRecords;
  readonly #resolver: StreamResolver;
  /** Of what was filled in: what it answers, and when; NaN for what was recorded. */
  #filledAck = new Float64Array(0);
  #filledNs = new Float64Array(0);
  /** End of the stream as it was recorded, and the sequence number there. */
  #recordedEnd = 0;
  #recordedEndSeq = 0;
  #shiftNs = 0;
  /** Row + 1 of the direction's first segment, or 0. */
  #firstSegment = 0;

  constructor(records: SessionRecords) {
    this.#records = records;
    this.#resolver = new StreamResolver(records);
  }

  /** The sequence number behind the last octet, as it was recorded. */
  get endSeq(): number {
    return this.#recordedEndSeq;
  }

  /**
   * Puts a direction of a session together. Its parts are not dated yet.
   * @param options.shiftNs what is taken off its times
   * @param options.fillBytes what the snap length cut off is filled with octets from the beginning
   * of the joined capture, so many at a time; 0: it is left out
   */
  resolve(
    session: number,
    direction: number,
    { shiftNs = 0, fillBytes = 0 }: { readonly shiftNs?: number; readonly fillBytes?: number } = {},
  ): void {
    this.#shiftNs = shiftNs;
    this.#from = 0;
    const detail = this.#records.sessions.u32[session * SESSION_WORDS + SessionWord.DETAIL];
    const first = (detail - 1) * DETAIL_WORDS + DetailWord.FIRST_SEGMENT + direction;
    this.#firstSegment = detail === 0 ? 0 : this.#records.details.u32[first];
    if (this.#takeInOrder(session, direction, (detail - 1) * DETAIL_WORDS)) return;
    const resolver = this.#resolver;
    resolver.resolve(session, direction, fillBytes > 0);
    this.count = 0;
    for (let i = 0; i < resolver.count; i++) this.#take(i, fillBytes);
    this.endOffset = resolver.endOffset;
    this.#recordedEnd = resolver.endOffset;
    this.#recordedEndSeq = resolver.endSeq;
  }

  /**
   * Takes a stream whose segments came one after the other, each of them whole: most do, and the resolver would only
   * hand them on.
   * @returns false where this is none
   */
  #takeInOrder(session: number, direction: number, detail: number): boolean {
    const { sessions, details, segments } = this.#records;
    const { DISORDERED_0, TRUNCATED_0, HAS_ISN_0 } = SessionFlag;
    const flags = sessions.u32[session * SESSION_WORDS + SessionWord.FLAGS] >>> direction;
    const hasIsnAlone = (flags & (DISORDERED_0 | TRUNCATED_0 | HAS_ISN_0)) === HAS_ISN_0;
    let next = this.#firstSegment;
    if (!hasIsnAlone || next === 0) return false;
    const words = segments.u32;
    const isn = details.u32[detail + DetailWord.ISN + direction];
    let end = 0;
    for (this.count = 0; next !== 0; ) {
      const row = next - 1;
      const at = row * SEGMENT_WORDS;
      const bytes = words[at + SegmentWord.BYTES];
      const isNext = words[at + SegmentWord.SEQ] === (isn + 1 + end) >>> 0;
      if (!isNext || bytes === 0 || words[at + SegmentWord.CAPTURED] !== bytes) return false;
      this.#append(end, bytes, segments.f64[(at >>> 1) + SegmentFloat.OFFSET], row);
      end += bytes;
      next = words[at + SegmentWord.NEXT];
    }
    this.endOffset = end;
    this.#recordedEnd = end;
    this.#recordedEndSeq = (isn + 1 + end) >>> 0;
    return true;
  }

  /** Takes an extent over from the resolver; what is not in the file of it is filled. */
  #take(i: number, fillBytes: number): void {
    const { start, bytes, offset, segment } = this.#resolver;
    const { u32: words, f64: floats } = this.#records.segments;
    const at = segment[i] * SEGMENT_WORDS;
    const captured = floats[(at >>> 1) + SegmentFloat.OFFSET] + words[at + SegmentWord.CAPTURED];
    const present = Math.max(0, Math.min(bytes[i], captured - offset[i]));
    if (present > 0) this.#append(start[i], present, offset[i], segment[i]);
    for (let done = present; done < bytes[i] && fillBytes > 0; done += fillBytes) {
      this.#append(start[i] + done, Math.min(fillBytes, bytes[i] - done), 0, segment[i]);
    }
  }

  /**
   * Says how long a stream was of which nothing was captured; `fill` it then.
   * @param endSeq sequence number behind its last octet
   * @param segment row of some segment of the session
   */
  expect(endOffset: number, endSeq: number, segment: number): void {
    this.endOffset = endOffset;
    this.#recordedEnd = endOffset;
    this.#recordedEndSeq = endSeq;
    this.#firstSegment = segment + 1;
  }

  /** Finds when each extent was sent and had arrived; `peer` has been resolved, and cut if it is. */
  date(peer: DatedStream): void {
    const floats = this.#records.segments.f64;
    let arrivedNs = 0;
    for (let i = 0; i < this.count; i++) {
      const at = this.segment[i] * SEGMENT_WORDS;
      const isFilled = !Number.isNaN(this.#filledAck[i]);
      const ns = isFilled
        ? this.#filledNs[i]
        : floats[(at >>> 1) + SegmentFloat.NS] - this.#shiftNs;
      arrivedNs = Math.max(arrivedNs, ns);
      this.arrivedNs[i] = arrivedNs;
      this.sentNs[i] = ns;
      this.acked[i] = isFilled ? this.#filledAck[i] : this.#ackedBy(at, peer);
    }
    for (let i = this.count - 2; i >= 0; i--) {
      this.sentNs[i] = Math.min(this.sentNs[i], this.sentNs[i + 1]);
      this.acked[i] = Math.min(this.acked[i], this.acked[i + 1]);
    }
  }

  /** Where sequence number `seq` lies in the stream, as it was recorded. */
  offsetOf(seq: number): number {
    // Counted from the end, so that streams beyond 2 GiB come out right.
    return this.#recordedEnd + seqDiff(seq, this.#recordedEndSeq);
  }

  /** Octets of this stream before sequence number `ack`, clipped to what there is of it. */
  receivedBy(ack: number): number {
    return Math.max(0, Math.min(this.endOffset, this.offsetOf(ack) - this.#from));
  }

  /** When the octet before `offset` had arrived; -Infinity for 0. */
  arrivalOf(offset: number): number {
    if (offset === 0 || this.count === 0) return Number.NEGATIVE_INFINITY;
    let low = 0;
    let high = this.count - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.start[middle] < offset) low = middle;
      else high = middle - 1;
    }
    return this.arrivedNs[low];
  }

  /** Octets that had arrived by a time. */
  arrivedBy(ns: number): number {
    let offset = 0;
    for (let i = 0; i < this.count && this.arrivedNs[i] <= ns; i++) {
      offset = this.start[i] + this.bytes[i];
    }
    return offset;
  }

  /** The first offset whose octet the capture does not have; the end when it has all of them. */
  firstMissing(): number {
    let reached = 0;
    for (let i = 0; i < this.count && this.start[i] === reached; i++) reached += this.bytes[i];
    return reached;
  }

  /** Keeps only `[from, to)` of the stream, which then begins at 0. */
  cut(from: number, to: number): void {
    let kept = 0;
    for (let i = 0; i < this.count; i++) {
      const start = Math.max(this.start[i], from);
      const end = Math.min(this.start[i] + this.bytes[i], to);
      if (end <= start) continue;
      this.offset[kept] = this.offset[i] + start - this.start[i];
      this.start[kept] = start - from;
      this.bytes[kept] = end - start;
      this.segment[kept++] = this.segment[i];
    }
    this.count = kept;
    this.#from += from;
    this.endOffset = Math.max(0, Math.min(this.endOffset, to) - from);
  }

  /**
   * Fills holes of what a server said with octets from the beginning of the joined capture: only
   * their number is meant. When they were said is told by the client, who had received so much of
   * them when it spoke next: so they answer all that it had said before.
   * @param client dated; `date` this stream afterwards
   * @param fillBytes so many octets there are, again and again
   */
  fill(client: DatedStream, fillBytes: number): void {
    const { count } = this;
    const start = this.start.slice(0, count);
    const bytes = this.bytes.slice(0, count);
    const offset = this.offset.slice(0, count);
    const segment = this.segment.slice(0, count);
    this.count = 0;
    let reached = 0;
    for (let i = 0; i <= count; i++) {
      const next = i < count ? start[i] : this.endOffset;
      // Of some streams nothing at all is there, though it is known that something was.
      const near = count === 0 ? this.#firstSegment - 1 : segment[Math.min(i, count - 1)];
      if (near >= 0) this.#fillGap(reached, next, near, client, fillBytes);
      if (i === count) return;
      this.#append(start[i], bytes[i], offset[i], segment[i]);
      reached = start[i] + bytes[i];
    }
  }

  #fillGap(
    from: number,
    to: number,
    segment: number,
    client: DatedStream,
    fillBytes: number,
  ): void {
    let turn = 0;
    for (let at = from; at < to; ) {
      while (turn < client.count && client.acked[turn] <= at) turn++;
      const isLast = turn === client.count;
      const said = isLast ? client.endOffset : client.start[turn];
      const limit = isLast ? to : Math.min(to, client.acked[turn]);
      const missing = Math.min(fillBytes, limit - at);
      this.#append(at, missing, 0, segment);
      this.#filledAck[this.count - 1] = said;
      this.#filledNs[this.count - 1] = Math.max(0, client.arrivalOf(said));
      at += missing;
    }
  }

  #append(start: number, bytes: number, offset: number, segment: number): void {
    this.#reserve(this.count + 1);
    this.start[this.count] = start;
    this.bytes[this.count] = bytes;
    this.offset[this.count] = offset;
    this.#filledAck[this.count] = Number.NaN;
    this.segment[this.count++] = segment;
  }

  /** What the segment at word `at` acknowledges of the other stream. */
  #ackedBy(at: number, peer: DatedStream): number {
    const words = this.#records.segments.u32;
    if ((words[at + SegmentWord.FLAGS] & SegmentFlag.HAS_ACK) === 0) return 0;
    return peer.receivedBy(words[at + SegmentWord.ACK]);
  }

  #reserve(count: number): void {
    if (this.start.length >= count) return;
    const capacity = Math.max(64, count * 2);
    this.start = grown(this.start, new Float64Array(capacity));
    this.bytes = grown(this.bytes, new Uint32Array(capacity));
    this.offset = grown(this.offset, new Float64Array(capacity));
    this.segment = grown(this.segment, new Uint32Array(capacity));
    this.sentNs = new Float64Array(capacity);
    this.arrivedNs = new Float64Array(capacity);
    this.acked = new Float64Array(capacity);
    this.#filledAck = grown(this.#filledAck, new Float64Array(capacity).fill(Number.NaN));
    this.#filledNs = grown(this.#filledNs, new Float64Array(capacity));
  }
}

function grown<T extends Float64Array | Uint32Array>(old: T, into: T): T {
  into.set(old);
  return into;
}
