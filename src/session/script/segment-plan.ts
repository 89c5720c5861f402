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

/** A plan's columns, for threads to share: a row a segment, and of `first` and `last` a row a session. */
export interface SegmentColumns {
  readonly sendMss: number;
  readonly first: Uint32Array<SharedArrayBuffer>;
  readonly last: Uint32Array<SharedArrayBuffer>;
  readonly segmentStart: Uint32Array<SharedArrayBuffer>;
  readonly segmentEnd: Uint32Array<SharedArrayBuffer>;
  readonly segmentSum: Uint16Array<SharedArrayBuffer>;
  readonly segmentExtent: Uint32Array<SharedArrayBuffer>;
}

/** The cuts of one direction of all sessions, for one segment size; a segment is a row. */
export class SegmentPlan {
  /** Stream offset of each segment's first octet, and just past its last. */
  segmentStart: Uint32Array;
  segmentEnd: Uint32Array;
  /** Sum of its octets as `sumOctets` gives it. */
  segmentSum: Uint16Array;
  /** Row of the extent in which it begins. */
  segmentExtent: Uint32Array;

  readonly #stream: StreamView;
  readonly #sendMss: number;
  #first: Uint32Array;
  #last: Uint32Array;
  #segments: number;
  /** Whether other threads read the columns as well: then they are copied before they grow. */
  #isShared: boolean;

  /**
   * @param stream is read when a session is cut, which no walk of it may be under way for
   * @param shared what has been cut already, for this segment size
   */
  constructor(
    stream: StreamView,
    sessions: number,
    sendMss: number,
    shared: SegmentColumns | null = null,
  ) {
    this.#stream = stream;
    this.#sendMss = sendMss;
    this.#isShared = shared !== null;
    this.#first = shared?.first ?? new Uint32Array(sessions).fill(NOT_PLANNED);
    this.#last = shared?.last ?? new Uint32Array(sessions);
    this.segmentStart = shared?.segmentStart ?? new Uint32Array(0);
    this.segmentEnd = shared?.segmentEnd ?? new Uint32Array(0);
    this.segmentSum = shared?.segmentSum ?? new Uint16Array(0);
    this.segmentExtent = shared?.segmentExtent ?? new Uint32Array(0);
    this.#segments = this.segmentStart.length;
  }

  /** What has been cut so far, in memory that threads share. */
  toShared(): SegmentColumns {
    const segments = this.#segments;
    return {
      sendMss: this.#sendMss,
      first: sharedWords(this.#first),
      last: sharedWords(this.#last),
      segmentStart: sharedWords(this.segmentStart.subarray(0, segments)),
      segmentEnd: sharedWords(this.segmentEnd.subarray(0, segments)),
      segmentSum: sharedHalves(this.segmentSum.subarray(0, segments)),
      segmentExtent: sharedWords(this.segmentExtent.subarray(0, segments)),
    };
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
    if (this.#isShared) this.#unshare();
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

  #unshare(): void {
    this.#isShared = false;
    this.#first = Uint32Array.from(this.#first);
    this.#last = Uint32Array.from(this.#last);
    this.#grow(Math.max(64, this.#segments * 2));
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

function sharedWords(words: Uint32Array): Uint32Array<SharedArrayBuffer> {
  const shared = new Uint32Array(new SharedArrayBuffer(words.byteLength));
  shared.set(words);
  return shared;
}

function sharedHalves(halves: Uint16Array): Uint16Array<SharedArrayBuffer> {
  const shared = new Uint16Array(new SharedArrayBuffer(halves.byteLength));
  shared.set(halves);
  return shared;
}
