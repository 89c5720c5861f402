/**
 * What is known of a run when it is over, in a form that can be added exactly: raw counters, whole
 * histograms, intervals. Every result is computed from one (`record-result.ts`), and the records of
 * a run's shares add up to the record of the run, in whatever order they are added.
 *
 * Most figures add. The clock and the latest start are the largest, path MTUs the smallest of all.
 * Peaks of concurrency cannot be added: every interval holds each part's own peak, and the run's is
 * the largest sum of an interval (`addTimelines`). That is exact for one part; of several it is
 * never too small, and too large only by what they had at different moments of one interval.
 */
import { Counter, sumCounters } from './counters.ts';
import { addDifferences, type Differences, NO_DIFFERENCES } from './differences.ts';
import { LATENCY_NAMES, type Latency, LatencyTable } from './histograms.ts';
import { addTimelines, type Timeline } from './intervals.ts';
import { addClasses, NO_CLASSES, type RequestClasses } from './request-classes.ts';
import type { RunFacts } from './run-facts.ts';

/** What all shares of a run have in common: records add where this is the same. */
export interface RunIdentity {
  /** Of gryphon. */
  readonly version: string;
  readonly clock: RunFacts['clock'];
  /** Of the captures' contents, hexadecimal. */
  readonly captureDigest: string;
  /** Of the captures and of all options that decide what the users do, hexadecimal. */
  readonly planDigest: string;
  /** The options of which that is, by name, each as JSON: so that what differs can be told. */
  readonly asked: Readonly<Record<string, string>>;
  readonly sessions: RunFacts['capture']['sessions'];
  /** Of the whole run, whatever share of it was played. */
  readonly plan: Omit<RunFacts['plan'], 'mode' | 'digest'>;
  /** What the recorded timing comes to for the whole run: plays, and how long they take. */
  readonly recorded: { readonly plays: number; readonly durationNs: number };
  /** Into how many shares the run was divided; 1: it was not. */
  readonly shares: number;
  readonly stateBytesPerUser: number;
}

/** What one process knows of the share that it played. */
export interface ShareFacts extends Pick<RunFacts, 'command' | 'startedAt' | 'wallSeconds'> {
  /** From 0. */
  readonly share: number;
  /** Users of the share. */
  readonly users: number;
  /**
   * Where users are clients: connections of all their plays, or, where time says how often they play, of
   * each one's first. Absent where users are connections.
   */
  readonly connections?: number;
  readonly files: readonly string[];
  /** How replies came: `RunFacts.plan.mode`. */
  readonly mode: string;
  readonly generator: RunFacts['generator'];
  readonly isInterrupted: boolean;
  readonly failure: string | null;
  readonly failureKind: RunFacts['failureKind'];
  readonly stopped: string | null;
}

/** The sum of what shares of a run counted and recorded. */
export interface RunRecord {
  readonly identity: RunIdentity;
  /** By their numbers. */
  readonly shares: readonly ShareFacts[];
  /** `sumCounters`, but for `PEAK_ESTABLISHED`, which is 0: the timelines have it. */
  readonly counters: Float64Array;
  readonly latency: LatencyTable;
  readonly classes: RequestClasses;
  readonly differences: Differences;
  /** One for each length of intervals, ascending: they are joined only when all are there. */
  readonly timelines: readonly Timeline[];
}

/** What threads of a run hold when it is over. */
export interface Measurements {
  /** A row a thread. */
  readonly counters: readonly Float64Array[];
  readonly latency: LatencyTable;
  readonly classes: RequestClasses;
  readonly differences: Differences;
  readonly timelines: readonly Timeline[];
}

/** Of a run that never began. */
export const nothingMeasured = (): Measurements => ({
  counters: [],
  latency: new LatencyTable(),
  classes: NO_CLASSES,
  differences: NO_DIFFERENCES,
  timelines: [],
});

/** The record of one share, which may be the whole run. */
export function recordOf(
  identity: RunIdentity,
  share: ShareFacts,
  { counters, latency, classes, differences, timelines }: Measurements,
): RunRecord {
  return {
    identity,
    shares: [share],
    counters: addCounters(counters),
    latency,
    classes,
    differences,
    timelines: byLength(timelines),
  };
}

/**
 * The sum of two records of one run. It is exact, and the order of additions makes no difference.
 * Whether they are of one run, and of different shares, the caller has made sure of.
 */
export function mergeRecords(a: RunRecord, b: RunRecord): RunRecord {
  const latency = new LatencyTable();
  for (const table of [a.latency, b.latency]) {
    for (let i = 0; i < LATENCY_NAMES.length; i++) {
      latency.addExactly(i as Latency, table.sparse(i as Latency), table.totals(i as Latency));
    }
  }
  return {
    // Where time ends the run, shares may differ in how often users could play at most.
    identity: a.shares[0].share <= b.shares[0].share ? a.identity : b.identity,
    shares: [...a.shares, ...b.shares].sort((one, other) => one.share - other.share),
    counters: addCounters([a.counters, b.counters]),
    latency,
    classes: addClasses(a.classes, b.classes),
    differences: addDifferences([a.differences, b.differences]),
    timelines: byLength([...a.timelines, ...b.timelines]),
  };
}

function addCounters(rows: readonly Float64Array[]): Float64Array {
  const sum = sumCounters(rows);
  sum[Counter.PEAK_ESTABLISHED] = 0;
  return sum;
}

function byLength(timelines: readonly Timeline[]): Timeline[] {
  const lengths = [...new Set(timelines.map(({ intervalNs }) => intervalNs))];
  return lengths
    .sort((a, b) => a - b)
    .map((length) => addTimelines(timelines.filter(({ intervalNs }) => intervalNs === length)));
}
