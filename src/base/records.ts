/**
 * A growing table of fixed-size records in one piece of memory.
 *
 * A record is `words` 32-bit words; an even pair of words can also be read as one 64-bit float.
 * Fields of one record lie side by side, so that a look at several of them costs one cache line;
 * a column a field would cost one line each, which is what a random walk over a million records
 * pays for.
 */
import { assert } from './assert.ts';

/** A first table smaller than this would grow again at once. */
const CAPACITY_MIN = 1024;

/** A table of records of `words` 32-bit words each; it grows as they are added. */
export class Records {
  /** Words of record `i` begin at `i * words`. Replaced when the table grows: do not keep it. */
  u32: Uint32Array;
  /** The same memory: 64-bit float `k` of record `i` is at `i * words / 2 + k`. */
  f64: Float64Array;
  count = 0;
  readonly words: number;
  #capacity: number;

  /**
   * @param words an even number of 32-bit words a record
   * @param expected how many records are likely; memory not written to is not resident
   */
  constructor(words: number, expected = CAPACITY_MIN) {
    assert(words % 2 === 0, 'a record is an even number of words');
    this.words = words;
    this.#capacity = Math.max(CAPACITY_MIN, Math.ceil(expected));
    this.f64 = new Float64Array((this.#capacity * words) / 2);
    this.u32 = new Uint32Array(this.f64.buffer);
  }

  /** Adds a record of zeros and returns its row. */
  append(): number {
    if (this.count === this.#capacity) this.#grow();
    // A page that is read before it is written to is granted twice, and every thread is told of it.
    this.u32[(this.count + 1) * this.words - 1] = 0;
    return this.count++;
  }

  /** What is in use: a view, valid until the table grows. */
  get used(): Uint32Array {
    return this.u32.subarray(0, this.count * this.words);
  }

  /**
   * Takes over records that were saved: `count * words` words from octet `from` of `memory`, a multiple
   * of eight. They are not copied.
   */
  adopt(memory: ArrayBufferLike, count: number, from = 0): void {
    const words = count * this.words;
    assert(memory.byteLength >= from + words * 4, 'the memory holds the records');
    this.f64 = new Float64Array(memory, from, words / 2);
    this.u32 = new Uint32Array(memory, from, words);
    this.count = count;
    this.#capacity = count;
  }

  /** Octets of memory in use. */
  get bytes(): number {
    return this.count * this.words * Uint32Array.BYTES_PER_ELEMENT;
  }

  #grow(): void {
    this.#capacity = Math.max(CAPACITY_MIN, this.#capacity * 2);
    const grown = new Float64Array((this.#capacity * this.words) / 2);
    grown.set(this.f64);
    this.f64 = grown;
    this.u32 = new Uint32Array(grown.buffer);
  }
}
