/** What thresholds and comparisons are held against, from a result that was read. */
import { NS_PER_SECOND } from '../base/time.ts';
import type { Measured } from './figures.ts';
import { decodeHistogram } from './histogram-reader.ts';
import { LATENCY_NAMES, type Latency, LatencyTable } from './histograms.ts';
import { mergeTimelines, type Timeline } from './intervals.ts';
import { recordOfResult } from './record-reader.ts';
import { NO_CLASSES } from './request-classes.ts';
import type { RunResult } from './result.ts';

/**
 * What a result measured: exactly where it has a record, else to the width of a histogram's step. Its
 * intervals are read only when a figure of a part of the run is asked for: an hour of them takes seconds.
 * @throws ReplayError ERR_MEASURE_HISTOGRAM, ERR_MEASURE_RECORD (usage), of intervals when they are read
 */
export function measuredOf(result: RunResult): Measured {
  const record = result.record === null ? null : recordOfResult(result);
  let timeline: Timeline | null = null;
  return {
    counted: result,
    latency: record?.latency ?? latencyOf(result),
    durationNs: result.durationSeconds * NS_PER_SECOND,
    get timeline() {
      if (record !== null) timeline ??= mergeTimelines(record.timelines);
      return timeline;
    },
    classes: record?.classes ?? NO_CLASSES,
  };
}

function latencyOf(result: RunResult): LatencyTable {
  const table = new LatencyTable();
  for (const [i, name] of LATENCY_NAMES.entries()) {
    table.addSparse(i as Latency, decodeHistogram(result.histograms[name]));
  }
  return table;
}
