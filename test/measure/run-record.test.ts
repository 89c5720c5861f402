/** Records of a run's parts add up to the record of the run, whatever parts there are. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NS_PER_SECOND } from '../../src/base/time.ts';
import { Counter, createCounters } from '../../src/measure/counters.ts';
import { addDifferences, type Differences } from '../../src/measure/differences.ts';
import {
  LATENCY_NAMES,
  Latency,
  LatencyRecorder,
  LatencyTable,
} from '../../src/measure/histograms.ts';
import { IntervalRecorder, peakEstablished, type Timeline } from '../../src/measure/intervals.ts';
import { recordOfResult } from '../../src/measure/record-reader.ts';
import { resultOf } from '../../src/measure/record-result.ts';
import {
  type ClassColumns,
  ClassRecorder,
  createClassColumns,
  sumClasses,
} from '../../src/measure/request-classes.ts';
import {
  mergeRecords,
  type RunIdentity,
  type RunRecord,
  recordOf,
  type ShareFacts,
} from '../../src/measure/run-record.ts';
import { FACTS } from './sample-run.ts';

/** A run of hundreds of seconds is no quick thing to draw, and slow to shrink. */
const RUNS = { numRuns: 12, endOnFailure: true };

const IDENTITY: RunIdentity = {
  version: '0.1.0',
  clock: 'virtual',
  captureDigest: '0f',
  planDigest: 'f0',
  asked: { users: '1000', pace: '"think"' },
  sessions: FACTS.capture.sessions,
  plan: FACTS.plan,
  recorded: { plays: 1000, durationNs: 10e9 },
  shares: 1,
  stateBytesPerUser: 128,
};

const shareOf = (share: number): ShareFacts => ({
  share,
  users: 10 + share,
  command: FACTS.command,
  files: FACTS.capture.files,
  startedAt: new Date(Date.UTC(2026, 0, 2) + share * 7).toISOString(),
  wallSeconds: 1.25 + share,
  mode: 'embedded',
  generator: { ...FACTS.generator, cpuSeconds: 0.1 + share / 7, warnings: [`w${share}`] },
  isInterrupted: false,
  failure: null,
  failureKind: null,
  stopped: null,
});

/** Not in the order of their names. */
const CLASSES = ['other', 'GET /b', 'GET /a/{id}', 'POST /'];

/** What happens to a thread: a connection opens or closes, and something is measured. */
interface Event {
  readonly afterNs: number;
  readonly opens: boolean;
  readonly latency: number;
  readonly ns: number;
}

interface Thread {
  readonly counters: Float64Array;
  readonly columns: Float64Array;
  readonly classes: ClassColumns;
  readonly differences: Differences;
  readonly timeline: Timeline;
  /** Connections that are open from each time on. */
  readonly open: readonly (readonly [number, number])[];
}

/** Few different ones, so that threads see the same. */
const seenBy = (events: readonly Event[]): Differences => ({
  seen: events.map(({ latency, ns, opens }) => ({
    kind: opens ? ('status' as const) : ('length' as const),
    requestClass: opens ? '' : (CLASSES.at(latency % CLASSES.length) ?? ''),
    count: 1 + latency,
    example: {
      session: latency,
      number: latency % 2,
      request: `GET /${latency}`,
      recorded: `${latency % 2}`,
      got: `${ns % 3}`,
      gotBytes: ns % 3,
    },
  })),
  left: events.length,
});

function threadOf(events: readonly Event[]): Thread {
  const counters = createCounters();
  const recorder = new LatencyRecorder();
  const classes = createClassColumns(CLASSES.length);
  const classRecorder = new ClassRecorder(classes);
  const intervals = new IntervalRecorder(recorder, counters);
  const open: [number, number][] = [];
  let nowNs = 0;
  for (const { afterNs, opens, latency, ns } of events) {
    nowNs += afterNs;
    intervals.roll(nowNs);
    counters[Counter.CLOCK_NS] = nowNs;
    counters[Counter.START_LAG_NS_MAX] = Math.max(counters[Counter.START_LAG_NS_MAX], ns);
    counters[Counter.PATH_MTU] = ns % 3 === 0 ? 1200 + (ns % 300) : counters[Counter.PATH_MTU];
    counters[Counter.EXCHANGES_PLANNED] += 2;
    counters[Counter.ESTABLISHED] += opens ? 1 : counters[Counter.ESTABLISHED] > 0 ? -1 : 0;
    if (counters[Counter.ESTABLISHED] > counters[Counter.PEAK_ESTABLISHED]) {
      counters[Counter.PEAK_ESTABLISHED] = counters[Counter.ESTABLISHED];
    }
    recorder.record(latency as Latency, ns / 2);
    classRecorder.onSent(latency % CLASSES.length);
    if (opens) classRecorder.onAnswered(latency % CLASSES.length, ns / 2);
    open.push([nowNs, counters[Counter.ESTABLISHED]]);
  }
  const timeline = intervals.finish(nowNs);
  return {
    counters,
    columns: recorder.columns,
    classes,
    differences: seenBy(events),
    timeline,
    open,
  };
}

const recordOfThreads = (share: number, threads: readonly Thread[]): RunRecord =>
  recordOf(IDENTITY, shareOf(share), {
    counters: threads.map(({ counters }) => counters),
    latency: LatencyTable.of(threads.map(({ columns }) => columns)),
    classes: sumClasses(
      CLASSES,
      threads.map(({ classes }) => classes),
    ),
    differences: addDifferences(threads.map(({ differences }) => differences)),
    timelines: threads.map(({ timeline }) => timeline),
  });

/** Everything but the shares, as text: much quicker to compare than thousands of numbers. */
const sumsOf = ({ counters, latency, classes, differences, timelines }: RunRecord): string[] => {
  const lines = (name: string, value: unknown): string =>
    `${name} ${JSON.stringify(value, (_, each) => (ArrayBuffer.isView(each) ? String(each) : each))}`;
  return [
    lines('counters', counters),
    lines('differences', differences),
    lines('classes', [classes.names, classes.counts]),
    ...classes.names.flatMap((name, i) => [
      lines(name, classes.response.totals(i)),
      lines(name, classes.response.sparse(i)),
    ]),
    ...LATENCY_NAMES.flatMap((name, i) => [
      lines(name, latency.totals(i as Latency)),
      lines(name, latency.sparse(i as Latency)),
    ]),
    ...timelines.flatMap(({ intervalNs, intervals }) =>
      intervals.map(({ startNs, endNs, counters: row, latencies }) =>
        lines(`${intervalNs}`, [startNs, endNs, row, latencies]),
      ),
    ),
  ];
};

const event: fc.Arbitrary<Event> = fc.record({
  afterNs: fc.oneof(fc.nat(NS_PER_SECOND), fc.nat(90 * NS_PER_SECOND)),
  opens: fc.boolean(),
  latency: fc.nat(LATENCY_NAMES.length - 1),
  // Half nanoseconds, negative ones, and some beyond the histogram's end.
  ns: fc.oneof(fc.integer({ min: -5, max: 5e9 }), fc.constant(2 ** 50 + 1)),
});
/** Few, or so many that their intervals become longer. */
const events = fc.oneof(
  fc.array(event, { maxLength: 40, size: 'max' }),
  fc.array(event, { minLength: 200, maxLength: 400, size: 'max' }),
);
const someThreads = fc
  .array(events, { minLength: 1, maxLength: 5 })
  .map((list) => list.map(threadOf));

/** Joins records two by two, in an order that the numbers choose. */
function joined(records: readonly RunRecord[], choices: readonly number[]): RunRecord {
  const left = [...records];
  for (let i = 0; left.length > 1; i++) {
    const [a] = left.splice((choices.at(i % choices.length) ?? 0) % left.length, 1);
    const [b] = left.splice((choices.at((i + 1) % choices.length) ?? 0) % left.length, 1);
    left.push(mergeRecords(a, b));
  }
  return left[0];
}

const choices = fc.array(fc.nat(), { minLength: 1, maxLength: 9 });

test('any partition of the threads adds up to the whole, in any order', () => {
  fc.assert(
    fc.property(
      someThreads,
      fc.array(fc.nat(3), { minLength: 5, maxLength: 5 }),
      choices,
      (threads, groups, order) => {
        const shares = [0, 1, 2, 3].map((share) =>
          recordOfThreads(
            share,
            threads.filter((_, i) => groups.at(i) === share),
          ),
        );
        const whole = recordOfThreads(0, threads);
        expect(sumsOf(joined(shares, order))).toEqual(sumsOf(whole));
      },
    ),
    RUNS,
  );
});

test('the shares of a sum are told in their order, however it was made', () => {
  fc.assert(
    fc.property(someThreads, choices, choices, (threads, one, other) => {
      const shares = threads.map((thread, share) => recordOfThreads(share, [thread]));
      const result = resultOf(joined(shares, one), []);
      expect(result).toEqual(resultOf(joined(shares, other), []));
      expect(result.shares.played).toEqual(shares.map((_, share) => share + 1));
    }),
    { ...RUNS, numRuns: 4 },
  );
});

test('a record comes back from the JSON of its result', () => {
  fc.assert(
    fc.property(someThreads, choices, (threads, order) => {
      const shares = threads.map((thread, share) => recordOfThreads(share, [thread]));
      const record = joined(shares, order);
      const again = recordOfResult(JSON.parse(JSON.stringify(resultOf(record, []))));
      expect(again.shares).toEqual(record.shares);
      expect(sumsOf(again)).toEqual(sumsOf(record));
    }),
    { ...RUNS, numRuns: 6 },
  );
});

describe('the peak of connections', () => {
  test('is exact for one thread', () => {
    fc.assert(
      fc.property(events.map(threadOf), ({ timeline, open }) => {
        expect(peakEstablished(timeline)).toBe(Math.max(0, ...open.map(([, count]) => count)));
      }),
      RUNS,
    );
  });

  test('of several is no less than they had at once, and no more than the sum of their peaks', () => {
    fc.assert(
      fc.property(someThreads, (threads) => {
        const { users } = resultOf(recordOfThreads(0, threads), []);
        const times = threads.flatMap(({ open }) => open.map(([ns]) => ns));
        const at = (ns: number): number =>
          threads.reduce(
            (sum, { open }) => sum + (open.findLast(([from]) => from <= ns)?.[1] ?? 0),
            0,
          );
        expect(users.peakEstablished).toBeGreaterThanOrEqual(Math.max(0, ...times.map(at)));
        const peaks = threads.map(({ timeline }) => peakEstablished(timeline));
        expect(users.peakEstablished).toBeLessThanOrEqual(
          peaks.reduce((sum, peak) => sum + peak, 0),
        );
      }),
      RUNS,
    );
  });
});

test('the sum of a histogram stays exact beyond 2^53', () => {
  const recorder = new LatencyRecorder();
  for (let i = 0; i < 200; i++) recorder.record(Latency.RESPONSE, 2 ** 47 - 1);
  recorder.record(Latency.RESPONSE, 1);
  const { sumNs, sumUpper } = LatencyTable.of([recorder.columns]).totals(Latency.RESPONSE);
  expect(BigInt(sumUpper) * 2n ** 52n + BigInt(sumNs)).toBe(200n * (2n ** 47n - 1n) + 1n);
});

test.each([
  ['no record', { record: null }, 'has no record'],
  ['a counter of another version', { counters: 'UNHEARD_OF=1' }, "counter 'UNHEARD_OF'"],
  ['a counter that is no number', { counters: 'STARTED=x' }, "'x'"],
  ['a histogram less', { latency: [] }, 'is cut'],
])('a result with %s is refused', (_, change, said) => {
  const result = resultOf(recordOfThreads(0, []), []);
  const changed = 'record' in change ? null : Object.assign({ ...result.record }, change);
  const damaged = { ...result, record: changed } as typeof result;
  expect(() => recordOfResult(damaged)).toThrow(said);
});
