/**
 * Room for messages that are written during the run: blocks of memory that the sender can point the
 * kernel at, of 64, 128, 256, … octets. Blocks that were freed are used again for messages of their size,
 * or cut in halves for smaller ones.
 */

const BLOCK_BITS = 6;
const BLOCK_BYTES_MIN = 1 << BLOCK_BITS;

/** `place` where there is no room. */
export const NO_PLACE = -1;

/** Hands out blocks of one piece of memory. */
export class MessageArena {
  /** The memory itself: a place is an offset here. */
  readonly octets: Uint8Array;
  /** Octets of the blocks that are taken. */
  usedBytes = 0;
  /** Everything from here on has never been taken. */
  #fresh = 0;
  /** By size, 64 × 2^i: blocks that are free. */
  readonly #free: number[][] = [];
  /** Freed since the last `settle`. */
  readonly #leavingPlaces: number[] = [];
  readonly #leavingSizes: number[] = [];

  constructor(octets: Uint8Array) {
    this.octets = octets;
  }

  /** Takes a block for so many octets, at least one. @returns where it begins, or NO_PLACE */
  take(bytes: number): number {
    const size = sizeFor(bytes);
    const place = this.#free[size]?.pop() ?? this.#freshBlock(size);
    if (place !== NO_PLACE) this.usedBytes += bytesOf(size);
    return place;
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
    const places = this.#leavingPlaces;
    const sizes = this.#leavingSizes;
    for (let i = 0; i < places.length; i++) {
      this.#freeOf(sizes[i]).push(places[i]);
      this.usedBytes -= bytesOf(sizes[i]);
    }
    places.length = 0;
    sizes.length = 0;
  }

  #freshBlock(size: number): number {
    const place = this.#fresh;
    if (place + bytesOf(size) > this.octets.length) return this.#cut(size);
    this.#fresh += bytesOf(size);
    return place;
  }

  /** A piece of a larger block that is free; the rest of it is free as well. */
  #cut(size: number): number {
    for (let larger = size + 1; larger < this.#free.length; larger++) {
      const place = this.#free[larger]?.pop();
      if (place === undefined) continue;
      for (let half = larger - 1; half >= size; half--) {
        this.#freeOf(half).push(place + bytesOf(half));
      }
      return place;
    }
    return NO_PLACE;
  }

  #freeOf(size: number): number[] {
    for (let each = this.#free.length; each <= size; each++) this.#free.push([]);
    return this.#free[size];
  }
}

const bytesOf = (size: number): number => BLOCK_BYTES_MIN * 2 ** size;

/** The smallest size that holds so many octets: 0 for up to 64, 1 for up to 128. */
const sizeFor = (bytes: number): number =>
  bytes <= BLOCK_BYTES_MIN ? 0 : 32 - Math.clz32((bytes - 1) >>> BLOCK_BITS);
