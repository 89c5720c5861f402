/**
 * HdrHistogram's own formats of a histogram, through hdr-histogram-js. Apart from histograms.ts,
 * because that library takes 30 ms to load and only reports need it.
 */
import * as hdr from 'hdr-histogram-js';
import { ReplayError } from '../base/errors.ts';
import { NS_PER_MS } from '../base/time.ts';
import {
  HIGHEST_TRACKABLE_NS,
  highestOf,
  indexOf,
  SIGNIFICANT_DIGITS,
  type SparseCounts,
} from './histograms.ts';

/** V2 compressed, base64 (it begins `HISTFAAA`); values are nanoseconds. */
export const encodeHistogram = (counts: SparseCounts): string =>
  hdr.encodeIntoCompressedBase64(hdrOf(counts));

/**
 * The histogram of a V2 compressed base64 text, whatever its own resolution is.
 * @throws ReplayError ERR_MEASURE_HISTOGRAM (usage)
 */
export function decodeHistogram(base64: string): SparseCounts {
  const decoded = decode(base64);
  const byIndex = new Map<number, number>();
  for (let i = 0; i < decoded.countsArrayLength; i++) {
    const count = decoded.getCountAtIndex(i);
    if (count === 0) continue;
    const index = indexOf(Math.min(decoded.valueFromIndex(i), HIGHEST_TRACKABLE_NS));
    byIndex.set(index, (byIndex.get(index) ?? 0) + count);
  }
  const entries = [...byIndex].sort(([a], [b]) => a - b);
  return {
    indexes: Uint32Array.from(entries, ([index]) => index),
    counts: Float64Array.from(entries, ([, count]) => count),
  };
}

/** The text of a `.hgrm` file, values in milliseconds, as HdrHistogram's plotter reads it. */
export const percentileDistribution = (counts: SparseCounts): string =>
  hdrOf(counts).outputPercentileDistribution(TICKS_PER_HALF_DISTANCE, NS_PER_MS);

/** HdrHistogram's own default. */
const TICKS_PER_HALF_DISTANCE = 5;

function hdrOf({ indexes, counts }: SparseCounts): hdr.Histogram {
  const histogram = hdr.build({
    bitBucketSize: 64,
    autoResize: false,
    lowestDiscernibleValue: 1,
    highestTrackableValue: HIGHEST_TRACKABLE_NS,
    numberOfSignificantValueDigits: SIGNIFICANT_DIGITS,
  });
  for (let i = 0; i < indexes.length; i++) {
    // The upper end, since the largest of them is shown as the maximum.
    histogram.recordValueWithCount(highestOf(indexes[i]), counts[i]);
  }
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
