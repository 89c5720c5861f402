/**
 * Reads histograms in HdrHistogram's formats, and writes its percentile distributions. Apart from
 * histogram-codec.ts, because the library takes 50 files and 50 ms to load, and who only plays needs neither.
 */
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
