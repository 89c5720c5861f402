/** The result of a run: the one document that every report is made from. */
import { NS_PER_MS, NS_PER_SECOND } from '../base/time.ts';
import { Counter } from './counters.ts';
import { decodeHistogram, encodeHistogram } from './histogram-codec.ts';
import {
  LATENCY_NAMES,
  Latency,
  type LatencyName,
  type LatencyRow,
  LatencyTable,
  sparseCount,
  sparseValueAtPercentileNs,
} from './histograms.ts';
import type { Interval, Timeline } from './intervals.ts';
import {
  evaluateThresholds,
  failedUsers,
  type Threshold,
  type ThresholdOutcome,
} from './thresholds.ts';

export const RESULT_SCHEMA = 'gryphon.result/1';

/**
 * With a higher p99 of the lag than this, in ms, a run counts as having fallen behind its plan.
 * Ten times what a timer and a full batch cost; below it the lag is well within the latencies
 * that people set limits for.
 */
export const LAG_MS_P99_BOUND = 10;

type Counts = Readonly<Record<string, number>>;

/** Plays of a session by a user; `planned` is the sum of the others at every moment. */
export interface Ledger {
  readonly planned: number;
  readonly waiting: number;
  readonly live: number;
  readonly completed: number;
  readonly refused: number;
  readonly reset: number;
  readonly timedOut: number;
  readonly aborted: number;
}

export interface UserReport extends Ledger {
  /** The most connections that were established at once (with threads: the sum of theirs). */
  readonly peakEstablished: number;
  /** Why users ended otherwise than completed: adds up to the state of that name. */
  readonly reasons: {
    readonly reset: Counts;
    readonly timedOut: Counts;
    readonly aborted: Counts;
  };
}

/** How a run stood at the end of an interval (totals since its start), and what was recorded in it. */
export interface TimelineRow {
  readonly startSeconds: number;
  readonly endSeconds: number;
  readonly started: number;
  readonly live: number;
  readonly established: number;
  readonly completed: number;
  readonly failed: number;
  readonly sent: number;
  readonly answered: number;
  /** Of what was recorded in the interval, in milliseconds; only where something was. */
  readonly latency: Readonly<Partial<Record<LatencyName, TimelineLatency>>>;
  /** V2 compressed, for the same. */
  readonly histograms: Readonly<Partial<Record<LatencyName, string>>>;
}

export interface TimelineLatency {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** What a run knows of itself without having counted it. */
export interface RunFacts {
  readonly version: string;
  readonly command: readonly string[];
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  /** On the run's own clock. */
  readonly durationNs: number;
  /** What that clock is: with the embedded target time is virtual unless asked otherwise. */
  readonly clock: 'virtual' | 'real';
  /** How long it took on the wall's clock. */
  readonly wallSeconds: number;
  readonly capture: {
    readonly files: readonly string[];
    readonly sessions: {
      readonly total: number;
      readonly replayable: number;
      readonly skipped: Counts;
    };
  };
  readonly plan: {
    readonly users: number;
    readonly iterations: number;
    readonly accel: number;
    readonly pace: string;
    readonly clients: string;
    readonly target: string;
    readonly mode: string;
    readonly seed: number;
    /** `ArrivalPlan.description`. */
    readonly arrivals: string;
  };
  /** Plays that the plan held: users × iterations; in a run of limited duration those begun. */
  readonly plays: number;
  /**
   * Exchanges per second that the plan asks for, over its own duration; `null` when it has no pace
   * of its own. Then what was intended per second of the run counts as offered.
   */
  readonly offeredPerSecond: number | null;
  readonly generator: {
    readonly cpuSeconds: number;
    readonly peakRssBytes: number;
    readonly threads: number;
    /** What the user should know: one line each. */
    readonly warnings: readonly string[];
    /** What was done to the surroundings, answered ARP for instance: one line each. */
    readonly notes: readonly string[];
  };
  readonly stateBytesPerUser: number;
  readonly isInterrupted: boolean;
}

/** What the embedded target found; the first two must be 0. */
export interface EmbeddedReport {
  readonly badChecksums: number;
  readonly badOctets: number;
  readonly octetsChecked: number;
}

/** `gryphon.result/1`: times in milliseconds unless a name says otherwise, rates per second, bytes. */
export interface RunResult {
  readonly schema: typeof RESULT_SCHEMA;
  readonly version: string;
  readonly command: readonly string[];
  readonly startedAt: string;
  readonly durationSeconds: number;
  readonly clock: 'virtual' | 'real';
  readonly wallSeconds: number;
  readonly interrupted: boolean;
  readonly capture: RunFacts['capture'];
  readonly plan: RunFacts['plan'];
  readonly users: UserReport;
  readonly exchanges: {
    readonly intended: number;
    readonly sent: number;
    readonly answered: number;
    readonly unanswered: number;
    readonly mismatched: number;
  };
  /** How the ends of answers were recognised. */
  readonly answerRules: Counts;
  readonly packets: {
    readonly sent: number;
    readonly received: number;
    readonly retransmitted: number;
    readonly synRetransmitted: number;
    /** Packets that were not sent (`unsent…`) or came in and were of no use, by reason. */
    readonly dropped: Counts;
  };
  /** TCP payload. */
  readonly bytes: { readonly sent: number; readonly received: number };
  readonly rates: {
    /** Exchanges per second: as planned, and answered. */
    readonly offered: number;
    readonly achieved: number;
    /** New connections per second, and how many there were. */
    readonly connections: number;
    readonly connected: number;
  };
  readonly latency: { readonly unit: 'ms' } & Readonly<Record<LatencyName, LatencyRow>>;
  readonly histograms: Readonly<Record<LatencyName, string>>;
  readonly timeline: {
    readonly intervalSeconds: number;
    readonly intervals: readonly TimelineRow[];
  };
  readonly thresholds: readonly ThresholdOutcome[];
  readonly generator: RunFacts['generator'] & {
    /** The latest start of a user after its intended time. */
    readonly startLagMsMax: number;
    readonly lagMsP99Bound: number;
    /** The lag's p99 exceeds the bound: part of the latencies is the generator's own. */
    readonly fellBehind: boolean;
  };
  readonly embedded: EmbeddedReport | null;
  readonly stateBytesPerUser: number;
}

/** What a run counted and recorded, all threads together. */
export interface RunRecord {
  /** `sumCounters` of the threads' rows. */
  readonly counters: Float64Array;
  readonly latency: LatencyTable;
  readonly timeline: Timeline;
}

/** The result of a run. Its thresholds are held here; one that is relative needs a baseline. */
export function buildResult(
  facts: RunFacts,
  record: RunRecord,
  thresholds: readonly Threshold[],
  baseline: RunResult | null = null,
): RunResult {
  const { latency, counters } = record;
  const measured = measure(facts, counters);
  const lagMsP99 = latency.row(Latency.LAG).p99 ?? 0;
  const clamped = LATENCY_NAMES.reduce((sum, _, i) => sum + latency.clamped(i as Latency), 0);
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
    ...measured,
    latency: { unit: 'ms', ...byName((i) => latency.row(i)) },
    histograms: byName((i) => encodeHistogram(latency.sparse(i))),
    timeline: {
      intervalSeconds: record.timeline.intervalNs / NS_PER_SECOND,
      intervals: record.timeline.intervals.map(timelineRow),
    },
    thresholds: evaluateThresholds(
      thresholds,
      { result: measured, latency },
      baseline === null ? null : { result: baseline, latency: latencyOf(baseline) },
    ),
    generator: {
      ...facts.generator,
      warnings: [...facts.generator.warnings, ...clampWarning(clamped)],
      startLagMsMax: counters[Counter.START_LAG_NS_MAX] / NS_PER_MS,
      lagMsP99Bound: LAG_MS_P99_BOUND,
      fellBehind: lagMsP99 > LAG_MS_P99_BOUND,
    },
    stateBytesPerUser: facts.stateBytesPerUser,
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

/** The identities of the ledger that do not hold, as sentences; none of them in a sound result. */
export function checkLedger(result: RunResult): readonly string[] {
  const { users, capture, exchanges } = result;
  const faults: string[] = [];
  const mustEqual = (what: string, expected: number, found: number): void => {
    if (expected !== found) faults.push(`${what}: ${expected} is not ${found}`);
  };
  const ended = users.completed + failedUsers(users);
  mustEqual(
    'users planned = waiting + live + ended',
    users.planned,
    users.waiting + users.live + ended,
  );
  for (const state of ['reset', 'timedOut', 'aborted'] as const) {
    mustEqual(`users ${state} = its reasons`, users[state], total(users.reasons[state]));
  }
  for (const state of ['waiting', 'live'] as const) {
    if (users[state] < 0) faults.push(`users ${state} is ${users[state]}`);
  }
  const { sessions } = capture;
  const sorted = sessions.replayable + total(sessions.skipped);
  mustEqual('sessions total = replayable + skipped', sessions.total, sorted);
  mustEqual(
    'exchanges sent = answered + unanswered',
    exchanges.sent,
    exchanges.answered + exchanges.unanswered,
  );
  mustEqual('answered = its rules', exchanges.answered, total(result.answerRules));
  if (exchanges.unanswered < 0) faults.push(`exchanges unanswered is ${exchanges.unanswered}`);
  return faults;
}

type MeasuredPart = Pick<
  RunResult,
  'users' | 'exchanges' | 'answerRules' | 'packets' | 'bytes' | 'rates' | 'embedded'
>;

function measure(facts: RunFacts, counters: Float64Array): MeasuredPart {
  const count = (counter: Counter): number => counters[counter];
  const seconds = facts.durationNs / NS_PER_SECOND;
  const perSecond = (value: number): number => (seconds > 0 ? value / seconds : 0);
  const isEmbedded = facts.plan.mode === 'embedded';
  const sent = count(Counter.EXCHANGES_SENT);
  const answered = count(Counter.EXCHANGES_ANSWERED);
  return {
    users: userReport(facts.plays, counters),
    exchanges: {
      intended: count(Counter.EXCHANGES_INTENDED),
      sent,
      answered,
      unanswered: sent - answered,
      mismatched: count(Counter.EXCHANGES_MISMATCHED),
    },
    answerRules: {
      http: count(Counter.ANSWER_BY_PROTOCOL),
      'recorded-length': count(Counter.ANSWER_BY_LENGTH),
      'push-quiet': count(Counter.ANSWER_BY_QUIET),
      close: count(Counter.ANSWER_BY_CLOSE),
    },
    packets: {
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
        ringFull: count(Counter.RING_DROPPED),
        unsentNoBuffers: count(Counter.UNSENT_NO_BUFFERS),
        unsentNotPermitted: count(Counter.UNSENT_NOT_PERMITTED),
        unsentTooLong: count(Counter.UNSENT_TOO_LONG),
        unsentOther: count(Counter.UNSENT_OTHER),
      },
    },
    bytes: {
      sent: count(Counter.PAYLOAD_BYTES_SENT),
      received: count(Counter.PAYLOAD_BYTES_RECEIVED),
    },
    rates: {
      offered: facts.offeredPerSecond ?? perSecond(count(Counter.EXCHANGES_INTENDED)),
      achieved: perSecond(answered),
      connections: perSecond(count(Counter.CONNECTED)),
      connected: count(Counter.CONNECTED),
    },
    embedded: !isEmbedded
      ? null
      : {
          badChecksums: count(Counter.EMBEDDED_BAD_CHECKSUM),
          badOctets: count(Counter.EMBEDDED_BAD_OCTETS),
          octetsChecked: count(Counter.EMBEDDED_OCTETS_CHECKED),
        },
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

function byName<T>(of: (latency: Latency) => T): Record<LatencyName, T> {
  return {
    connect: of(Latency.CONNECT),
    firstByte: of(Latency.FIRST_BYTE),
    response: of(Latency.RESPONSE),
    service: of(Latency.SERVICE),
    lag: of(Latency.LAG),
  };
}

const total = (counts: Counts): number =>
  Object.values(counts).reduce((sum, each) => sum + each, 0);
