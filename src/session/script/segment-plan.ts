/**
 * Where each session's client stream is cut into segments, and the checksum of each piece.
 *
 * Cuts depend only on the session and on the peer's segment size, so they are made once for all
 * users: at message boundaries, every `sendMss` octets, and where a piece would need more extents
 * than a frame can take. The octets are read once, for their checksums; after that a frame costs no
 * look at its payload.
 */
import { EXTENTS_PER_FRAME } from '../../wire/frame-batch.ts';
import type { StreamView } from './stream-view.ts';

const NOT_PLANNED = 0xffff_ffff;

/** The cuts of one direction of all sessions, for one segment size; a segment is a row. */
export class SegmentPlan {
  /** Stream offset of each segment's first octet, and just past its last. */
  segmentStart = new Uint32Array(0);
  segmentEnd = new Uint32Array(0);
  /** Sum of its octets as `sumOctets` gives it. */
  segmentSum = new Uint16Array(0);
  /** Row of the extent in which it begins. */
  segmentExtent = new Uint32Array(0);

  readonly #stream: StreamView;
  readonly #sendMss: number;
  readonly #first: Uint32Array;
  readonly #last: Uint32Array;
  #segments = 0;

  /** @param stream is read when a session is cut, which no walk of it may be under way for */
  constructor(stream: StreamView, sessions: number, sendMss: number) {
    this.#stream = stream;
    this.#sendMss = sendMss;
    this.#first = new Uint32Array(sessions).fill(NOT_PLANNED);
    this.#last = new Uint32Array(sessions);
  }

  /** Row of the segment that holds stream octet `offset` of a session (which must exist). */
  find(session: number, offset: number): number {
    if (this.#first[session] === NOT_PLANNED) this.prepare(session);
    let low = this.#first[session];
    let high = this.#last[session];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.segmentEnd[middle] <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Cut a session's stream now; `find` does it when it has not been done. */
  prepare(session: number): void {
    if (this.#first[session] !== NOT_PLANNED) return;
    const stream = this.#stream;
    const { firstMessage, messageEnd, firstExtent } = stream.columns;
    this.#first[session] = this.#segments;
    let extent = firstExtent[session];
    let start = 0;
    for (let row = firstMessage[session]; row < firstMessage[session + 1]; row++) {
      while (start < messageEnd[row]) {
        extent = stream.extentFrom(extent, start);
        const end = this.#cut(extent, start, messageEnd[row]);
        this.#append(start, end, extent, stream.sum(extent, start, end));
        start = end;
      }
    }
    this.#last[session] = Math.max(this.#first[session], this.#segments - 1);
  }

  #cut(extent: number, start: number, limit: number): number {
    const lastExtent = extent + EXTENTS_PER_FRAME - 1;
    const wanted = Math.min(start + this.#sendMss, limit);
    let row = extent;
    while (this.#stream.extentEnd(row) < wanted && row < lastExtent) row++;
    return Math.min(this.#stream.extentEnd(row), wanted);
  }

  #append(start: number, end: number, extent: number, sum: number): void {
    const row = this.#segments++;
    if (row >= this.segmentStart.length) this.#grow(Math.max(64, row * 2));
    this.segmentStart[row] = start;
    this.segmentEnd[row] = end;
    this.segmentSum[row] = sum;
    this.segmentExtent[row] = extent;
  }

  #grow(rows: number): void {
    const segmentStart = new Uint32Array(rows);
    const segmentEnd = new Uint32Array(rows);
    const segmentSum = new Uint16Array(rows);
    const segmentExtent = new Uint32Array(rows);
    segmentStart.set(this.segmentStart);
    segmentEnd.set(this.segmentEnd);
    segmentSum.set(this.segmentSum);
    segmentExtent.set(this.segmentExtent);
    this.segmentStart = segmentStart;
    this.segmentEnd = segmentEnd;
    this.segmentSum = segmentSum;
    this.segmentExtent = segmentExtent;
  }
}
