/**
 * One direction of the recorded sessions as octets: finds where in the joined capture a piece of a
 * session's stream lies, and reads it there.
 *
 * A stream lies in extents, runs of octets in the capture, in stream order without gap or overlap
 * (`StreamColumns`). The ranges of a piece are walked by a cursor that the view itself is, so that a
 * walk makes no object:
 *
 *     view.seek(view.extentAt(session, start), start, end);
 *     while (view.next()) use(view.offset, view.bytes);
 *
 * Whoever walks does not start another walk of the same view, nor read by it, before the end.
 */
import { foldSum, sumOctets } from '../../wire/checksum.ts';
import type { StreamColumns } from './scripts.ts';

/** Fills `into` with octets of the joined capture from `offset`. */
export type ReadOctets = (offset: number, into: Uint8Array) => void;

/** Octets and places of one direction of all sessions; offsets count from a stream's first octet, 0. */
export class StreamView {
  readonly columns: StreamColumns;
  /** Of the range that `next` came to: its first octet, from the start of the joined capture. */
  offset = 0;
  /** Of the range that `next` came to: how many octets it has, at least one. */
  bytes = 0;
  readonly #read: ReadOctets;
  /** Row of the extent that the next range lies in. */
  #extent = 0;
  /** Stream offset of the next range, and just past the last one. */
  #at = 0;
  #end = 0;
  #scratch = new Uint8Array(0);

  /** @param read is asked by `read` and `sum` only */
  constructor(columns: StreamColumns, read: ReadOctets) {
    this.columns = columns;
    this.#read = read;
  }

  /** How many octets a session's stream has. */
  bytesOf(session: number): number {
    const { firstExtent } = this.columns;
    const last = firstExtent[session + 1];
    return last === firstExtent[session] ? 0 : this.extentEnd(last - 1);
  }

  /** Stream offset just past an extent's last octet. */
  extentEnd(extent: number): number {
    return this.columns.extentStart[extent] + this.columns.extentBytes[extent];
  }

  /** Row of the extent that holds a session's octet `offset`; the row past its last without one. */
  extentAt(session: number, offset: number): number {
    const { firstExtent, extentStart, extentBytes } = this.columns;
    let low = firstExtent[session];
    let high = firstExtent[session + 1];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (extentStart[middle] + extentBytes[middle] <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** As `extentAt`, of an octet that is there, from an extent on that is known not to lie behind it. */
  extentFrom(extent: number, offset: number): number {
    const { extentStart, extentBytes } = this.columns;
    let row = extent;
    while (extentStart[row] + extentBytes[row] <= offset) row++;
    return row;
  }

  /**
   * Begins a walk over the ranges of the stream octets `[start, end)`, which the stream must have.
   * @param extent row of the extent that holds `start`
   */
  seek(extent: number, start: number, end: number): void {
    this.#extent = extent;
    this.#at = start;
    this.#end = end;
  }

  /** Goes to the next range, into `offset` and `bytes`; false when there is no more. */
  next(): boolean {
    const at = this.#at;
    // Asked this way round so that a walk past the last extent, where all is NaN, ends as well.
    if (!(at < this.#end)) return false;
    const { extentStart, extentBytes, extentOffset } = this.columns;
    const extent = this.#extent++;
    const skip = at - extentStart[extent];
    this.offset = extentOffset[extent] + skip;
    this.bytes = Math.min(extentBytes[extent] - skip, this.#end - at);
    this.#at = at + this.bytes;
    return true;
  }

  /**
   * Fills `into` with a session's octets from `start` on, as far as the stream has them.
   * @returns how many those were
   */
  read(session: number, start: number, into: Uint8Array): number {
    const bytes = Math.max(0, Math.min(into.length, this.bytesOf(session) - start));
    const room = bytes === into.length ? into : into.subarray(0, bytes);
    this.#fill(this.extentAt(session, start), start, room);
    return bytes;
  }

  /**
   * Of how many octets from `start` on the capture has what they were, up to `most`. What it lacks is filled with
   * octets from its beginning, where no payload lies.
   */
  knownFrom(session: number, start: number, most: number): number {
    const { firstExtent, extentOffset } = this.columns;
    const last = firstExtent[session + 1];
    let end = start;
    for (let extent = this.extentAt(session, start); extent < last; extent++) {
      if (extentOffset[extent] === 0 || end >= start + most) break;
      end = this.extentEnd(extent);
    }
    return Math.min(most, end - start);
  }

  /**
   * Sum (`sumOctets`) of the stream octets `[start, end)`, which the stream must have. It reads them
   * into memory of that size, which it keeps.
   * @param extent row of an extent that does not lie behind `start`
   */
  sum(extent: number, start: number, end: number): number {
    const bytes = end - start;
    if (this.#scratch.length < bytes) this.#scratch = new Uint8Array(bytes);
    this.#fill(this.extentFrom(extent, start), start, this.#scratch.subarray(0, bytes));
    return foldSum(sumOctets(this.#scratch, 0, bytes));
  }

  #fill(extent: number, start: number, into: Uint8Array): void {
    let done = 0;
    this.seek(extent, start, start + into.length);
    while (this.next()) {
      // A stored index may have been changed: from a gap on nothing is read, and nothing before the file.
      if (this.columns.extentStart[this.#extent - 1] > start + done) return;
      // Most streams lie in one piece.
      const isAll = this.bytes === into.length;
      this.#read(this.offset, isAll ? into : into.subarray(done, done + this.bytes));
      done += this.bytes;
    }
  }
}
