/**
 * Puts one direction of a session together: which octets of the capture, in which order.
 *
 * Segments may be repeated, reordered, overlapping, or missing. The union of them is the stream;
 * of octets that came more than once the first copy counts, but for what may be padding, which
 * gives way to anything else in its place. A stream that came in order is taken as it is. Else the segments are sorted by where they begin, and a sweep over them keeps those
 * that cover the present position in a heap, earliest in the capture on top: n log n whatever the
 * file holds.
 *
 * Sequence numbers are unwrapped against the stream's highest end, so they may wrap any number of
 * times.
 */
import { seqAdd, seqDiff } from '../../base/seq.ts';
import {
  DETAIL_WORDS,
  DetailFloat,
  DetailWord,
  SEGMENT_WORDS,
  SESSION_WORDS,
  SegmentFlag,
  SegmentFloat,
  SegmentWord,
  SessionFlag,
  SessionFloat,
  type SessionRecords,
  SessionWord,
} from './session-records.ts';

const SCRATCH_MIN = 64;

/** In the heap: what may be padding lies below all else. */
const PADDING = 0x8000_0000;

/**
 * Whether a FIN or an acknowledgment shows that more was sent than the capture has.
 * @param endSeq sequence number behind the last octet of the stream
 */
export function isTailMissing(
  records: SessionRecords,
  session: number,
  direction: number,
  endSeq = endSeqOf(records, session, direction),
): boolean {
  const { sessions, details } = records;
  const flags = sessions.u32[session * SESSION_WORDS + SessionWord.FLAGS];
  const detail = (sessions.u32[session * SESSION_WORDS + SessionWord.DETAIL] - 1) * DETAIL_WORDS;
  const words = details.u32;
  const hasFin = (flags & (SessionFlag.FIN_0 << direction)) !== 0;
  const isEndedByRst = (flags & (SessionFlag.ENDED_BY_RST_0 << direction)) !== 0;
  const finSeq = words[detail + DetailWord.END_SEQ + direction];
  if (hasFin && !isEndedByRst && seqDiff(finSeq, endSeq) > 0) return true;
  if ((flags & (SessionFlag.HAS_UNA_0 << direction)) === 0) return false;
  return seqDiff(words[detail + DetailWord.UNA + direction], endSeq) > (hasFin ? 1 : 0);
}

function endSeqOf({ sessions, details }: SessionRecords, session: number, direction: number) {
  const detail = sessions.u32[session * SESSION_WORDS + SessionWord.DETAIL];
  return details.u32[(detail - 1) * DETAIL_WORDS + DetailWord.NXT + direction];
}

/** Resolves one direction of one session at a time; its columns hold until the next call. */
export class StreamResolver {
  /** Extents of the stream last resolved, in stream order, without overlap: `count` of each. */
  count = 0;
  /** Stream offset of the extent's first octet. */
  start = new Float64Array(SCRATCH_MIN);
  bytes = new Uint32Array(SCRATCH_MIN);
  /** Where it lies in the joined capture. */
  offset = new Float64Array(SCRATCH_MIN);
  /** Row of the segment that it is part of. */
  segment = new Uint32Array(SCRATCH_MIN);
  /** Octets of the stream as the IP headers declare them, each once. */
  uniqueBytes = 0;
  /** Where the stream ends: more than `uniqueBytes` when there is a hole. */
  endOffset = 0;
  /** The sequence number there. */
  endSeq = 0;
  /** No octet is declared for some part of the stream before its end. */
  hasHole = false;
  /** Every octet up to `endOffset` is in the file. */
  isWhole = true;

  readonly #records: SessionRecords;
  #isAsDeclared = false;
  /** Segments at hand: unwrapped start, declared end, captured end, row. */
  #count = 0;
  #from = new Float64Array(SCRATCH_MIN);
  #declaredEnd = new Float64Array(SCRATCH_MIN);
  #capturedEnd = new Float64Array(SCRATCH_MIN);
  #row = new Uint32Array(SCRATCH_MIN);
  #order = new Uint32Array(SCRATCH_MIN);
  /** Indices of segments, the smallest on top. */
  #heap = new Uint32Array(SCRATCH_MIN);
  #heapCount = 0;

  constructor(records: SessionRecords) {
    this.#records = records;
  }

  /**
   * Fills the fields for one direction of a session.
   * @param asDeclared also what the snap length cut off makes extents, whose octets are not there
   */
  resolve(session: number, direction: number, asDeclared = false): void {
    this.#isAsDeclared = asDeclared;
    this.count = 0;
    this.uniqueBytes = 0;
    this.endOffset = 0;
    this.hasHole = false;
    this.isWhole = true;
    this.endSeq = 0;
    const row = session * SESSION_WORDS;
    const detail = this.#records.sessions.u32[row + SessionWord.DETAIL];
    if (detail === 0) return;
    const flags = this.#records.sessions.u32[row + SessionWord.FLAGS];
    const isDisordered = (flags & (SessionFlag.DISORDERED_0 << direction)) !== 0;
    this.endSeq = endSeqOf(this.#records, session, direction);
    this.#collect((detail - 1) * DETAIL_WORDS, flags, direction);
    if (isDisordered) {
      this.#sweep((flags & (SessionFlag.HAS_ISN_0 << direction)) !== 0);
      this.#dropPadding(row, direction);
    } else this.#takeInOrder();
    this.#judge();
  }

  /** Payload of one direction, each octet once, without putting it together when it is in order. */
  measure(session: number, direction: number): number {
    const row = session * SESSION_WORDS;
    const words = this.#records.sessions.u32;
    const detail = words[row + SessionWord.DETAIL];
    if (detail === 0) return 0;
    if ((words[row + SessionWord.FLAGS] & (SessionFlag.DISORDERED_0 << direction)) !== 0) {
      this.resolve(session, direction);
      return this.uniqueBytes;
    }
    const half = ((detail - 1) * DETAIL_WORDS) >>> 1;
    return this.#records.details.f64[half + DetailFloat.UNIQUE_BYTES + direction];
  }

  #collect(detail: number, flags: number, direction: number): void {
    const details = this.#records.details.u32;
    const words = this.#records.segments.u32;
    this.#count = 0;
    let next = details[detail + DetailWord.FIRST_SEGMENT + direction];
    if (next === 0) return;
    const hasIsn = (flags & (SessionFlag.HAS_ISN_0 << direction)) !== 0;
    let highSeq = hasIsn
      ? details[detail + DetailWord.ISN + direction] + 1
      : words[(next - 1) * SEGMENT_WORDS + SegmentWord.SEQ];
    let high = 0;
    while (next !== 0) {
      const at = (next - 1) * SEGMENT_WORDS;
      const bytes = words[at + SegmentWord.BYTES];
      const from = high + seqDiff(words[at + SegmentWord.SEQ], highSeq);
      const captured = this.#isAsDeclared ? bytes : words[at + SegmentWord.CAPTURED];
      this.#push(next - 1, from, bytes, captured);
      if (from + bytes > high) {
        highSeq += from + bytes - high;
        high = from + bytes;
      }
      next = words[at + SegmentWord.NEXT];
    }
    this.endSeq = highSeq >>> 0;
  }

  #push(row: number, from: number, bytes: number, captured: number): void {
    if (this.#count === this.#from.length) this.#growSegments();
    const i = this.#count++;
    this.#from[i] = from;
    this.#declaredEnd[i] = from + bytes;
    this.#capturedEnd[i] = from + captured;
    this.#row[i] = row;
  }

  #takeInOrder(): void {
    for (let i = 0; i < this.#count; i++) this.#emit(i, this.#from[i], this.#capturedEnd[i], 0);
    this.endOffset = this.#count === 0 ? 0 : this.#declaredEnd[this.#count - 1];
    this.uniqueBytes = this.endOffset;
  }

  /** @param hasIsn the stream begins at 0, and what lies before is clipped; else with its lowest */
  #sweep(hasIsn: boolean): void {
    const order = this.#sorted();
    const origin = hasIsn ? 0 : this.#from[order[0]];
    this.#unite(order, origin);
    this.#heapCount = 0;
    let next = 0;
    let at = origin;
    while (next < order.length || this.#heapCount > 0) {
      if (this.#heapCount === 0) at = Math.max(at, this.#from[order[next]]);
      while (next < order.length && this.#from[order[next]] <= at) {
        const i = order[next++];
        this.#heapPush(this.#mayBePadding(this.#row[i]) ? (PADDING | i) >>> 0 : i);
      }
      const top = this.#heap[0] & ~PADDING;
      const end = this.#capturedEnd[top];
      if (end <= at) {
        this.#heapPop();
        continue;
      }
      const limit = next < order.length ? Math.min(end, this.#from[order[next]]) : end;
      this.#emit(top, at, limit, origin);
      at = limit;
    }
  }

  #mayBePadding(row: number): boolean {
    const flags = this.#records.segments.u32[row * SEGMENT_WORDS + SegmentWord.FLAGS];
    return (flags & SegmentFlag.MAY_BE_PADDING) !== 0;
  }

  /** Cuts off padding behind the last octet: its sender did not go on behind it. */
  #dropPadding(row: number, direction: number): void {
    for (; this.count > 0; this.count--) {
      const last = this.count - 1;
      const isPadding =
        this.#mayBePadding(this.segment[last]) &&
        this.start[last] + this.bytes[last] === this.endOffset &&
        this.#isPadding(last, row, direction);
      if (!isPadding) return;
      this.uniqueBytes -= this.bytes[last];
      this.endOffset = this.start[last];
      this.endSeq = seqAdd(this.endSeq, -this.bytes[last]);
    }
  }

  /** Whether the last extent was never sent: others took its place, the FIN has it, or nobody acknowledged it. */
  #isPadding(extent: number, row: number, direction: number): boolean {
    const { sessions, segments, details } = this.#records;
    const at = this.segment[extent] * SEGMENT_WORDS;
    const begin = segments.f64[(at >>> 1) + SegmentFloat.OFFSET];
    if (this.offset[extent] > begin) return true;
    const seq = segments.u32[at + SegmentWord.SEQ];
    const flags = sessions.u32[row + SessionWord.FLAGS];
    const detail = (sessions.u32[row + SessionWord.DETAIL] - 1) * DETAIL_WORDS;
    const hasFin = (flags & (SessionFlag.FIN_0 << direction)) !== 0;
    if (hasFin) return seqDiff(details.u32[detail + DetailWord.END_SEQ + direction], seq) <= 0;
    const isAcked =
      (flags & (SessionFlag.HAS_UNA_0 << direction)) !== 0 &&
      seqDiff(details.u32[detail + DetailWord.UNA + direction], seq) > 0;
    const lastNs = sessions.f64[(row >>> 1) + SessionFloat.LAST_NS];
    return !isAcked && segments.f64[(at >>> 1) + SegmentFloat.NS] < lastNs;
  }

  /** Indices of the segments by where they begin, then as they were captured. */
  #sorted(): Uint32Array {
    const order = this.#order.subarray(0, this.#count);
    for (let i = 0; i < order.length; i++) order[i] = i;
    const from = this.#from;
    return order.sort((a, b) => from[a] - from[b] || a - b);
  }

  /** Adds up the declared octets from `origin` on, and looks for holes among them. */
  #unite(order: Uint32Array, origin: number): void {
    let end = origin;
    for (const i of order) {
      if (this.#declaredEnd[i] <= end) continue;
      const from = Math.max(this.#from[i], end);
      if (from > end) this.hasHole = true;
      this.uniqueBytes += this.#declaredEnd[i] - from;
      end = this.#declaredEnd[i];
    }
    this.endOffset = end - origin;
  }

  /** Adds `[from, to)` of segment `i`, or prolongs the extent before when it goes on with it. */
  #emit(i: number, from: number, to: number, origin: number): void {
    if (to <= from) return;
    const last = this.count - 1;
    const row = this.#row[i];
    if (
      last >= 0 &&
      this.segment[last] === row &&
      this.start[last] + this.bytes[last] === from - origin
    ) {
      this.bytes[last] += to - from;
      return;
    }
    if (this.count === this.start.length) this.#growExtents();
    const at = (row * SEGMENT_WORDS) >>> 1;
    this.start[this.count] = from - origin;
    this.bytes[this.count] = to - from;
    this.offset[this.count] =
      this.#records.segments.f64[at + SegmentFloat.OFFSET] + from - this.#from[i];
    this.segment[this.count++] = row;
  }

  #judge(): void {
    let reached = 0;
    for (let i = 0; i < this.count; i++) {
      if (this.start[i] !== reached) this.isWhole = false;
      reached = this.start[i] + this.bytes[i];
    }
    if (reached !== this.endOffset) this.isWhole = false;
  }

  #heapPush(value: number): void {
    const heap = this.#heap;
    let at = this.#heapCount++;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (heap[parent] <= value) break;
      heap[at] = heap[parent];
      at = parent;
    }
    heap[at] = value;
  }

  #heapPop(): void {
    const heap = this.#heap;
    const count = --this.#heapCount;
    const value = heap[count];
    let at = 0;
    for (let child = 1; child < count; child = 2 * at + 1) {
      if (child + 1 < count && heap[child + 1] < heap[child]) child++;
      if (heap[child] >= value) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = value;
  }

  #growSegments(): void {
    const capacity = this.#from.length * 2;
    this.#from = grownFloats(this.#from, capacity);
    this.#declaredEnd = grownFloats(this.#declaredEnd, capacity);
    this.#capturedEnd = grownFloats(this.#capturedEnd, capacity);
    this.#row = grownWords(this.#row, capacity);
    this.#order = new Uint32Array(capacity);
    this.#heap = new Uint32Array(capacity);
  }

  #growExtents(): void {
    const capacity = this.start.length * 2;
    this.start = grownFloats(this.start, capacity);
    this.bytes = grownWords(this.bytes, capacity);
    this.offset = grownFloats(this.offset, capacity);
    this.segment = grownWords(this.segment, capacity);
  }
}

function grownFloats(old: Float64Array, capacity: number): Float64Array<ArrayBuffer> {
  const grown = new Float64Array(capacity);
  grown.set(old);
  return grown;
}

function grownWords(old: Uint32Array, capacity: number): Uint32Array<ArrayBuffer> {
  const grown = new Uint32Array(capacity);
  grown.set(old);
  return grown;
}
