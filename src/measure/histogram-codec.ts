/**
 * Writes histograms in HdrHistogram's format V2. hdr-histogram-js 3.0.1, which reads it
 * (histogram-reader.ts), writes a normalizing offset of 1, which says that every step is shifted by one,
 * and the octets of an integer for the conversion ratio.
 */
import { deflateSync } from 'node:zlib';
import { HIGHEST_TRACKABLE_NS, SIGNIFICANT_DIGITS } from './histogram-steps.ts';
import type { SparseCounts } from './histograms.ts';
import { CountsPacker, type PackedCounts, packCounts } from './packed-counts.ts';

/** V2's cookies: of what is compressed, and of what is in it. The 1 in the last octet says LEB128. */
const COMPRESSED_COOKIE = 0x1c84_9314;
const COOKIE = 0x1c84_9313;
const COMPRESSED_HEAD_BYTES = 8;
const HEAD_BYTES = 40;
/** The head's fields behind the cookie, in octets; all are big-endian. */
const PAYLOAD_BYTES_AT = 4;
const DIGITS_AT = 12;
const LOWEST_AT = 16;
const HIGHEST_AT = 24;
const RATIO_AT = 32;
/** Compressed lightly: a run over time holds thousands of them. */
const COMPRESSION_LEVEL = 1;
/** What HdrHistogram writes where nothing was recorded: that the first step counts 0. */
const NOTHING = Uint8Array.of(0);

const packer = new CountsPacker();

/** V2 compressed, base64 (it begins `HISTFAAA`); values are nanoseconds. */
export const encodeHistogram = (counts: SparseCounts): string =>
  encodePacked(packCounts(counts, packer));

/** `encodeHistogram` of what is packed already. */
export function encodePacked(packed: PackedCounts): string {
  const payload = packed.length === 0 ? NOTHING : packed;
  const plain = new Uint8Array(HEAD_BYTES + payload.length);
  const head = new DataView(plain.buffer);
  head.setInt32(0, COOKIE);
  head.setInt32(PAYLOAD_BYTES_AT, payload.length);
  head.setInt32(DIGITS_AT, SIGNIFICANT_DIGITS);
  head.setBigInt64(LOWEST_AT, 1n);
  head.setBigInt64(HIGHEST_AT, BigInt(HIGHEST_TRACKABLE_NS));
  head.setFloat64(RATIO_AT, 1);
  plain.set(payload, HEAD_BYTES);
  const compressed = deflateSync(plain, { level: COMPRESSION_LEVEL });
  const whole = Buffer.alloc(COMPRESSED_HEAD_BYTES + compressed.length);
  whole.writeInt32BE(COMPRESSED_COOKIE, 0);
  whole.writeInt32BE(compressed.length, 4);
  whole.set(compressed, COMPRESSED_HEAD_BYTES);
  return whole.toString('base64');
}
