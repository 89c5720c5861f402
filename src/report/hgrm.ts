/** HdrHistogram's percentile distributions (`.hgrm`), as its plotter reads them. */
import { decodeHistogram, percentileDistribution } from '../measure/histogram-reader.ts';
import type { LatencyName } from '../measure/histograms.ts';
import type { RunResult } from '../measure/result.ts';

/** The percentile distribution of one histogram of a result, in milliseconds. */
export const hgrmReport = (result: RunResult, name: LatencyName): string =>
  percentileDistribution(decodeHistogram(result.histograms[name]));
