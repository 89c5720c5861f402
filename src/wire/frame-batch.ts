/**
 * A batch of frames on their way out.
 *
 * A frame is a header slot (link, IP and TCP header, written by us) followed by extents of the
 * joined capture (payload, never copied here: the sender points the kernel at the mapped file), or of
 * the arena.
 *
 * Frame `i` is `headers[i * HEADER_SLOT_BYTES ..+ headerBytes[i]]`, then `extentCount[i]` extents
 * whose columns begin at `i * EXTENTS_PER_FRAME`.
 */

/** Ethernet with one tag (18) + IPv6 (40) + TCP with all options (60) = 118, rounded up. */
export const HEADER_SLOT_BYTES = 128;

/** More pieces of the capture than this and a segment is cut shorter: keeps the iovecs bounded. */
export const EXTENTS_PER_FRAME = 6;

/**
 * Extents from here on lie in the sender's arena, where what is written during the run is kept: so many
 * octets from its start. No capture is as long.
 */
export const ARENA_BASE = 2 ** 52;

/** Frames that wait to be sent: a header slot and a few extents of the joined capture each. */
export class FrameBatch {
  readonly capacity: number;
  /** All header slots; the caller may pass memory that the kernel can be pointed at. */
  readonly headers: Uint8Array;
  readonly headerData: DataView;
  readonly headerBytes: Uint16Array;
  readonly extentCount: Uint8Array;
  /** Where an extent begins, in octets from the start of the joined capture, or from ARENA_BASE on. */
  readonly extentOffset: Float64Array;
  readonly extentBytes: Uint32Array;
  /**
   * When the first frame was handed over by the last flush, in ns since the start of the run. That, and with
   * `laterNs` that of any frame, is just before it left, so that no reply is older.
   */
  firstNs = -0;
  /**
   * How much later than the first frame each was handed over by the last flush, in ns: a sender that hands
   * all over at once leaves it 0.
   */
  readonly laterNs: Float64Array;
  /** Frames written so far; the sender sets it back to 0. */
  count = 0;

  constructor(
    capacity: number,
    memory: ArrayBuffer = new ArrayBuffer(capacity * HEADER_SLOT_BYTES),
  ) {
    this.capacity = capacity;
    this.headers = new Uint8Array(memory, 0, capacity * HEADER_SLOT_BYTES);
    this.headerData = new DataView(memory, 0, capacity * HEADER_SLOT_BYTES);
    this.headerBytes = new Uint16Array(capacity);
    this.extentCount = new Uint8Array(capacity);
    this.extentOffset = new Float64Array(capacity * EXTENTS_PER_FRAME);
    this.extentBytes = new Uint32Array(capacity * EXTENTS_PER_FRAME);
    this.laterNs = new Float64Array(capacity);
  }
}
