/** Looks into a recorded stream for lines and headers, through a buffer of a few kilobytes. */
import type { StreamColumns } from './scripts.ts';

const BUFFER_BYTES = 16_384;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const NOTHING_BUFFERED = -1;

/** Some of a stream as text (one character an octet), and the offset just past it. */
export interface StreamPart {
  readonly text: string;
  readonly end: number;
}

export class StreamText {
  /** Of the session that is open. */
  bytes = 0;
  readonly #columns: StreamColumns;
  readonly #read: (offset: number, into: Uint8Array) => void;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  /** Stream offset of the buffer's first octet, and how many there are. */
  #bufferStart = NOTHING_BUFFERED;
  #buffered = 0;
  #firstExtent = 0;
  #lastExtent = 0;

  constructor(columns: StreamColumns, read: (offset: number, into: Uint8Array) => void) {
    this.#columns = columns;
    this.#read = read;
  }

  open(session: number): void {
    const { firstExtent, extentStart, extentBytes } = this.#columns;
    this.#firstExtent = firstExtent[session];
    this.#lastExtent = firstExtent[session + 1] - 1;
    const isEmpty = this.#lastExtent < this.#firstExtent;
    this.bytes = isEmpty ? 0 : extentStart[this.#lastExtent] + extentBytes[this.#lastExtent];
    this.#bufferStart = NOTHING_BUFFERED;
    this.#buffered = 0;
  }

  /** The octet at a stream offset below `bytes`. */
  octet(at: number): number {
    const isBuffered = at >= this.#bufferStart && at < this.#bufferStart + this.#buffered;
    if (this.#bufferStart === NOTHING_BUFFERED || !isBuffered) this.#fill(at);
    return this.#buffer[at - this.#bufferStart];
  }

  /** The line that begins at `start`, with its end; null where none ends within `limit` octets. */
  line(start: number, limit: number): StreamPart | null {
    const last = Math.min(this.bytes, start + limit);
    for (let at = start; at < last; at++) {
      if (this.octet(at) === LINE_FEED) return this.#part(start, at + 1);
    }
    return null;
  }

  /** The lines from `start` up to and with the first empty one; null where there is none. */
  header(start: number, limit: number): StreamPart | null {
    const last = Math.min(this.bytes, start + limit);
    let lineBytes = 0;
    for (let at = start; at < last; at++) {
      const octet = this.octet(at);
      if (octet === CARRIAGE_RETURN) continue;
      if (octet !== LINE_FEED) lineBytes++;
      else if (lineBytes === 0) return this.#part(start, at + 1);
      else lineBytes = 0;
    }
    return null;
  }

  #part(start: number, end: number): StreamPart {
    let text = '';
    for (let at = start; at < end; at++) text += String.fromCharCode(this.octet(at));
    return { text, end };
  }

  #fill(at: number): void {
    const { extentStart, extentBytes, extentOffset } = this.#columns;
    this.#bufferStart = at;
    this.#buffered = 0;
    let extent = this.#extentAt(at);
    while (extent <= this.#lastExtent && this.#buffered < BUFFER_BYTES) {
      const skip = at + this.#buffered - extentStart[extent];
      const bytes = Math.min(extentBytes[extent] - skip, BUFFER_BYTES - this.#buffered);
      const into = this.#buffer.subarray(this.#buffered, this.#buffered + bytes);
      this.#read(extentOffset[extent] + skip, into);
      this.#buffered += bytes;
      extent++;
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
