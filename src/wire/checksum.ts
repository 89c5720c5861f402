/**
 * The Internet checksum (RFC 1071): the complement of the one's-complement sum of big-endian
 * 16-bit words, an odd last octet padded with zero.
 *
 * Sums are kept unfolded in an int32 while they are built and folded at the end. Even and odd
 * octets are summed apart, so that the inner loop only adds; 8 octets a step. Sums of pieces can be
 * added to each other, the sum of a piece that begins at an odd position through `sumSwapped`.
 */

/**
 * Octets after which the two running sums are folded: 2^22 octets of 255 in each stay below 2^31.
 */
const OCTETS_PER_FOLD = 1 << 23;

/**
 * The one's-complement sum, folded to 16 bits but not complemented, of `octets[from .. to - 1]`,
 * taken as if `from` were at an even position of the packet.
 */
export function sumOctets(octets: Uint8Array, from: number, to: number): number {
  let total = 0;
  let at = from;
  while (at < to) {
    const end = Math.min(to, at + OCTETS_PER_FOLD);
    total += sumRun(octets, at, end);
    at = end;
  }
  return foldSum(total);
}

/** The sum (16 bits) that the same octets have when they begin at an odd position. */
export const sumSwapped = (sum16: number): number => ((sum16 & 0xff) << 8) | (sum16 >>> 8);

/** `sum` (an integer below 2^53, not negative) folded to 16 bits. */
export function foldSum(sum: number): number {
  let folded = sum > 0xffff_ffff ? (sum % 0x1_0000_0000) + Math.floor(sum / 0x1_0000_0000) : sum;
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x1_0000);
  return folded;
}

/** The checksum field for a header whose words sum to `sum` (below 2^32): folded, complemented. */
export function foldChecksum(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16);
  return ~(once + (once >>> 16)) & 0xffff;
}

function sumRun(octets: Uint8Array, from: number, to: number): number {
  let high = 0;
  let low = 0;
  let i = from;
  for (const end = to - 7; i < end; i += 8) {
    high += octets[i] + octets[i + 2] + octets[i + 4] + octets[i + 6];
    low += octets[i + 1] + octets[i + 3] + octets[i + 5] + octets[i + 7];
  }
  for (const end = to - 1; i < end; i += 2) {
    high += octets[i];
    low += octets[i + 1];
  }
  if (i < to) high += octets[i];
  return foldSum(high * 0x100 + low);
}
