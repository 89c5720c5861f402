/**
 * Reads octets of the joined capture by way of blocks, for whoever reads nearly all of it once and
 * nearly in its order: a stream's extents are pieces of a kilobyte, and a read is a system call each.
 */
import type { Scripts } from './scripts.ts';
import type { ReadOctets } from './stream-view.ts';

const BLOCK_BYTES = 1 << 18;
/** Sessions that are open at the same time lie in one another: 16 MiB in all, or the whole capture. */
const BLOCKS_MAX = 64;
const NO_BLOCK = -1;

/** A direct-mapped cache: a block of the joined capture has one place. */
export class CaptureBlocks {
  readonly #read: ReadOctets;
  readonly #files: Scripts['files'];
  readonly #places: number;
  readonly #memory: Uint8Array;
  /** Which block each place holds, and which part of it there is in a file. */
  readonly #block: Float64Array;
  readonly #from: Float64Array;
  readonly #to: Float64Array;

  constructor(files: Scripts['files'], read: ReadOctets) {
    this.#files = files;
    this.#read = read;
    const end = Math.max(1, ...files.map(({ base, bytes }) => base + bytes));
    this.#places = Math.min(BLOCKS_MAX, Math.ceil(end / BLOCK_BYTES));
    this.#memory = new Uint8Array(this.#places * BLOCK_BYTES);
    this.#block = new Float64Array(this.#places).fill(NO_BLOCK);
    this.#from = new Float64Array(this.#places);
    this.#to = new Float64Array(this.#places);
  }

  /**
   * Fills `into` with octets of the joined capture from `offset`.
   * @throws ReplayError as the reader it is made of
   */
  read(offset: number, into: Uint8Array): void {
    for (let done = 0; done < into.length; ) {
      const at = offset + done;
      const place = this.#placeOf(at);
      const bytes = Math.min(into.length - done, this.#to[place] - at);
      if (bytes <= 0 || at < this.#from[place]) {
        // Of no file: whoever reads the files says so.
        this.#read(at, into.subarray(done));
        return;
      }
      const start = place * BLOCK_BYTES + (at - this.#block[place] * BLOCK_BYTES);
      into.set(this.#memory.subarray(start, start + bytes), done);
      done += bytes;
    }
  }

  #placeOf(at: number): number {
    const block = Math.floor(at / BLOCK_BYTES);
    const place = block % this.#places;
    const isHeld = this.#block[place] === block;
    if (!isHeld || at < this.#from[place] || at >= this.#to[place]) this.#load(block, place, at);
    return place;
  }

  /** Loads the part of a block that lies in the file of the octet at `at`. */
  #load(block: number, place: number, at: number): void {
    const start = block * BLOCK_BYTES;
    const file = this.#files.find(({ base, bytes }) => at >= base && at < base + bytes);
    this.#block[place] = NO_BLOCK;
    this.#from[place] = file === undefined ? at : Math.max(start, file.base);
    this.#to[place] =
      file === undefined ? at : Math.min(start + BLOCK_BYTES, file.base + file.bytes);
    const from = this.#from[place];
    const bytes = this.#to[place] - from;
    const memoryAt = place * BLOCK_BYTES + (from - start);
    if (bytes > 0) this.#read(from, this.#memory.subarray(memoryAt, memoryAt + bytes));
    this.#block[place] = block;
  }
}
