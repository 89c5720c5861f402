/** From what a run counted and recorded to its result. */
import { NS_PER_MS, NS_PER_SECOND } from '../base/time.ts';
import { formatPercentage } from '../base/units.ts';
import { classReports } from './class-reports.ts';
import { type CountedPart, countedOf, userReport } from './counted.ts';
import { Counter, lossesOf } from './counters.ts';
import type { Differences } from './differences.ts';
import type { Measured } from './figures.ts';
import { encodeHistogram, encodePacked } from './histogram-codec.ts';
import {
  LATENCY_NAMES,
  Latency,
  type LatencyName,
  type LatencyTable,
  sparseCount,
  sparseValueAtPercentileNs,
} from './histograms.ts';
import type { Interval, Timeline } from './intervals.ts';
import { checkLedger, failedUsers } from './ledger.ts';
import { unpackCounts } from './packed-counts.ts';
import type { RequestClasses } from './request-classes.ts';
import {
  LAG_MS_P99_BOUND,
  RESULT_SCHEMA,
  type RunResult,
  type TimelineLatency,
  type TimelineRow,
} from './result.ts';
import type { RunFacts } from './run-facts.ts';
import { evaluateThresholds, type Threshold } from './thresholds.ts';

/** More answers than this share whose end is told by quiet draw a warning. */
const QUIET_SHARE_MAX = 0.01;

/** What a run counted and recorded, all threads together. */
export interface RunTotals {
  /** `sumCounters` of the threads' rows. */
  readonly counters: Float64Array;
  readonly latency: LatencyTable;
  readonly classes: RequestClasses;
  readonly differences: Differences;
  readonly timeline: Timeline;
}

/** The result of a run. Its thresholds are held here; one that is relative needs a baseline. */
export function buildResult(
  facts: RunFacts,
  record: RunTotals,
  thresholds: readonly Threshold[],
  baseline: readonly Measured[] = [],
): RunResult {
  const { latency, counters, timeline } = record;
  const measured = countedOf(facts, counters);
  const lagMsP99 = latency.row(Latency.LAG).p99 ?? 0;
  const clamped = LATENCY_NAMES.reduce((sum, _, i) => sum + latency.clamped(i as Latency), 0);
  const classes = classReports(record.classes);
  const faults = checkLedger({ ...measured, capture: facts.capture, classes });
  return {
    schema: RESULT_SCHEMA,
    version: facts.version,
    command: facts.command,
    startedAt: facts.startedAt,
    durationSeconds: facts.durationNs / NS_PER_SECOND,
    clock: facts.clock,
    wallSeconds: facts.wallSeconds,
    interrupted: facts.isInterrupted,
    capture: facts.capture,
    plan: facts.plan,
    shares: facts.shares,
    ...measured,
    latency: { unit: 'ms', ...byName((i) => latency.row(i)) },
    histograms: byName((i) => encodeHistogram(latency.sparse(i))),
    differences: record.differences,
    classes,
    timeline: {
      intervalSeconds: record.timeline.intervalNs / NS_PER_SECOND,
      intervals: record.timeline.intervals.map((interval) => timelineRow(interval, facts.plays)),
    },
    thresholds: evaluateThresholds(
      thresholds,
      [
        {
          counted: measured,
          latency,
          timeline,
          durationNs: facts.durationNs,
          classes: record.classes,
        },
      ],
      baseline,
    ),
    failure: facts.failure,
    failureKind: facts.failureKind,
    stopped: facts.stopped,
    faults,
    generator: {
      ...facts.generator,
      warnings: [
        ...facts.generator.warnings,
        ...clampWarning(clamped),
        ...quietWarning(measured, facts.plan.mode),
      ],
      startLagMsMax: counters[Counter.START_LAG_NS_MAX] / NS_PER_MS,
      lateStarts: counters[Counter.STARTED_LATE],
      heldStarts: counters[Counter.STARTED_HELD],
      lagMsP99Bound: LAG_MS_P99_BOUND,
      fellBehind: lagMsP99 > LAG_MS_P99_BOUND,
    },
    stateBytesPerUser: facts.stateBytesPerUser,
    record: null,
  };
}

function timelineRow(
  { startNs, endNs, latencies, counters }: Interval,
  plays: number,
): TimelineRow {
  const users = userReport(plays, counters);
  const latency: Partial<Record<LatencyName, TimelineLatency>> = {};
  let histograms: TimelineRow['histograms'] | null = null;
  for (const [i, name] of LATENCY_NAMES.entries()) {
    if (latencies[i].length === 0) continue;
    const sparse = unpackCounts(latencies[i]);
    const at = (percentile: number) => sparseValueAtPercentileNs(sparse, percentile) / NS_PER_MS;
    latency[name] = { count: sparseCount(sparse), p50: at(50), p99: at(99), max: at(100) };
  }
  return {
    startSeconds: startNs / NS_PER_SECOND,
    endSeconds: endNs / NS_PER_SECOND,
    started: counters[Counter.STARTED],
    waiting: users.waiting,
    live: users.live,
    completed: users.completed,
    failed: failedUsers(users),
    refused: users.refused,
    reset: users.reset,
    timedOut: users.timedOut,
    aborted: users.aborted,
    established: counters[Counter.ESTABLISHED],
    connected: counters[Counter.CONNECTED],
    due: counters[Counter.EXCHANGES_INTENDED],
    sent: counters[Counter.EXCHANGES_SENT],
    answered: counters[Counter.EXCHANGES_ANSWERED],
    ...lossesOf(counters),
    latency,
    // Made when they are asked for: an hour's take seconds, for which its summary should not wait.
    get histograms() {
      histograms ??= encoded(latencies);
      return histograms;
    },
  };
}

const encoded = (latencies: Interval['latencies']): TimelineRow['histograms'] =>
  Object.fromEntries(
    LATENCY_NAMES.map((name, i) => [name, latencies[i]] as const)
      .filter(([, packed]) => packed.length > 0)
      .map(([name, packed]) => [name, encodePacked(packed)]),
  );

const clampWarning = (clamped: number): readonly string[] =>
  clamped === 0
    ? []
    : [`${clamped} latencies were below 0 or above 39 hours and count as the nearer of the two`];

/**
 * An answer whose end is told by quiet holds its user for up to 300 ms, and what comes later counts
 * as unsolicited.
 */
function quietWarning({ exchanges, answerRules }: CountedPart, mode: string): readonly string[] {
  const quiet = answerRules['push-quiet'];
  if (quiet <= exchanges.answered * QUIET_SHARE_MAX) return [];
  const share = formatPercentage(quiet / exchanges.answered);
  const isIntercepted = mode !== 'embedded' && mode !== 'local';
  const cure = isIntercepted ? '; more --prefix-bytes at the intercept show more of them' : '';
  return [
    `the end of ${share} of the answers was told by nothing more coming (push-quiet): ` +
      `their users went on later than recorded${cure}`,
  ];
}

function byName<T>(of: (latency: Latency) => T): Record<LatencyName, T> {
  return {
    connect: of(Latency.CONNECT),
    firstByte: of(Latency.FIRST_BYTE),
    response: of(Latency.RESPONSE),
    service: of(Latency.SERVICE),
    lag: of(Latency.LAG),
    held: of(Latency.HELD),
    login: of(Latency.LOGIN),
  };
}
