/**
 * Reads octets of the joined capture by way of blocks, for whoever reads nearly all of it once and
 * nearly in its order: a stream's extents are pieces of a kilobyte, and a read is a system call each.
 */
import type { Scripts } from './scripts.ts';
import type { ReadOctets } from './stream-view.ts';

/** Blocks of so many octets, and how many are held: sessions that are open at the same time lie in one another. */
export interface BlockSize {
  readonly bytes: number;
  readonly count: number;
}

const DENSE_BLOCKS: BlockSize = { bytes: 1 << 18, count: 64 };
/** For what may read only here and there: as much as a read brings at no more cost. */
export const SPARSE_BLOCKS: BlockSize = { bytes: 1 << 14, count: 256 };
/** Who asks for one block after the other gets twice as many each time, at most so many octets by one read. */
const AHEAD_BYTES_MAX = 1 << 18;
/** So few octets are copied one by one before a view of them is made. */
const LOOP_BYTES_MAX = 128;
const NO_BLOCK = -1;

/** A direct-mapped cache: a block of the joined capture has one place. */
export class CaptureBlocks {
  readonly #read: ReadOctets;
  readonly #files: Scripts['files'];
  readonly #blockBytes: number;
  readonly #places: number;
  readonly #memory: Uint8Array;
  /** Which block each place holds, and which part of it there is in a file. */
  readonly #block: Float64Array;
  readonly #from: Float64Array;
  readonly #to: Float64Array;
  /** The block behind those that were loaded last, and how many those were. */
  #next = NO_BLOCK;
  #ahead = 1;

  constructor(files: Scripts['files'], read: ReadOctets, size: BlockSize = DENSE_BLOCKS) {
    this.#files = files;
    this.#read = read;
    this.#blockBytes = size.bytes;
    const end = Math.max(1, ...files.map(({ base, bytes }) => base + bytes));
    this.#places = Math.min(size.count, Math.ceil(end / size.bytes));
    // A small capture takes no more than it has.
    this.#memory = new Uint8Array(Math.min(this.#places * size.bytes, end));
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
      const start = place * this.#blockBytes + (at - this.#block[place] * this.#blockBytes);
      if (bytes <= LOOP_BYTES_MAX) {
        for (let i = 0; i < bytes; i++) into[done + i] = this.#memory[start + i];
      } else into.set(this.#memory.subarray(start, start + bytes), done);
      done += bytes;
    }
  }

  #placeOf(at: number): number {
    const block = Math.floor(at / this.#blockBytes);
    const place = block % this.#places;
    const isHeld = this.#block[place] === block;
    if (!isHeld || at < this.#from[place] || at >= this.#to[place]) this.#load(block, place, at);
    return place;
  }

  /**
   * Loads the part of a block that lies in the file of the octet at `at`, and by the same read blocks behind it
   * where it follows the last ones.
   */
  #load(block: number, place: number, at: number): void {
    const start = block * this.#blockBytes;
    const file = this.#files.find(({ base, bytes }) => at >= base && at < base + bytes);
    const from = file === undefined ? at : Math.max(start, file.base);
    const fileEnd = file === undefined ? at : file.base + file.bytes;
    const blocks = this.#blocksFrom(block, place, fileEnd);
    this.#block.fill(NO_BLOCK, place, place + blocks);
    const bytes = Math.min(start + blocks * this.#blockBytes, fileEnd) - from;
    const memoryAt = place * this.#blockBytes + (from - start);
    if (bytes > 0) this.#read(from, this.#memory.subarray(memoryAt, memoryAt + bytes));
    for (let i = 0; i < blocks; i++) {
      this.#block[place + i] = block + i;
      this.#from[place + i] = Math.max(from, start + i * this.#blockBytes);
      this.#to[place + i] = Math.min(start + (i + 1) * this.#blockBytes, fileEnd);
    }
  }

  /** How many blocks are read at once: those that lie side by side in memory, too, and in one file. */
  #blocksFrom(block: number, place: number, fileEnd: number): number {
    const most = Math.max(1, Math.floor(AHEAD_BYTES_MAX / this.#blockBytes));
    this.#ahead = block === this.#next ? Math.min(this.#ahead * 2, most) : 1;
    const inFile = Math.ceil(fileEnd / this.#blockBytes) - block;
    const blocks = Math.max(1, Math.min(this.#ahead, this.#places - place, inFile));
    this.#next = block + blocks;
    return blocks;
  }
}
