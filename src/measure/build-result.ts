/** From what a run counted and recorded to its result. */
import { NS_PER_MS, NS_PER_SECOND } from '../base/time.ts';
import { formatPercentage } from '../base/units.ts';
import { classReports } from './class-reports.ts';
import { Counter } from './counters.ts';
import { decodeHistogram, encodeHistogram } from './histogram-codec.ts';
import {
  LATENCY_NAMES,
  Latency,
  type LatencyName,
  LatencyTable,
  sparseCount,
  sparseValueAtPercentileNs,
} from './histograms.ts';
import type { Interval, Timeline } from './intervals.ts';
import { checkLedger, total } from './ledger.ts';
import type { RequestClasses } from './request-classes.ts';
import {
  LAG_MS_P99_BOUND,
  RESULT_SCHEMA,
  type RunResult,
  type TimelineLatency,
  type TimelineRow,
  type UserReport,
} from './result.ts';
import type { RunFacts } from './run-facts.ts';
import { evaluateThresholds, failedUsers, type Threshold } from './thresholds.ts';

/** More answers than this share whose end is told by quiet draw a warning. */
const QUIET_SHARE_MAX = 0.01;

/** What a run counted and recorded, all threads together. */
export interface RunTotals {
  /** `sumCounters` of the threads' rows. */
  readonly counters: Float64Array;
  readonly latency: LatencyTable;
  readonly classes: RequestClasses;
  readonly timeline: Timeline;
}

/** The result of a run. Its thresholds are held here; one that is relative needs a baseline. */
export function buildResult(
  facts: RunFacts,
  record: RunTotals,
  thresholds: readonly Threshold[],
  baseline: RunResult | null = null,
): RunResult {
  const { latency, counters } = record;
  const measured = measure(facts, counters);
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
    classes,
    timeline: {
      intervalSeconds: record.timeline.intervalNs / NS_PER_SECOND,
      intervals: record.timeline.intervals.map(timelineRow),
    },
    thresholds: evaluateThresholds(
      thresholds,
      { result: measured, latency },
      baseline === null ? null : { result: baseline, latency: latencyOf(baseline) },
    ),
    failure: facts.failure,
    faults,
    generator: {
      ...facts.generator,
      warnings: [
        ...facts.generator.warnings,
        ...clampWarning(clamped),
        ...quietWarning(measured, facts.plan.mode),
      ],
      startLagMsMax: counters[Counter.START_LAG_NS_MAX] / NS_PER_MS,
      lagMsP99Bound: LAG_MS_P99_BOUND,
      fellBehind: lagMsP99 > LAG_MS_P99_BOUND,
    },
    stateBytesPerUser: facts.stateBytesPerUser,
    record: null,
  };
}

/**
 * The histograms of a result, for percentiles that its rows do not have and for merging.
 * @throws ReplayError ERR_MEASURE_HISTOGRAM (usage)
 */
export function latencyOf(result: RunResult): LatencyTable {
  const table = new LatencyTable();
  for (const [i, name] of LATENCY_NAMES.entries()) {
    table.addSparse(i as Latency, decodeHistogram(result.histograms[name]));
  }
  return table;
}

type MeasuredPart = Pick<
  RunResult,
  'users' | 'exchanges' | 'answerRules' | 'packets' | 'bytes' | 'rates' | 'embedded'
>;

function measure(facts: RunFacts, counters: Float64Array): MeasuredPart {
  const count = (counter: Counter): number => counters[counter];
  const isEmbedded = facts.plan.mode === 'embedded';
  return {
    users: userReport(facts.plays, counters),
    exchanges: exchangeReport(count),
    answerRules: {
      http: count(Counter.ANSWER_BY_PROTOCOL),
      'recorded-length': count(Counter.ANSWER_BY_LENGTH),
      'push-quiet': count(Counter.ANSWER_BY_QUIET),
      close: count(Counter.ANSWER_BY_CLOSE),
    },
    packets: packetReport(count),
    bytes: {
      sent: count(Counter.PAYLOAD_BYTES_SENT),
      received: count(Counter.PAYLOAD_BYTES_RECEIVED),
      planned: count(Counter.OCTETS_PLANNED),
      ofCompleted: count(Counter.OCTETS_OF_COMPLETED),
    },
    rates: rateReport(facts, count),
    embedded: !isEmbedded
      ? null
      : {
          badChecksums: count(Counter.EMBEDDED_BAD_CHECKSUM),
          badOctets: count(Counter.EMBEDDED_BAD_OCTETS),
          octetsChecked: count(Counter.EMBEDDED_OCTETS_CHECKED),
        },
  };
}

function exchangeReport(count: (counter: Counter) => number): RunResult['exchanges'] {
  const sent = count(Counter.EXCHANGES_SENT);
  const answered = count(Counter.EXCHANGES_ANSWERED);
  const planned = count(Counter.EXCHANGES_PLANNED);
  return {
    intended: count(Counter.EXCHANGES_INTENDED),
    planned,
    sent,
    answered,
    unanswered: sent - answered,
    unsent: planned - sent,
    unsolicited: count(Counter.EXCHANGES_UNSOLICITED),
    mismatched: count(Counter.EXCHANGES_MISMATCHED),
    otherLength: count(Counter.EXCHANGES_OTHER_LENGTH),
    failed: count(Counter.EXCHANGES_FAILED),
    statuses: {
      '1xx': count(Counter.STATUS_1XX),
      '2xx': count(Counter.STATUS_2XX),
      '3xx': count(Counter.STATUS_3XX),
      '4xx': count(Counter.STATUS_4XX),
      '5xx': count(Counter.STATUS_5XX),
    },
    ofCompleted: count(Counter.EXCHANGES_OF_COMPLETED),
  };
}

function packetReport(count: (counter: Counter) => number): RunResult['packets'] {
  return {
    sent: count(Counter.PACKETS_SENT),
    received: count(Counter.PACKETS_RECEIVED),
    retransmitted: count(Counter.RETRANSMITTED),
    synRetransmitted: count(Counter.SYN_RETRANSMITTED),
    dropped: {
      malformed: count(Counter.DROPPED_MALFORMED),
      notOurs: count(Counter.DROPPED_NOT_OURS),
      stale: count(Counter.DROPPED_STALE),
      outOfWindow: count(Counter.DROPPED_OUT_OF_WINDOW),
      outOfOrder: count(Counter.DROPPED_OUT_OF_ORDER),
      pathMessages: count(Counter.DROPPED_PATH_MESSAGE),
      ringFull: count(Counter.RING_DROPPED),
      unsentNoBuffers: count(Counter.UNSENT_NO_BUFFERS),
      unsentNotPermitted: count(Counter.UNSENT_NOT_PERMITTED),
      unsentTooLong: count(Counter.UNSENT_TOO_LONG),
      unsentOther: count(Counter.UNSENT_OTHER),
    },
    path: {
      mtu: count(Counter.PATH_MTU) || null,
      messages: count(Counter.PATH_MESSAGES),
      smallerTried: count(Counter.SMALLER_TRIED),
    },
  };
}

function rateReport(facts: RunFacts, count: (counter: Counter) => number): RunResult['rates'] {
  const seconds = facts.durationNs / NS_PER_SECOND;
  const perSecond = (value: number): number => (seconds > 0 ? value / seconds : 0);
  const due = perSecond(count(Counter.EXCHANGES_INTENDED));
  return {
    offered: due,
    due,
    recorded: facts.recordedPerSecond,
    achieved: perSecond(count(Counter.EXCHANGES_ANSWERED)),
    connections: perSecond(count(Counter.CONNECTED)),
    connected: count(Counter.CONNECTED),
  };
}

function userReport(plays: number, counters: Float64Array): UserReport {
  const started = counters[Counter.STARTED];
  const ended = {
    completed: counters[Counter.COMPLETED],
    refused: counters[Counter.REFUSED],
    reset: counters[Counter.RESET],
    timedOut: counters[Counter.TIMED_OUT],
    aborted: counters[Counter.ABORTED],
  };
  return {
    planned: plays,
    waiting: plays - started,
    live: started - total(ended),
    ...ended,
    peakEstablished: counters[Counter.PEAK_ESTABLISHED],
    completedWithFailures: counters[Counter.COMPLETED_WITH_FAILURES],
    unackedFin: counters[Counter.COMPLETED_UNACKED_FIN],
    reasons: {
      reset: {
        beforeAnswer: counters[Counter.RESET_BEFORE_ANSWER],
        duringAnswer: counters[Counter.RESET_DURING_ANSWER],
        afterAnswer: counters[Counter.RESET_AFTER_ANSWER],
      },
      timedOut: {
        connecting: counters[Counter.TIMED_OUT_CONNECTING],
        waiting: counters[Counter.TIMED_OUT_WAITING],
        retransmitting: counters[Counter.TIMED_OUT_RETRANSMITTING],
        closing: counters[Counter.TIMED_OUT_CLOSING],
      },
      aborted: {
        closedEarly: counters[Counter.ABORTED_CLOSED_EARLY],
        interrupted: counters[Counter.ABORTED_INTERRUPTED],
      },
    },
  };
}

function timelineRow({ startNs, endNs, latencies, counters }: Interval): TimelineRow {
  const users = userReport(counters[Counter.STARTED], counters);
  const latency: Partial<Record<LatencyName, TimelineLatency>> = {};
  const histograms: Partial<Record<LatencyName, string>> = {};
  for (const [i, name] of LATENCY_NAMES.entries()) {
    const sparse = latencies[i];
    if (sparse.indexes.length === 0) continue;
    const at = (percentile: number) => sparseValueAtPercentileNs(sparse, percentile) / NS_PER_MS;
    latency[name] = { count: sparseCount(sparse), p50: at(50), p99: at(99), max: at(100) };
    histograms[name] = encodeHistogram(sparse);
  }
  return {
    startSeconds: startNs / NS_PER_SECOND,
    endSeconds: endNs / NS_PER_SECOND,
    started: users.planned,
    live: users.live,
    established: counters[Counter.ESTABLISHED],
    completed: users.completed,
    failed: failedUsers(users),
    sent: counters[Counter.EXCHANGES_SENT],
    answered: counters[Counter.EXCHANGES_ANSWERED],
    latency,
    histograms,
  };
}

const clampWarning = (clamped: number): readonly string[] =>
  clamped === 0
    ? []
    : [`${clamped} latencies were below 0 or above 39 hours and count as the nearer of the two`];

/**
 * An answer whose end is told by quiet holds its user for up to 300 ms, and what comes later counts
 * as unsolicited.
 */
function quietWarning({ exchanges, answerRules }: MeasuredPart, mode: string): readonly string[] {
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
  };
}
