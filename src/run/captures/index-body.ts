/** What an index file holds behind its head, in blocks with a digest each, which are read when they are needed. */
import { createHash, type Hash } from 'node:crypto';
import type { IndexFile } from '../../io/files/index-file.ts';

/** So much is read for one row; a session's rows lie in three or four tables. */
export const BLOCK_BYTES = 1 << 17;
/** SHA-256. */
export const DIGEST_BYTES = 32;
/** At most so many blocks are read at a time. */
const RUN_BLOCKS = 64;

/** How long the digests of so many octets are. */
export const digestBytes = (bytes: number): number => Math.ceil(bytes / BLOCK_BYTES) * DIGEST_BYTES;

/** Takes octets as they are written, and has a digest of each block of them. */
export class BlockDigests {
  readonly #digests: Buffer[] = [];
  #hash: Hash = createHash('sha256');
  #filled = 0;

  add(octets: Uint8Array): void {
    for (let at = 0; at < octets.length; ) {
      const bytes = Math.min(BLOCK_BYTES - this.#filled, octets.length - at);
      this.#hash.update(octets.subarray(at, at + bytes));
      this.#filled += bytes;
      at += bytes;
      if (this.#filled === BLOCK_BYTES) this.#close();
    }
  }

  /** The digests of all blocks, the last of which may be a short one. */
  finish(): Uint8Array {
    if (this.#filled > 0) this.#close();
    return Buffer.concat(this.#digests);
  }

  #close(): void {
    this.#digests.push(this.#hash.digest());
    this.#hash = createHash('sha256');
    this.#filled = 0;
  }
}

/**
 * The body of an index that is open; null where it is longer than memory may be.
 * @param digests as of IndexBody
 */
export function openBody(
  file: IndexFile,
  at: number,
  bytes: number,
  digests: Uint8Array,
): IndexBody | null {
  try {
    return new IndexBody(file, at, bytes, digests);
  } catch (fault) {
    if (fault instanceof RangeError) return null;
    throw fault;
  }
}

/** The body of an index, as far as it has been read. */
export class IndexBody {
  /** As long as the body; what has not been asked for is zeros, and takes no memory. Threads may share it. */
  readonly memory: SharedArrayBuffer;
  readonly #octets: Uint8Array;
  readonly #file: IndexFile;
  readonly #at: number;
  readonly #digests: Uint8Array;
  readonly #isThere: Uint8Array;

  /**
   * @param at where the body begins in the file
   * @param digests of its blocks: `digestBytes(bytes)` of them
   */
  constructor(file: IndexFile, at: number, bytes: number, digests: Uint8Array) {
    this.memory = new SharedArrayBuffer(bytes);
    this.#octets = new Uint8Array(this.memory);
    this.#file = file;
    this.#at = at;
    this.#digests = digests;
    this.#isThere = new Uint8Array(digests.length / DIGEST_BYTES);
  }

  /** Reads what is not there yet of some octets. @returns false where it cannot be read, or is not what was written */
  fetch(from: number, to: number): boolean {
    if (to <= from) return true;
    const last = Math.floor((to - 1) / BLOCK_BYTES);
    for (let block = Math.floor(from / BLOCK_BYTES); block <= last; block++) {
      if (this.#isThere[block] === 1) continue;
      let end = block + 1;
      while (end <= last && end - block < RUN_BLOCKS && this.#isThere[end] === 0) end++;
      if (!this.#read(block, end)) return false;
    }
    return true;
  }

  #read(first: number, end: number): boolean {
    const from = first * BLOCK_BYTES;
    const into = this.#octets.subarray(from, end * BLOCK_BYTES);
    if (!this.#file.read(this.#at + from, into)) return false;
    for (let block = first; block < end; block++) {
      const at = (block - first) * BLOCK_BYTES;
      const octets = into.subarray(at, at + BLOCK_BYTES);
      const expected = this.#digests.subarray(block * DIGEST_BYTES, (block + 1) * DIGEST_BYTES);
      if (!createHash('sha256').update(octets).digest().equals(expected)) return false;
      this.#isThere[block] = 1;
    }
    return true;
  }
}
