/**
 * Stamped packets on their way from one thread to another: a ring in shared memory with one writer
 * and one reader, bounded, in which records have the length they need.
 *
 *     record: 0 seconds (32) | 4 nanoseconds (32) | 8 octets that follow (16) | 10 the octets
 *
 * All in network order and without padding, which is the form that the channel sends them in, so
 * that what lies in the ring side by side can be sent as it lies. A record never runs over the
 * ring's end: one that does not fit there begins at the start, behind it a length of 0xffff (or too
 * few octets for a header) says so.
 *
 * What does not fit at all is dropped and counted: the writer never waits for the reader.
 *
 * Waking: the reader sleeps on something else (a descriptor, a message). `needsWake` tells the
 * writer, after it has written, whether the reader must be woken; `beginWait` tells the reader,
 * which has found the ring empty, to look once more because a wake-up may be on its way.
 */
import { assert } from './assert.ts';

/** Octets before a record's own: its stamp and its length. */
export const RECORD_HEADER_BYTES = 10;
/** The length that says: go on at the start. */
const WRAPPED = 0xffff;
/** The most octets that a record can hold. */
export const RECORD_BYTES_MAX = WRAPPED - 1;

const HEAD = 0;
const TAIL = 1;
const SIGNAL = 2;
const DROPPED = 3;
/** A line of the processor's cache and more, so that the words do not share one with the records. */
const CONTROL_BYTES = 128;

/** Memory for a ring of about `bytes` octets of records, to be posted to both threads. */
export const createRecordRing = (bytes: number): SharedArrayBuffer =>
  new SharedArrayBuffer(CONTROL_BYTES + Math.max(bytes, 2 * RECORD_BYTES_MAX));

/** One thread's end of a ring. */
export class RecordRing {
  /** The records; positions are in octets from its start. */
  readonly data: DataView<SharedArrayBuffer>;
  readonly #octets: Uint8Array<SharedArrayBuffer>;
  readonly #control: Int32Array<SharedArrayBuffer>;
  readonly #capacity: number;

  constructor(memory: SharedArrayBuffer) {
    this.#control = new Int32Array(memory, 0, CONTROL_BYTES / 4);
    this.data = new DataView(memory, CONTROL_BYTES);
    this.#octets = new Uint8Array(memory, CONTROL_BYTES);
    this.#capacity = memory.byteLength - CONTROL_BYTES;
  }

  // ---- the writer's end -------------------------------------------------------------------

  /**
   * Copies a record in.
   * @param bytes at most `RECORD_BYTES_MAX`
   * @returns false when there was no room for it: it is counted as dropped
   */
  push(
    seconds: number,
    nanoseconds: number,
    from: DataView,
    start: number,
    bytes: number,
  ): boolean {
    const at = this.#roomFor(RECORD_HEADER_BYTES + bytes);
    if (at < 0) {
      Atomics.add(this.#control, DROPPED, 1);
      return false;
    }
    const { data } = this;
    data.setUint32(at, seconds);
    data.setUint32(at + 4, nanoseconds);
    data.setUint16(at + 8, bytes);
    copyOctets(from, start, data, at + RECORD_HEADER_BYTES, bytes);
    const end = at + RECORD_HEADER_BYTES + bytes;
    Atomics.store(this.#control, HEAD, end === this.#capacity ? 0 : end);
    return true;
  }

  /** Whether the reader has to be woken; to be asked after records were pushed. */
  needsWake(): boolean {
    return Atomics.exchange(this.#control, SIGNAL, 1) === 0;
  }

  // ---- the reader's end -------------------------------------------------------------------

  /** Where the oldest record begins, or -1 when there is none. */
  oldest(): number {
    const tail = Atomics.load(this.#control, TAIL);
    if (tail === Atomics.load(this.#control, HEAD)) return -1;
    return this.#skipWrap(tail);
  }

  /**
   * Gives the oldest record's room back, and those before it.
   * @param at as `oldest` returned it
   * @returns where the next one begins, or -1
   */
  release(at: number): number {
    const end = at + RECORD_HEADER_BYTES + this.data.getUint16(at + 8);
    Atomics.store(this.#control, TAIL, end === this.#capacity ? 0 : end);
    return this.oldest();
  }

  /**
   * Moves whole records, oldest first, to `into` from `at`, as many as fit.
   * @returns octets moved
   */
  take(into: Uint8Array, at: number): number {
    const head = Atomics.load(this.#control, HEAD);
    let tail = Atomics.load(this.#control, TAIL);
    let moved = 0;
    while (tail !== head) {
      const start = this.#skipWrap(tail);
      const bytes = this.#runOf(start, head, into.length - at - moved);
      if (bytes === 0) break;
      into.set(this.#octets.subarray(start, start + bytes), at + moved);
      moved += bytes;
      tail = start + bytes === this.#capacity ? 0 : start + bytes;
    }
    if (moved > 0) Atomics.store(this.#control, TAIL, tail);
    return moved;
  }

  /** Whether the writer has woken the reader since the last `beginWait`. */
  get isSignalled(): boolean {
    return Atomics.load(this.#control, SIGNAL) !== 0;
  }

  /**
   * The reader has found the ring empty and taken the wake-up, if one was there; from now on the
   * next record brings another. Afterwards it must look at the ring once more.
   */
  beginWait(): void {
    Atomics.store(this.#control, SIGNAL, 0);
  }

  // ---- both ends --------------------------------------------------------------------------

  /** Whether records take a quarter of the room. */
  get isQuarterFull(): boolean {
    const bytes = Atomics.load(this.#control, HEAD) - Atomics.load(this.#control, TAIL);
    return (bytes < 0 ? bytes + this.#capacity : bytes) >= this.#capacity >>> 2;
  }

  /** Records that found no room since the ring was made, modulo 2^32. */
  get dropped(): number {
    return Atomics.load(this.#control, DROPPED) >>> 0;
  }

  /** Where `bytes` octets in one piece can be written, or -1. Head never catches up with tail. */
  #roomFor(bytes: number): number {
    const head = Atomics.load(this.#control, HEAD);
    const tail = Atomics.load(this.#control, TAIL);
    if (head < tail) return head + bytes < tail ? head : -1;
    const left = this.#capacity - head;
    if (bytes < left || (bytes === left && tail > 0)) return head;
    if (bytes >= tail) return -1;
    if (left >= RECORD_HEADER_BYTES) this.data.setUint16(head + 8, WRAPPED);
    return 0;
  }

  #skipWrap(at: number): number {
    if (this.#capacity - at < RECORD_HEADER_BYTES) return 0;
    return this.data.getUint16(at + 8) === WRAPPED ? 0 : at;
  }

  /** Octets of the whole records from `start` that lie side by side, at most `limit`. */
  #runOf(start: number, head: number, limit: number): number {
    const { data } = this;
    let at = start;
    while (at !== head && this.#capacity - at >= RECORD_HEADER_BYTES) {
      const bytes = data.getUint16(at + 8);
      if (bytes === WRAPPED) break;
      const end = at + RECORD_HEADER_BYTES + bytes;
      if (end - start > limit) break;
      at = end;
    }
    assert(at <= this.#capacity, 'records end within the ring');
    return at - start;
  }
}

/** Word by word: a `subarray` a record costs more than the copy of its hundred octets. */
function copyOctets(from: DataView, start: number, to: DataView, at: number, bytes: number): void {
  const whole = bytes & ~3;
  for (let i = 0; i < whole; i += 4) to.setUint32(at + i, from.getUint32(start + i));
  for (let i = whole; i < bytes; i++) to.setUint8(at + i, from.getUint8(start + i));
}
