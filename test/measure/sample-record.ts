/** Results with a record, of runs whose response times a test chooses. */
import { NS_PER_MS, NS_PER_SECOND } from '../../src/base/time.ts';
import { Counter, createCounters } from '../../src/measure/counters.ts';
import { NO_DIFFERENCES } from '../../src/measure/differences.ts';
import { Latency, LatencyRecorder, LatencyTable } from '../../src/measure/histograms.ts';
import { IntervalRecorder } from '../../src/measure/intervals.ts';
import { resultOf } from '../../src/measure/record-result.ts';
import { NO_CLASSES } from '../../src/measure/request-classes.ts';
import type { RunResult } from '../../src/measure/result.ts';
import {
  type RunIdentity,
  type RunRecord,
  recordOf,
  type ShareFacts,
} from '../../src/measure/run-record.ts';
import type { Threshold } from '../../src/measure/thresholds.ts';
import { FACTS } from './sample-run.ts';

const SHARE: ShareFacts = {
  share: 0,
  users: FACTS.plan.users,
  command: FACTS.command,
  files: FACTS.capture.files,
  startedAt: FACTS.startedAt,
  wallSeconds: 10,
  mode: 'local',
  generator: FACTS.generator,
  isInterrupted: false,
  failure: null,
  failureKind: null,
  stopped: null,
};

const { mode: _mode, digest: _digest, ...PLAN } = FACTS.plan;

const IDENTITY: RunIdentity = {
  version: '0.1.0',
  clock: 'real',
  captureDigest: '0f',
  planDigest: 'f0',
  asked: { users: '1000', pace: '"think"' },
  sessions: FACTS.capture.sessions,
  plan: { ...PLAN, target: '10.0.0.5:80' },
  recorded: { plays: FACTS.plan.users, durationNs: FACTS.durationNs },
  shares: 1,
  stateBytesPerUser: 138,
};

/** What a test says of a run. */
export interface SampleRun {
  /** Of each answer in turn; they are spread evenly over the run. */
  readonly responseMs: readonly number[];
  readonly durationSeconds?: number;
  /** Users that were reset, of `users`. */
  readonly reset?: number;
  readonly identity?: Partial<RunIdentity>;
}

/** The record of a run in which each user asks once and is answered, but for those that are reset. */
export function sampleRunRecord({
  responseMs,
  durationSeconds = 10,
  reset = 0,
  identity = {},
}: SampleRun): RunRecord {
  const users = responseMs.length + reset;
  const counters = createCounters();
  const recorder = new LatencyRecorder();
  const intervals = new IntervalRecorder(recorder, counters);
  const durationNs = durationSeconds * NS_PER_SECOND;
  const add = (counter: Counter, count = 1): void => {
    counters[counter] += count;
  };
  for (const [i, ms] of responseMs.entries()) {
    const atNs = Math.floor((i * durationNs) / responseMs.length);
    intervals.roll(atNs);
    counters[Counter.CLOCK_NS] = atNs;
    for (const each of ONCE_A_USER) add(each);
    recorder.record(Latency.CONNECT, 200_000);
    recorder.record(Latency.FIRST_BYTE, ms * NS_PER_MS * 0.5);
    recorder.record(Latency.RESPONSE, ms * NS_PER_MS);
    recorder.record(Latency.SERVICE, ms * NS_PER_MS);
    recorder.record(Latency.LAG, 10_000);
  }
  add(Counter.STARTED, reset);
  add(Counter.EXCHANGES_PLANNED, reset);
  add(Counter.RESET, reset);
  add(Counter.RESET_BEFORE_ANSWER, reset);
  counters[Counter.CLOCK_NS] = durationNs;
  const timeline = intervals.finish(durationNs);
  const plan = { ...IDENTITY.plan, users };
  return recordOf(
    { ...IDENTITY, plan, recorded: { plays: users, durationNs }, ...identity },
    { ...SHARE, users },
    {
      counters: [counters],
      latency: LatencyTable.of([recorder.columns]),
      classes: NO_CLASSES,
      differences: NO_DIFFERENCES,
      timelines: [timeline],
    },
  );
}

const ONCE_A_USER: readonly Counter[] = [
  Counter.STARTED,
  Counter.COMPLETED,
  Counter.CONNECTED,
  Counter.EXCHANGES_PLANNED,
  Counter.EXCHANGES_OF_COMPLETED,
  Counter.EXCHANGES_INTENDED,
  Counter.EXCHANGES_SENT,
  Counter.EXCHANGES_ANSWERED,
  Counter.ANSWER_BY_PROTOCOL,
  Counter.STATUS_2XX,
  Counter.PACKETS_SENT,
  Counter.PACKETS_RECEIVED,
];

/** The result of such a run. */
export const sampleRun = (run: SampleRun, thresholds: readonly Threshold[] = []): RunResult =>
  resultOf(sampleRunRecord(run), thresholds);
