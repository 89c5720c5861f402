/**
 * Pages of the joined capture, kept for reading octets again and again.
 *
 * A read of the capture is a system call; the embedded target looks at every payload octet of every
 * packet, so it keeps the pages it has read in a direct-mapped cache of fixed size. Files lie page
 * by page in the joined capture, so a page belongs to one file.
 *
 * Pages, scratch room for one packet's payload, and the slot in which replies are handed over lie
 * in one array: octets move between them by `copyWithin`, without a view made for each packet.
 */
import { WHOLE_PACKET_BYTES } from '../base/prefix-bytes.ts';
import type { Scripts } from '../session/script/scripts.ts';
import type { StreamView } from '../session/script/stream-view.ts';
import type { CaptureBytes } from '../transport/ports.ts';
import { sumOctets } from '../wire/checksum.ts';
import { ARENA_BASE } from '../wire/frame-batch.ts';

/** IPv6 (40), TCP with all options (60) and the octets of payload that are handed over. */
export const REPLY_SLOT_BYTES = 100 + WHOLE_PACKET_BYTES;
const SCRATCH_AT = REPLY_SLOT_BYTES;
/** No IP packet has more payload. */
const SCRATCH_BYTES = 0x1_0000;
const PAGES_AT = SCRATCH_AT + SCRATCH_BYTES;
const PAGE_BYTES = 4096;
/** 32 MiB: what a busy capture's sessions are read from, over and over. */
const PAGES_MAX = 8192;
const NO_PAGE = -1;

/** A direct-mapped cache of the joined capture's pages, with room for a packet and for a reply. */
export class CaptureCache {
  /** The reply slot is at its start. */
  readonly memory: Uint8Array;
  /** The same octets, for the whole life of the cache. */
  readonly data: DataView;
  readonly #capture: CaptureBytes;
  readonly #files: Scripts['files'];
  /** Which page of the joined capture each slot holds. */
  readonly #pageOfSlot: Float64Array;
  readonly #slotMask: number;

  constructor(capture: CaptureBytes, files: Scripts['files']) {
    this.#capture = capture;
    this.#files = files;
    const lastEnd = files.reduce((end, file) => Math.max(end, file.base + file.bytes), 1);
    const slots = Math.min(PAGES_MAX, 2 ** Math.ceil(Math.log2(Math.ceil(lastEnd / PAGE_BYTES))));
    this.#pageOfSlot = new Float64Array(slots).fill(NO_PAGE);
    this.#slotMask = slots - 1;
    const buffer = new ArrayBuffer(PAGES_AT + slots * PAGE_BYTES);
    this.memory = new Uint8Array(buffer);
    this.data = new DataView(buffer);
  }

  /**
   * Fills `memory` from `to` with `bytes` octets of the joined capture, or of an arena, from `offset`; octets that
   * lie in no file are zero.
   * @throws ReplayError as CaptureBytes.read does
   */
  copy(offset: number, bytes: number, to: number): void {
    if (offset >= ARENA_BASE) {
      // What is written during the run is another thing each time.
      this.#capture.read(offset, this.memory.subarray(to, to + bytes));
      return;
    }
    let done = 0;
    while (done < bytes) {
      const at = this.#place(offset + done);
      const piece = Math.min(bytes - done, PAGE_BYTES - ((offset + done) % PAGE_BYTES));
      this.memory.copyWithin(to + done, at, at + piece);
      done += piece;
    }
  }

  /** As `copy`, into the scratch room, from `position` of the packet's payload. */
  gather(offset: number, bytes: number, position: number): void {
    this.copy(offset, bytes, SCRATCH_AT + position);
  }

  /** Sum (16 bits) of the first `bytes` octets of the scratch room. */
  sumScratch(bytes: number): number {
    return sumOctets(this.memory, SCRATCH_AT, SCRATCH_AT + bytes);
  }

  /**
   * How many octets of the scratch room, `from` up to `to`, are not those of a session's stream
   * from `streamOffset`; octets past the stream's end are all wrong.
   */
  mismatches(
    stream: StreamView,
    session: number,
    streamOffset: number,
    from: number,
    to: number,
  ): number {
    let wrong = 0;
    let at = from;
    const end = Math.min(streamOffset + to - from, stream.bytesOf(session));
    stream.seek(stream.extentAt(session, streamOffset), streamOffset, end);
    while (stream.next()) {
      wrong += this.#compare(stream.offset, stream.bytes, SCRATCH_AT + at);
      at += stream.bytes;
    }
    return wrong + to - at;
  }

  /** As `copy`, from a session's stream; the caller stays within the stream. */
  copyStream(stream: StreamView, session: number, offset: number, bytes: number, to: number) {
    let done = 0;
    stream.seek(stream.extentAt(session, offset), offset, offset + bytes);
    while (stream.next()) {
      this.copy(stream.offset, stream.bytes, to + done);
      done += stream.bytes;
    }
  }

  /** How many of the `bytes` octets of the capture from `offset` differ from those at `other`. */
  #compare(offset: number, bytes: number, other: number): number {
    let wrong = 0;
    let done = 0;
    while (done < bytes) {
      const at = this.#place(offset + done);
      const piece = Math.min(bytes - done, PAGE_BYTES - ((offset + done) % PAGE_BYTES));
      wrong += this.#compareRun(at, other + done, piece);
      done += piece;
    }
    return wrong;
  }

  /** How many octets of two runs in `memory` differ: eight at a time while they do not. */
  #compareRun(at: number, other: number, bytes: number): number {
    const { data, memory } = this;
    const shift = other - at;
    const end = at + bytes;
    let wrong = 0;
    let i = at;
    while (i < end) {
      while (
        i + 8 <= end &&
        data.getInt32(i) === data.getInt32(i + shift) &&
        data.getInt32(i + 4) === data.getInt32(i + 4 + shift)
      ) {
        i += 8;
      }
      for (const stop = Math.min(i + 8, end); i < stop; i++) {
        if (memory[i] !== memory[i + shift]) wrong++;
      }
    }
    return wrong;
  }

  /** Where in `memory` the octet at `offset` is now; good until the next call. */
  #place(offset: number): number {
    const page = Math.floor(offset / PAGE_BYTES);
    const slot = page & this.#slotMask;
    if (this.#pageOfSlot[slot] !== page) this.#load(page, slot);
    return PAGES_AT + slot * PAGE_BYTES + (offset - page * PAGE_BYTES);
  }

  #load(page: number, slot: number): void {
    const at = PAGES_AT + slot * PAGE_BYTES;
    const offset = page * PAGE_BYTES;
    this.#pageOfSlot[slot] = NO_PAGE;
    const file = this.#files.find(({ base, bytes }) => offset >= base && offset < base + bytes);
    const bytes = file === undefined ? 0 : Math.min(PAGE_BYTES, file.base + file.bytes - offset);
    if (bytes > 0) this.#capture.read(offset, this.memory.subarray(at, at + bytes));
    this.memory.fill(0, at + bytes, at + PAGE_BYTES);
    this.#pageOfSlot[slot] = page;
  }
}
