/**
 * Room for messages that are written during the run: blocks of memory that the sender can point the
 * kernel at, of 64, 128, 256, … octets. A block that is too large is cut in halves, and halves that are
 * both free are one block again, so that what was given back serves messages of any size.
 */

const BLOCK_BITS = 6;
const BLOCK_BYTES_MIN = 1 << BLOCK_BITS;
/** Of all memory, what may be reserved: the rest is for what turns out longer than it was planned to be. */
const RESERVED_SHARE_MAX = 7 / 8;

/** `place` where there is no room. */
export const NO_PLACE = -1;

/** Hands out blocks of one piece of memory. */
export class MessageArena {
  /** The memory itself: a place is an offset here. */
  readonly octets: Uint8Array;
  /** Octets of the blocks that are taken. */
  usedBytes = 0;
  /** How often `settle` was called. */
  settled = 0;
  readonly #reservableBytes: number;
  /** By size, 64 × 2^i: where blocks begin that are free, or were once (`#sizeAt`). */
  readonly #free: number[][] = [];
  /** A row 64 octets: the size of the free block that begins there, plus 1; 0 where none does. */
  readonly #sizeAt: Uint8Array;
  /** Freed since the last `settle`. */
  readonly #leavingPlaces: number[] = [];
  readonly #leavingSizes: number[] = [];

  constructor(octets: Uint8Array) {
    this.octets = octets;
    const blocks = Math.floor(octets.length / BLOCK_BYTES_MIN);
    this.#reservableBytes = reservableBytes(octets.length);
    this.#sizeAt = new Uint8Array(blocks);
    // The largest first, so that each begins at a multiple of its size.
    let place = 0;
    for (let size = Math.max(0, 31 - Math.clz32(blocks)); size >= 0; size--) {
      if ((blocks & (1 << size)) === 0) continue;
      this.#add(place, size);
      place += bytesOf(size);
    }
  }

  /** Takes a block for so many octets, at least one. @returns where it begins, or NO_PLACE */
  take(bytes: number): number {
    return this.#take(sizeFor(bytes));
  }

  /**
   * Takes a block that nothing is written to before the next `settle`, and leaves some room for others.
   * @returns where it begins, or NO_PLACE
   */
  reserve(bytes: number): number {
    const size = sizeFor(bytes);
    const isWithin = this.usedBytes + bytesOf(size) <= this.#reservableBytes;
    const place = isWithin ? this.#take(size) : NO_PLACE;
    return place === NO_PLACE ? this.#takeLeaving(size) : place;
  }

  /**
   * Gives a block back. Frames that were written and not sent yet may still lie in it: it is taken again
   * only after the next `settle`.
   * @param bytes as it was taken for
   */
  free(place: number, bytes: number): void {
    this.#leavingPlaces.push(place);
    this.#leavingSizes.push(sizeFor(bytes));
  }

  /** All frames that were written have left. */
  settle(): void {
    this.settled++;
    const places = this.#leavingPlaces;
    const sizes = this.#leavingSizes;
    for (let i = 0; i < places.length; i++) {
      this.usedBytes -= bytesOf(sizes[i]);
      this.#add(places[i], sizes[i]);
    }
    places.length = 0;
    sizes.length = 0;
  }

  #take(size: number): number {
    const place = this.#freeBlock(size);
    if (place !== NO_PLACE) this.usedBytes += bytesOf(size);
    return place;
  }

  #freeBlock(size: number): number {
    for (let larger = size; larger < this.#free.length; larger++) {
      const place = this.#pop(larger);
      if (place === NO_PLACE) continue;
      // The rest of a larger one stays free.
      for (let half = larger - 1; half >= size; half--) this.#list(place + bytesOf(half), half);
      return place;
    }
    return NO_PLACE;
  }

  #pop(size: number): number {
    const places = this.#free[size];
    for (let place = places.pop(); place !== undefined; place = places.pop()) {
      if (this.#sizeAt[place >>> BLOCK_BITS] !== size + 1) continue;
      this.#sizeAt[place >>> BLOCK_BITS] = 0;
      return place;
    }
    return NO_PLACE;
  }

  /** A block is free, together with its other half where that is as well. */
  #add(freed: number, freedSize: number): void {
    let place = freed;
    let size = freedSize;
    for (;;) {
      const bytes = bytesOf(size);
      const isFirst = place % (2 * bytes) === 0;
      const other = isFirst ? place + bytes : place - bytes;
      const row = other / BLOCK_BYTES_MIN;
      if (row >= this.#sizeAt.length || this.#sizeAt[row] !== size + 1) break;
      this.#sizeAt[row] = 0;
      if (!isFirst) place = other;
      size++;
    }
    this.#list(place, size);
  }

  #list(place: number, size: number): void {
    for (let each = this.#free.length; each <= size; each++) this.#free.push([]);
    this.#free[size].push(place);
    this.#sizeAt[place >>> BLOCK_BITS] = size + 1;
  }

  #takeLeaving(size: number): number {
    const at = this.#leavingSizes.lastIndexOf(size);
    if (at < 0) return NO_PLACE;
    const place = this.#leavingPlaces[at];
    this.#leavingPlaces.splice(at, 1);
    this.#leavingSizes.splice(at, 1);
    return place;
  }
}

const bytesOf = (size: number): number => BLOCK_BYTES_MIN * 2 ** size;

/** The smallest size that holds so many octets: 0 for up to 64, 1 for up to 128. */
const sizeFor = (bytes: number): number =>
  bytes <= BLOCK_BYTES_MIN ? 0 : 32 - Math.clz32((bytes - 1) >>> BLOCK_BITS);

/** Octets of so many that may be reserved. */
export const reservableBytes = (bytes: number): number => bytes * RESERVED_SHARE_MAX;

/** How large the block is that holds so many octets. */
export const blockBytes = (bytes: number): number => bytesOf(sizeFor(bytes));
