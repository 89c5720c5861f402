/** Whether a text can be a histogram, without the library that reads it: that takes 15 times as long. */
import { inflateSync } from 'node:zlib';

/** V2's cookies without the four bits that say how counts are written. */
const COMPRESSED_COOKIE = 0x1c84_9304;
const COOKIE = 0x1c84_9303;
const ENCODING_BITS = 0xf0;
const COMPRESSED_HEAD_BYTES = 8;
const HEAD_BYTES = 40;
const LENGTH_AT = 4;

/**
 * Whether a text is a histogram in HdrHistogram's format V2, compressed, base64, as a whole: its heads,
 * its lengths, and the checksum of what is compressed (RFC 1950). What its counts are is not looked at.
 */
export function isHistogram(base64: string): boolean {
  const octets = Buffer.from(base64, 'base64');
  if (octets.length < COMPRESSED_HEAD_BYTES) return false;
  if ((octets.readInt32BE(0) & ~ENCODING_BITS) !== COMPRESSED_COOKIE) return false;
  const end = COMPRESSED_HEAD_BYTES + octets.readInt32BE(LENGTH_AT);
  if (end < COMPRESSED_HEAD_BYTES || end > octets.length) return false;
  try {
    const plain = inflateSync(octets.subarray(COMPRESSED_HEAD_BYTES, end));
    if (plain.length < HEAD_BYTES) return false;
    const isHead = (plain.readInt32BE(0) & ~ENCODING_BITS) === COOKIE;
    return isHead && HEAD_BYTES + plain.readInt32BE(LENGTH_AT) <= plain.length;
  } catch {
    return false;
  }
}
