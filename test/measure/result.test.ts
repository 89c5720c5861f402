import { describe, expect, test } from 'vitest';
import { NS_PER_SECOND } from '../../src/base/time.ts';
import { buildResult } from '../../src/measure/build-result.ts';
import { Counter, createCounters } from '../../src/measure/counters.ts';
import { Latency, LatencyRecorder, LatencyTable } from '../../src/measure/histograms.ts';
import { IntervalRecorder } from '../../src/measure/intervals.ts';
import { checkLedger } from '../../src/measure/ledger.ts';
import { measuredOf } from '../../src/measure/measured.ts';
import { type CounterName, FACTS, sampleRecord, sampleResult } from './sample-run.ts';

describe('a result', () => {
  test('has the shape of gryphon.result/1', () => {
    const result = sampleResult(['errors:rate<5%']);
    expect(result).toMatchObject({
      schema: 'gryphon.result/1',
      version: '0.1.0',
      command: ['replay', 'http.pcap', '--users', '1000'],
      startedAt: '2026-01-02T03:04:05.678Z',
      durationSeconds: 10,
      clock: 'virtual',
      capture: { sessions: { total: 12, replayable: 10, skipped: { 'no-syn': 2 } } },
      users: {
        planned: 1000,
        waiting: 0,
        live: 0,
        completed: 990,
        refused: 2,
        reset: 3,
        timedOut: 4,
        aborted: 1,
        peakEstablished: 321,
      },
      exchanges: { intended: 2000, sent: 1990, answered: 1980, unanswered: 10, mismatched: 5 },
      answerRules: { protocol: 1900, 'recorded-length': 80, 'push-quiet': 0, close: 0 },
      packets: { sent: 8998, received: 8000, retransmitted: 8, synRetransmitted: 1 },
      bytes: { sent: 123_456, received: 7_654_321 },
      rates: { due: 200, recorded: 205, achieved: 198, connections: 99.8 },
      thresholds: [{ expression: 'errors:rate<5%', ok: true, actual: 0.01 }],
      generator: {
        cpuSeconds: 0.4,
        peakRssBytes: 92_000_000,
        threads: 1,
        warnings: [],
        fellBehind: false,
      },
      embedded: { badChecksums: 0, badOctets: 0, octetsChecked: 123_456 },
      stateBytesPerUser: 96,
    });
    expect(result.latency.unit).toBe('ms');
    expect(result.latency.response).toMatchObject({ count: 1980, min: 1, mean: 990.5, max: 1980 });
    expect(Object.keys(result.latency.response)).toEqual([
      'count',
      'min',
      'mean',
      'p50',
      'p90',
      'p95',
      'p99',
      'p99.9',
      'p99.99',
      'max',
    ]);
    expect(result.packets.dropped).toMatchObject({ stale: 6, unsentNoBuffers: 2, malformed: 0 });
  });

  test('holds its histograms so that percentiles can be taken later', () => {
    const result = sampleResult();
    expect(result.histograms.response).toMatch(/^HISTFAAA/);
    const again = measuredOf(JSON.parse(JSON.stringify(result))).latency;
    const now = sampleRecord().latency;
    for (const percentile of [50, 90, 99, 99.9]) {
      expect(again.valueAtPercentileNs(Latency.RESPONSE, percentile)).toBe(
        now.valueAtPercentileNs(Latency.RESPONSE, percentile),
      );
    }
  });

  test('holds its course over time', () => {
    const { timeline } = sampleResult();
    expect(timeline.intervalSeconds).toBe(1);
    expect(timeline.intervals).toHaveLength(10);
    expect(timeline.intervals[1]).toMatchObject({ startSeconds: 1, endSeconds: 2, answered: 399 });
    expect(timeline.intervals[9].histograms.response).toMatch(/^HISTFAAA/);
    // Only the first 998 exchanges have a connection of their own.
    expect(timeline.intervals[9].histograms.connect).toBeUndefined();
  });

  test('counts users, exchanges, connections and losses up to the end of each interval', () => {
    const counters = createCounters();
    const intervals = new IntervalRecorder(new LatencyRecorder(), counters);
    const happens = (atSeconds: number, counts: Partial<Record<CounterName, number>>): void => {
      intervals.roll(atSeconds * NS_PER_SECOND);
      for (const [name, count] of Object.entries(counts)) {
        counters[Counter[name as CounterName]] += count;
      }
    };
    happens(0.2, { STARTED: 9, CONNECTED: 7, ESTABLISHED: 7, REFUSED: 2, EXCHANGES_INTENDED: 8 });
    happens(0.3, { EXCHANGES_SENT: 7, SYN_RETRANSMITTED: 2, UNSENT_NO_BUFFERS: 3 });
    happens(1.1, { EXCHANGES_ANSWERED: 6, COMPLETED: 3, ESTABLISHED: -6, RESET: 1, TIMED_OUT: 1 });
    happens(1.5, { RETRANSMITTED: 5, RING_DROPPED: 4, ABORTED: 1 });
    const record = { ...sampleRecord(), timeline: intervals.finish(2 * NS_PER_SECOND) };
    const { intervals: rows } = buildResult({ ...FACTS, plays: 12 }, record, []).timeline;
    const first = {
      started: 9,
      waiting: 3,
      live: 7,
      completed: 0,
      failed: 2,
      refused: 2,
      reset: 0,
    };
    const then = {
      completed: 3,
      live: 1,
      failed: 5,
      refused: 2,
      reset: 1,
      timedOut: 1,
      aborted: 1,
    };
    const lost = { retransmitted: 2, unsent: 3, ringFull: 0 };
    expect(rows).toMatchObject([
      { ...first, ...lost, connected: 7, established: 7, due: 8, sent: 7, answered: 0 },
      {
        ...then,
        ...lost,
        retransmitted: 7,
        ringFull: 4,
        connected: 7,
        established: 1,
        answered: 6,
      },
    ]);
  });

  test('tells what came due from what the recorded timing would have asked for', () => {
    const { rates } = sampleResult([], { recordedPerSecond: 400 });
    expect(rates).toMatchObject({ due: 200, offered: 200, recorded: 400, achieved: 198 });
  });

  test('of a run without duration has no rates', () => {
    expect(sampleResult([], { durationNs: 0 }).rates).toMatchObject({
      offered: 0,
      achieved: 0,
    });
  });

  test.each([
    [9_900_000, false],
    [10_100_000, true],
  ])('of a generator that lags by %d ns fell behind: %s', (lagNs, fellBehind) => {
    const recorder = new LatencyRecorder();
    recorder.record(Latency.LAG, lagNs);
    const record = { ...sampleRecord(), latency: LatencyTable.of([recorder.columns]) };
    expect(buildResult(FACTS, record, []).generator.fellBehind).toBe(fellBehind);
  });

  test('speaks of the embedded target only when it was the target', () => {
    const { plan } = sampleResult();
    expect(sampleResult([], { plan: { ...plan, mode: 'local' } }).embedded).toBeNull();
  });
});

describe('a warning of ends told by quiet', () => {
  const warningsWith = (quiet: number, mode: string): string => {
    const { plan } = sampleResult();
    const rules = { ANSWER_BY_QUIET: quiet, ANSWER_BY_PROTOCOL: 1900 - quiet };
    return sampleResult([], { plan: { ...plan, mode } }, rules).generator.warnings.join('\n');
  };

  test('is given above a hundredth of the answers', () => {
    expect(warningsWith(19, 'local')).toBe('');
    expect(warningsWith(20, 'local')).toContain('the end of 1.01% of the answers was told by');
  });

  test('names the remedy where an intercept hands the answers over', () => {
    expect(warningsWith(20, 'local')).not.toContain('--prefix-bytes');
    expect(warningsWith(20, 'sink')).toContain('--prefix-bytes');
  });
});

describe('the ledger', () => {
  test('of a sound result holds', () => {
    expect(checkLedger(sampleResult())).toEqual([]);
  });

  test('of a run that is still going holds', () => {
    const changes = { STARTED: 995, COMPLETED: 960, EXCHANGES_SENT: 1985 };
    const result = sampleResult([], {}, changes);
    expect([result.users.waiting, result.users.live]).toEqual([5, 25]);
    expect(checkLedger(result)).toEqual([]);
  });

  test.each([
    ['a user that ended twice', { COMPLETED: 991 }, /live is -1/],
    ['a user that was not planned', { STARTED: 1001 }, /waiting is -1/],
    [
      'a reset without a reason',
      { RESET_DURING_ANSWER: 2 },
      /users reset = its reasons: 3 is not 2/,
    ],
    ['a timeout without a reason', { TIMED_OUT_WAITING: 0 }, /timedOut/],
    ['an abort with two reasons', { ABORTED_INTERRUPTED: 1 }, /aborted/],
    ['an answer without a rule', { ANSWER_BY_LENGTH: 79 }, /answered = its rules/],
    ['an answer to nothing', { EXCHANGES_SENT: 1979 }, /unanswered is -1/],
    ['a request that no script holds', { EXCHANGES_PLANNED: 1989 }, /unsent is -1/],
    [
      'a completed user without all its answers',
      { EXCHANGES_OF_COMPLETED: 1981 },
      /exchanges of completed users: 1981, but answered: 1980/,
    ],
    ['a failed answer that never came', { EXCHANGES_FAILED: 1981 }, /failed answers: 1981, but/],
    ['more failures than users', { COMPLETED_WITH_FAILURES: 991 }, /with failures: 991, but/],
    ['octets that were never sent', { PAYLOAD_BYTES_SENT: 121_999 }, /122000, but sent: 121999/],
    [
      'octets that the target never had',
      { EMBEDDED_OCTETS_CHECKED: 121_999 },
      /122000, but received by the target: 121999/,
    ],
    [
      'octets that nobody planned to send',
      { EMBEDDED_OCTETS_CHECKED: 124_001 },
      /received by the target: 124001, but planned: 124000/,
    ],
  ])('names %s', (_name, changes, message) => {
    expect(checkLedger(sampleResult([], {}, changes)).join('\n')).toMatch(message);
  });

  test('names an exchange that was left out although every user completed', () => {
    const all = { COMPLETED: 1000, REFUSED: 0, RESET: 0, TIMED_OUT: 0, ABORTED: 0 };
    const faults = checkLedger(sampleResult([], {}, all));
    expect(faults.join('\n')).toMatch(
      /all completed: planned = answered \+ skipped: 2000 is not 1980/,
    );
  });

  test('names a session that is neither replayable nor skipped', () => {
    const { capture } = sampleResult();
    const sessions = { ...capture.sessions, total: 13 };
    const result = sampleResult([], { capture: { ...capture, sessions } });
    expect(checkLedger(result)).toEqual(['sessions total = replayable + skipped: 13 is not 12']);
  });
});
