/**
 * HdrHistogram's own formats of a histogram. V2 is written here: hdr-histogram-js 3.0.1, which reads it,
 * writes a normalizing offset of 1, which says that every step is shifted by one, and the octets of an
 * integer for the conversion ratio. Apart from histograms.ts, because that library takes 30 ms to load
 * and only reports need it.
 */
import { deflateSync } from 'node:zlib';
import * as hdr from 'hdr-histogram-js';
import { ReplayError } from '../base/errors.ts';
import { NS_PER_MS } from '../base/time.ts';
import {
  COUNTS_LENGTH,
  HIGHEST_TRACKABLE_NS,
  indexOf,
  SIGNIFICANT_DIGITS,
} from './histogram-steps.ts';
import { type SparseCounts, sparseOf } from './histograms.ts';
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

/**
 * The histogram of a V2 compressed base64 text, whatever its own resolution is.
 * @throws ReplayError ERR_MEASURE_HISTOGRAM (usage)
 */
export function decodeHistogram(base64: string): SparseCounts {
  const decoded = decode(base64);
  // Ours have our own steps; a histogram of another resolution is sorted into them.
  const isOurs =
    decoded.lowestDiscernibleValue === 1 &&
    decoded.numberOfSignificantValueDigits === SIGNIFICANT_DIGITS &&
    decoded.countsArrayLength <= COUNTS_LENGTH;
  return isOurs ? sparseOfOurs(decoded) : sortedIntoOurs(decoded);
}

/** Index by index up to the last one with a count: a long run's report reads thousands of them. */
function sparseOfOurs(decoded: hdr.JsHistogram): SparseCounts {
  const end = decoded.totalCount === 0 ? 0 : indexOf(decoded.maxValue) + 1;
  const indexes = new Uint32Array(end);
  const counts = new Float64Array(end);
  let length = 0;
  for (let i = 0; i < end; i++) {
    const count = decoded.getCountAtIndex(i);
    if (count === 0) continue;
    indexes[length] = i;
    counts[length++] = count;
  }
  return { indexes: indexes.slice(0, length), counts: counts.slice(0, length) };
}

function sortedIntoOurs(decoded: hdr.JsHistogram): SparseCounts {
  const counts = new Float64Array(COUNTS_LENGTH);
  for (let i = 0; i < decoded.countsArrayLength; i++) {
    const count = decoded.getCountAtIndex(i);
    if (count === 0) continue;
    counts[indexOf(Math.min(decoded.valueFromIndex(i), HIGHEST_TRACKABLE_NS))] += count;
  }
  return sparseOf(counts);
}

/** The text of a `.hgrm` file, values in milliseconds, as HdrHistogram's plotter reads it. */
export const percentileDistribution = (counts: SparseCounts): string =>
  hdrOf(counts).outputPercentileDistribution(TICKS_PER_HALF_DISTANCE, NS_PER_MS);

/** HdrHistogram's own default. */
const TICKS_PER_HALF_DISTANCE = 5;

/** hdr-histogram-js has the same steps, so that counts go from one to the other by index. */
function hdrOf({ indexes, counts }: SparseCounts): hdr.JsHistogram {
  const histogram = new hdr.Float64Histogram(1, HIGHEST_TRACKABLE_NS, SIGNIFICANT_DIGITS);
  for (let i = 0; i < indexes.length; i++) histogram.setCountAtIndex(indexes[i], counts[i]);
  const last = indexes.at(-1);
  if (last !== undefined) histogram.establishInternalTackingValues(last + 1);
  return histogram;
}

function decode(base64: string): hdr.JsHistogram {
  try {
    const decoded = hdr.decodeFromCompressedBase64(base64, 64);
    if (decoded instanceof hdr.JsHistogram) return decoded;
  } catch (cause) {
    throw notAHistogram(cause);
  }
  throw notAHistogram();
}

const notAHistogram = (cause?: unknown): ReplayError =>
  new ReplayError({
    code: 'ERR_MEASURE_HISTOGRAM',
    kind: 'usage',
    message: 'a histogram of the result is not in HdrHistogram V2 compressed format',
    hint: 'was the result file changed or cut?',
    cause,
  });
