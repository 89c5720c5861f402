/**
 * The steps of a histogram in few octets, so that a run can keep thousands of intervals.
 *
 * It is the payload of HdrHistogram's V2 format, without its head of 40 octets and the zlib stream around
 * it, which would cost the loop too much: ascending by step, a number for each step that is not 0 and one
 * for each row of steps that are, the count and the row's length below 0; as `2 × count` and
 * `2 × length − 1` (ZigZag), in octets of seven bits, lowest first, the eighth bit set where more follow
 * (LEB128). What one second records lies close together and counts little, so most steps take one or two
 * octets, where an index and a count take twelve.
 */
import { COUNTS_LENGTH } from './histogram-steps.ts';
import type { SparseCounts } from './histograms.ts';

/** Packed steps; read-only, since those without any are one and the same. */
export type PackedCounts = Uint8Array<ArrayBuffer>;

/** No step at all. */
export const NO_COUNTS: PackedCounts = new Uint8Array(0);

/** What a number of up to 2^53 takes. */
const NUMBER_BYTES_MAX = 8;
/** A gap is a number, too, but below 2^17. */
const STEP_BYTES_MAX = NUMBER_BYTES_MAX + 3;
/** From here on shifts, which are of 32 bits, would lose what is above. */
const SHIFTS_END = 2 ** 31;

/** Packs one histogram after the other, without garbage but for what it gives. */
export class CountsPacker {
  /** Octets that are never written cost no memory. */
  readonly #bytes = new Uint8Array(COUNTS_LENGTH * STEP_BYTES_MAX);
  #length = 0;
  #next = 0;

  /** One step; ascending, the count not 0 and below 2^52. */
  add(index: number, count: number): void {
    if (index > this.#next) this.#put(2 * (index - this.#next) - 1);
    this.#put(2 * count);
    this.#next = index + 1;
  }

  /** What was added since the last call. */
  take(): PackedCounts {
    const packed = this.#length === 0 ? NO_COUNTS : this.#bytes.slice(0, this.#length);
    this.#length = 0;
    this.#next = 0;
    return packed;
  }

  #put(number: number): void {
    const bytes = this.#bytes;
    let left = number;
    while (left >= SHIFTS_END) {
      bytes[this.#length++] = (left % 128) + 128;
      left = Math.floor(left / 128);
    }
    while (left >= 128) {
      bytes[this.#length++] = (left & 127) | 128;
      left >>>= 7;
    }
    bytes[this.#length++] = left;
  }
}

/** Packs all of it. */
export function packCounts({ indexes, counts }: SparseCounts, packer: CountsPacker): PackedCounts {
  for (let i = 0; i < indexes.length; i++) packer.add(indexes[i], counts[i]);
  return packer.take();
}

/** What was packed. */
export function unpackCounts(packed: PackedCounts): SparseCounts {
  // Each step took an octet or more.
  const indexes = new Uint32Array(packed.length);
  const counts = new Float64Array(packed.length);
  let length = 0;
  let index = 0;
  for (let at = 0; at < packed.length; ) {
    let number = 0;
    let unit = 1;
    let octet: number;
    do {
      octet = packed[at++];
      number += (octet & 127) * unit;
      unit *= 128;
    } while (octet >= 128);
    if (number % 2 === 1) {
      index += (number + 1) / 2;
      continue;
    }
    indexes[length] = index++;
    counts[length++] = number / 2;
  }
  return { indexes: indexes.slice(0, length), counts: counts.slice(0, length) };
}
