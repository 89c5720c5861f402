/**
 * The part of a file that a reader looks at: octets are added at the end, read from the start.
 *
 * The memory stays the same for the window's whole life, so that the hot loop meets one DataView.
 * What was read is forgotten when room is needed; `skip` may run past what is there, and then the
 * octets in between are never asked for.
 */

/** Large enough that system calls do not show, small enough to stay in the processor's cache. */
export const WINDOW_BYTES = 1 << 20;

/**
 * The part of a file that is in memory: readers consume it from the front, whoever reads the file
 * fills it.
 */
export class OctetWindow {
  readonly bytes: Uint8Array;
  readonly data: DataView;
  /** Unread octets are `bytes[start .. end)`. */
  start = 0;
  end = 0;
  /** Where `bytes[0]` lies in the file. */
  base = 0;
  /** Length of the file, where it is known. */
  fileBytes = Number.POSITIVE_INFINITY;

  constructor(capacity: number = WINDOW_BYTES) {
    const memory = new ArrayBuffer(capacity);
    this.bytes = new Uint8Array(memory);
    this.data = new DataView(memory);
  }

  /** Where the first unread octet lies in the file. */
  get offset(): number {
    return this.base + this.start;
  }

  /** Where in the file the octets lie that are to be added next. */
  get nextOffset(): number {
    return this.base + this.end;
  }

  /** Room for what comes next: fill it from its start, then say `added`. */
  room(): Uint8Array {
    if (this.start > 0) {
      this.bytes.copyWithin(0, this.start, this.end);
      this.base += this.start;
      this.end -= this.start;
      this.start = 0;
    }
    return this.bytes.subarray(this.end);
  }

  added(count: number): void {
    this.end += count;
  }

  /** Takes `count` octets as read, whether they are there yet or not. */
  skip(count: number): void {
    const unread = this.end - this.start;
    if (count <= unread) {
      this.start += count;
      return;
    }
    this.base = this.offset + count;
    this.start = 0;
    this.end = 0;
  }
}
