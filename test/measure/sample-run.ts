import { NS_PER_SECOND } from '../../src/base/time.ts';
import { parseThreshold } from '../../src/cli/values/thresholds.ts';
import { buildResult, type RunTotals } from '../../src/measure/build-result.ts';
import { Counter, createCounters } from '../../src/measure/counters.ts';
import { NO_DIFFERENCES } from '../../src/measure/differences.ts';
import { Latency, LatencyRecorder, LatencyTable } from '../../src/measure/histograms.ts';
import { IntervalRecorder } from '../../src/measure/intervals.ts';
import { NO_CLASSES } from '../../src/measure/request-classes.ts';
import type { RunResult } from '../../src/measure/result.ts';
import type { RunFacts } from '../../src/measure/run-facts.ts';

/** A counter's name. */
export type CounterName = keyof typeof Counter;

export const FACTS: RunFacts = {
  version: '0.1.0',
  command: ['replay', 'http.pcap', '--users', '1000'],
  startedAt: '2026-01-02T03:04:05.678Z',
  durationNs: 10 * NS_PER_SECOND,
  clock: 'virtual',
  wallSeconds: 0.5,
  capture: {
    files: ['http.pcap'],
    digest: '0f',
    sessions: { total: 12, replayable: 10, skipped: { 'no-syn': 2 } },
  },
  plan: {
    per: 'connection',
    users: 1000,
    iterations: 1,
    accel: 10,
    pace: 'think',
    clients: '198.18.0.0/15',
    target: 'embedded',
    mode: 'embedded',
    seed: 7,
    arrivals: 'users start as recorded ÷ 10, over 9.90 s',
    untilSeconds: null,
    digest: 'f0',
  },
  shares: { of: 1, played: [1] },
  plays: 1000,
  clientPlays: null,
  recordedPerSecond: 205,
  generator: {
    cpuSeconds: 0.4,
    peakRssBytes: 92_000_000,
    threads: 1,
    interceptSilentSeconds: 0,
    warnings: [],
    notes: [],
  },
  stateBytesPerUser: 96,
  isInterrupted: false,
  failure: null,
  failureKind: null,
  stopped: null,
};

/** 1000 users, 990 of which complete two exchanges each, 1 ms .. 1.98 s. */
const COUNTED: Partial<Record<CounterName, number>> = {
  STARTED: 1000,
  COMPLETED: 990,
  REFUSED: 2,
  RESET: 3,
  TIMED_OUT: 4,
  ABORTED: 1,
  PEAK_ESTABLISHED: 321,
  CONNECTED: 998,
  EXCHANGES_PLANNED: 2000,
  EXCHANGES_OF_COMPLETED: 1980,
  OCTETS_PLANNED: 124_000,
  OCTETS_OF_COMPLETED: 122_000,
  EXCHANGES_INTENDED: 2000,
  EXCHANGES_SENT: 1990,
  EXCHANGES_ANSWERED: 1980,
  EXCHANGES_MISMATCHED: 5,
  MISMATCHED_LENGTH: 5,
  PACKETS_SENT: 9000,
  PACKETS_RECEIVED: 8000,
  RETRANSMITTED: 8,
  SYN_RETRANSMITTED: 1,
  PAYLOAD_BYTES_SENT: 123_456,
  PAYLOAD_BYTES_RECEIVED: 7_654_321,
  ANSWER_BY_PROTOCOL: 1900,
  ANSWER_BY_LENGTH: 80,
  TIMED_OUT_CONNECTING: 1,
  TIMED_OUT_WAITING: 3,
  RESET_DURING_ANSWER: 3,
  ABORTED_CLOSED_EARLY: 1,
  DROPPED_STALE: 6,
  UNSENT_NO_BUFFERS: 2,
  EMBEDDED_OCTETS_CHECKED: 123_456,
};

/** 1000 users that were started, of whom nothing is known yet. */
export const NOTHING_COUNTED: Partial<Record<CounterName, number>> = {
  ...Object.fromEntries(Object.keys(COUNTED).map((name) => [name, 0])),
  STARTED: 1000,
};

export function sampleRecord(changes: Partial<Record<CounterName, number>> = {}): RunTotals {
  const counters = createCounters();
  const recorder = new LatencyRecorder();
  const intervals = new IntervalRecorder(recorder, counters);
  for (let i = 1; i <= 1980; i++) {
    const atNs = i * 5_000_000;
    intervals.roll(atNs);
    counters[Counter.EXCHANGES_ANSWERED]++;
    counters[Counter.EXCHANGES_SENT]++;
    if (i <= 998) recorder.record(Latency.CONNECT, 200_000 + i);
    recorder.record(Latency.FIRST_BYTE, i * 900_000);
    recorder.record(Latency.RESPONSE, i * 1_000_000);
    recorder.record(Latency.SERVICE, i * 990_000);
    recorder.record(Latency.LAG, i * 1000);
  }
  const timeline = intervals.finish(FACTS.durationNs);
  for (const [name, count] of Object.entries({ ...COUNTED, ...changes })) {
    counters[Counter[name as CounterName]] = count;
  }
  const latency = LatencyTable.of([recorder.columns]);
  return { counters, latency, classes: NO_CLASSES, differences: NO_DIFFERENCES, timeline };
}

export const sampleResult = (
  thresholds: readonly string[] = [],
  facts: Partial<RunFacts> = {},
  changes: Partial<Record<CounterName, number>> = {},
): RunResult =>
  buildResult({ ...FACTS, ...facts }, sampleRecord(changes), thresholds.map(parseThreshold));
