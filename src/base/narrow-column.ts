/** Columns of whole numbers that are as wide as what they may hold: one or two octets a row where that is enough. */
import { assert } from './assert.ts';

/** Whole numbers from 0 on. */
export type NarrowColumn = Uint8Array | Uint16Array | Uint32Array;

const MAX_OF_8_BITS = 0xff;
const MAX_OF_16_BITS = 0xffff;
const MAX_OF_32_BITS = 0xffff_ffff;

/** Octets of a row whose numbers are not above `max`, which is below 2^32. */
export const narrowBytes = (max: number): number =>
  max <= MAX_OF_8_BITS ? 1 : max <= MAX_OF_16_BITS ? 2 : 4;

/**
 * A column of zeros.
 * @param max the largest number that is ever put there, below 2^32
 */
export function narrowColumn(rows: number, max: number): NarrowColumn {
  assert(max <= MAX_OF_32_BITS, 'a number has 32 bits');
  const bytes = narrowBytes(max);
  if (bytes === 1) return new Uint8Array(rows);
  return bytes === 2 ? new Uint16Array(rows) : new Uint32Array(rows);
}
