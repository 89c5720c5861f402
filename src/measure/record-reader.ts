/** Reads a run's record from its result: apart from record-document.ts, since who plays only writes it. */
import { ReplayError } from '../base/errors.ts';
import { classCounts } from './class-reports.ts';
import { COUNTERS, Counter } from './counters.ts';
import type { Differences } from './differences.ts';
import { decodeHistogram } from './histogram-reader.ts';
import {
  LATENCY_NAMES,
  type Latency,
  type LatencyName,
  LatencyTable,
  type LatencyTotals,
} from './histograms.ts';
import type { Interval, Timeline } from './intervals.ts';
import { CountsPacker, NO_COUNTS, packCounts } from './packed-counts.ts';
import { RECORD_SCHEMA, type RecordDocument, type TimelineDocument } from './record-document.ts';
import type { RequestClasses } from './request-classes.ts';
import type { ClassReport } from './result.ts';
import type { RunRecord } from './run-record.ts';

/** So many latencies had the first records; whatever was measured later those lack. */
const FIRST_LATENCIES = 6;

/** What of a result its record is read from. */
interface Recorded {
  readonly record: RecordDocument | null;
  readonly histograms: Readonly<Record<LatencyName, string>>;
  readonly classes: readonly ClassReport[];
  readonly differences: Differences;
  readonly timeline: {
    readonly intervals: readonly {
      readonly histograms: Readonly<Partial<Record<LatencyName, string>>>;
    }[];
  };
}

/**
 * The record of a result. Its intervals are read when they are asked for, and once: a long run has
 * thousands, and most readers want none of them.
 * @throws ReplayError ERR_MEASURE_RECORD (usage) where it has none, or one that is not as written
 */
export function recordOfResult(result: Recorded): RunRecord {
  const { record } = result;
  if (record === null || record.schema !== RECORD_SCHEMA) {
    throw unreadable('it has no record; an older version wrote it');
  }
  const { identity, shares } = record;
  const latencies = record.latency.length;
  if (latencies < FIRST_LATENCIES || latencies > LATENCY_NAMES.length) {
    throw unreadable('its record is cut');
  }
  const latency = new LatencyTable();
  for (const [i, name] of LATENCY_NAMES.entries()) {
    const text = record.latency.at(i) ?? '';
    if (text === '') continue;
    const totals = totalsOf(text);
    latency.addExactly(i as Latency, decodeHistogram(result.histograms[name]), totals);
  }
  const classes = classesOf(result.classes, record.classes ?? []);
  const counters = withChanges(record.counters, new Float64Array(COUNTERS));
  const { differences } = result;
  let timelines: readonly Timeline[] | null = null;
  return {
    identity,
    shares,
    counters,
    latency,
    classes,
    differences,
    get timelines() {
      timelines ??= record.timelines.map((each) => timelineOf(each, result));
      return timelines;
    },
  };
}

function totalsOf(text: string): LatencyTotals {
  const [sumUpper, sumNs, minNs, maxNs, clamped] = numbersOf(text, 5);
  return { sumUpper, sumNs, minNs, maxNs, clamped };
}

function classesOf(reports: readonly ClassReport[], totals: readonly string[]): RequestClasses {
  if (reports.length !== totals.length) throw unreadable('its record is cut');
  const response = new LatencyTable(reports.length);
  for (const [i, { histogram }] of reports.entries()) {
    if (totals[i] !== '') response.addExactly(i, decodeHistogram(histogram), totalsOf(totals[i]));
  }
  return { names: reports.map(({ name }) => name), counts: classCounts(reports), response };
}

function timelineOf({ intervalNs, intervals }: TimelineDocument, result: Recorded): Timeline {
  const packer = new CountsPacker();
  const rows = result.timeline.intervals;
  const isShared = intervals.every(({ histograms }) => histograms === undefined);
  if (isShared && rows.length !== intervals.length) throw unreadable('its timeline is cut');
  let before = new Float64Array(COUNTERS);
  const read = intervals.map(({ startNs, endNs, changes, histograms }, row): Interval => {
    before = withChanges(changes, before);
    const encoded = (name: LatencyName, i: number) =>
      histograms?.[i] ?? rows.at(row)?.histograms[name];
    const latencies = LATENCY_NAMES.map((name, i) => {
      const text = encoded(name, i);
      return text === undefined ? NO_COUNTS : packCounts(decodeHistogram(text), packer);
    });
    return { startNs, endNs, counters: before, latencies };
  });
  return { intervalNs, intervals: read };
}

function withChanges(text: string, before: Float64Array): Float64Array<ArrayBuffer> {
  const counters = Float64Array.from(before);
  for (const change of text === '' ? [] : text.split(' ')) {
    const [name, value] = change.split('=');
    const counter = new Map<string, Counter>(Object.entries(Counter)).get(name);
    if (counter === undefined) throw unreadable(`it has a counter '${name}' that is not known`);
    [counters[counter]] = numbersOf(value, 1);
  }
  return counters;
}

function numbersOf(text: string | undefined, count: number): number[] {
  const numbers = (text ?? '').split(' ').map(Number);
  if (numbers.length !== count || numbers.some((each) => !Number.isFinite(each))) {
    throw unreadable(`'${text}' are not ${count} numbers`);
  }
  return numbers;
}

const unreadable = (what: string): ReplayError =>
  new ReplayError({
    code: 'ERR_MEASURE_RECORD',
    kind: 'usage',
    message: `the result cannot be added to others: ${what}`,
    hint: 'give files that this version of gryphon replay --json or --out wrote',
  });
