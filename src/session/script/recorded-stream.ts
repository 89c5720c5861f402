/** Reads a recorded stream, whose octets lie in extents of the joined capture. */
import type { StoredStream } from '../../protocol/message-ends.ts';
import type { ReadOctets } from './script-builder.ts';
import type { StreamColumns } from './scripts.ts';

export class RecordedStream implements StoredStream {
  /** Of the session that is open. */
  bytes = 0;
  readonly #columns: StreamColumns;
  readonly #read: ReadOctets;
  #firstExtent = 0;
  #lastExtent = 0;

  /** @param read fills `into` with octets of the joined capture from `offset` */
  constructor(columns: StreamColumns, read: ReadOctets) {
    this.#columns = columns;
    this.#read = read;
  }

  open(session: number): void {
    const { firstExtent, extentStart, extentBytes } = this.#columns;
    this.#firstExtent = firstExtent[session];
    this.#lastExtent = firstExtent[session + 1] - 1;
    const isEmpty = this.#lastExtent < this.#firstExtent;
    this.bytes = isEmpty ? 0 : extentStart[this.#lastExtent] + extentBytes[this.#lastExtent];
  }

  read(at: number, into: Uint8Array): void {
    const { extentStart, extentBytes, extentOffset } = this.#columns;
    let extent = this.#extentAt(at);
    for (let done = 0; done < into.length; extent++) {
      const skip = at + done - extentStart[extent];
      const bytes = Math.min(extentBytes[extent] - skip, into.length - done);
      this.#read(extentOffset[extent] + skip, into.subarray(done, done + bytes));
      done += bytes;
    }
  }

  /** Row of the extent that holds a stream offset. */
  #extentAt(at: number): number {
    const { extentStart } = this.#columns;
    let low = this.#firstExtent;
    let high = this.#lastExtent;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (extentStart[middle] <= at) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
