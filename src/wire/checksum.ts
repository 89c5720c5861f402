/**
 * The Internet checksum (RFC 1071): the complement of the one's-complement sum of big-endian
 * 16-bit words, an odd last octet padded with zero.
 *
 * Sums are kept unfolded in an int32 while they are built and folded at the end. Sums of pieces can
 * be added to each other, the sum of a piece that begins at an odd position through `sumSwapped`.
 *
 * Short runs (headers) sum even and odd octets apart, 8 a step. Long runs (payload) read 32-bit
 * words through a DataView, 16 octets a step, which takes a quarter of the time; the view is kept
 * from call to call, since making one costs as much as a hundred octets.
 */

/** Below 2^31 stays what so many octets can sum up to: 2^14 words of 0xffff. */
const OCTETS_PER_FOLD = 1 << 15;
/** From here on a long run is faster even when the view must be made for it. */
const LONG_RUN_BYTES = 256;

let longData: DataView = new DataView(new ArrayBuffer(0));

/**
 * The one's-complement sum, folded to 16 bits but not complemented, of `octets[from .. to - 1]`,
 * taken as if `from` were at an even position of the packet. It keeps hold of the buffer of the
 * last long run until the next one.
 */
export function sumOctets(octets: Uint8Array, from: number, to: number): number {
  if (to - from < LONG_RUN_BYTES) return sumShort(octets, from, to);
  if (longData.buffer !== octets.buffer) longData = new DataView(octets.buffer);
  const shift = octets.byteOffset;
  let total = 0;
  for (let at = from; at < to; at += OCTETS_PER_FOLD) {
    total += sumLong(longData, at + shift, Math.min(to, at + OCTETS_PER_FOLD) + shift);
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

function sumShort(octets: Uint8Array, from: number, to: number): number {
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
  const sum = high * 0x100 + low;
  const once = (sum & 0xffff) + (sum >>> 16);
  return (once & 0xffff) + (once >>> 16);
}

/** Not folded; at most `OCTETS_PER_FOLD` octets. */
function sumLong(data: DataView, from: number, to: number): number {
  let sum = 0;
  let i = from;
  for (const end = to - 15; i < end; i += 16) {
    const a = data.getInt32(i);
    const b = data.getInt32(i + 4);
    const c = data.getInt32(i + 8);
    const d = data.getInt32(i + 12);
    sum += (a & 0xffff) + (a >>> 16) + (b & 0xffff) + (b >>> 16);
    sum += (c & 0xffff) + (c >>> 16) + (d & 0xffff) + (d >>> 16);
  }
  for (const end = to - 1; i < end; i += 2) sum += data.getUint16(i);
  return i < to ? sum + data.getUint8(i) * 0x100 : sum;
}
