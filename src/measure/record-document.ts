/**
 * A run's record as it lies in a result's JSON: beside the result's histograms only what these do not
 * tell. Lists of numbers are texts, so that a long run does not fill thousands of lines. record-reader.ts reads it.
 */
import { COUNTERS, Counter } from './counters.ts';
import { encodePacked } from './histogram-codec.ts';
import { LATENCY_NAMES, type LatencyTable } from './histograms.ts';
import type { Timeline } from './intervals.ts';
import type { RunIdentity, RunRecord, ShareFacts } from './run-record.ts';

/** The form of records. */
export const RECORD_SCHEMA = 'gryphon.record/1';
/** `RunRecord` in a result's document. */
export interface RecordDocument {
  readonly schema: string;
  readonly identity: RunIdentity;
  readonly shares: readonly ShareFacts[];
  /** `NAME=value …` of counters that are not 0. */
  readonly counters: string;
  /** In the order of `Latency`: upper and lower part of the sum, minimum, maximum, clamped. */
  readonly latency: readonly string[];
  /** As `latency`, of the response times of the result's classes, in their order; absent: an older version. */
  readonly classes?: readonly string[];
  readonly timelines: readonly TimelineDocument[];
}

/** A timeline in a record's document. */
export interface TimelineDocument {
  readonly intervalNs: number;
  readonly intervals: readonly {
    readonly startNs: number;
    readonly endNs: number;
    /** `NAME=value …` of counters that are not as in the interval before. */
    readonly changes: string;
    /** V2 compressed, in the order of `Latency`; absent where the result's timeline has them. */
    readonly histograms?: readonly string[];
  }[];
}

/** The document of a record. */
export function emitRecord({
  identity,
  shares,
  counters,
  latency,
  classes,
  timelines,
}: RunRecord): RecordDocument {
  return {
    schema: RECORD_SCHEMA,
    identity,
    shares,
    counters: changesText(counters, new Float64Array(COUNTERS)),
    latency: LATENCY_NAMES.map((_, i) => totalsText(latency, i)),
    classes: classes.names.map((_, i) => totalsText(classes.response, i)),
    // One timeline's histograms are those of the result's own timeline.
    timelines: timelines.map((each) => timelineDocument(each, timelines.length > 1)),
  };
}

/** What the steps of a histogram do not tell; '' where nothing was recorded. */
function totalsText(table: LatencyTable, histogram: number): string {
  const { sumUpper, sumNs, minNs, maxNs, clamped } = table.totals(histogram);
  return table.count(histogram) === 0 ? '' : [sumUpper, sumNs, minNs, maxNs, clamped].join(' ');
}

function timelineDocument({ intervalNs, intervals }: Timeline, isAlone: boolean): TimelineDocument {
  let before = new Float64Array(COUNTERS);
  const rows = intervals.map(({ startNs, endNs, counters, latencies }) => {
    const changes = changesText(counters, before);
    before = Float64Array.from(counters);
    const row = { startNs, endNs, changes };
    if (!isAlone) return row;
    return { ...row, histograms: latencies.map(encodePacked) };
  });
  return { intervalNs, intervals: rows };
}

/** `NAME=value …` of those that differ. */
function changesText(counters: Float64Array, before: Float64Array): string {
  return Object.entries(Counter)
    .filter(([, i]) => counters[i] !== before[i])
    .map(([name, i]) => `${name}=${counters[i]}`)
    .join(' ');
}
