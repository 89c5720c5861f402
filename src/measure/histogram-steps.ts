/**
 * The steps of HdrHistogram's layout with a lowest discernible value of 1 ns and 3 significant digits:
 * bucket `k` covers up to `2048 * 2^k` in steps of `2^k`; of every bucket but the first only the upper
 * 1024 steps are used.
 */

const SUB_BUCKET_HALF = 1024;
const SUB_BUCKET_HALF_BITS = 10;
const BUCKETS = 37;

/** Values are kept this exact: three digits, an error of at most 0.1 %. */
export const SIGNIFICANT_DIGITS = 3;
/** 39 hours. What lies above is recorded as this and counted as clamped. */
export const HIGHEST_TRACKABLE_NS = 2 ** 47 - 1;
/** Steps of one histogram. */
export const COUNTS_LENGTH = (BUCKETS + 1) * SUB_BUCKET_HALF;

/** A number's octets, to read its exponent and mantissa (IEEE 754) without a branch. */
const octets = new Float64Array(1);
const words = new Uint32Array(octets.buffer);
const UPPER_WORD = new Uint8Array(Uint32Array.of(1).buffer)[0];

/** The step that a value of 0..HIGHEST_TRACKABLE_NS falls into. */
export function indexOf(valueNs: number): number {
  if (valueNs < 2 * SUB_BUCKET_HALF) return valueNs | 0;
  octets[0] = valueNs;
  const upper = words[UPPER_WORD];
  // 2048 = 2^11 begins the second bucket; its exponent is stored as 1034.
  return (((upper >>> 20) - 1032) << SUB_BUCKET_HALF_BITS) + ((upper >>> 10) & 0x3ff);
}

/** The lowest value of a step. */
export function lowestOf(index: number): number {
  const bucket = Math.max((index >>> SUB_BUCKET_HALF_BITS) - 1, 0);
  return (index - (bucket << SUB_BUCKET_HALF_BITS)) * 2 ** bucket;
}

/** The highest value of a step. */
export const highestOf = (index: number): number =>
  lowestOf(index) + 2 ** Math.max((index >>> SUB_BUCKET_HALF_BITS) - 1, 0) - 1;
