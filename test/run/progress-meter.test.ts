/** What a snapshot tells of the threads' shared memory. */
import { expect, test } from 'vitest';
import { Counter, createCounters } from '../../src/measure/counters.ts';
import { Latency, LatencyRecorder } from '../../src/measure/histograms.ts';
import type { ProgressSnapshot } from '../../src/run/plan/options.ts';
import { ProgressMeter } from '../../src/run/threads/progress-meter.ts';
import { planOf } from '../helpers/plan.ts';
import { handMade } from '../helpers/scripts.ts';
import { OPTIONS } from '../replay/play.ts';

test('latencies are of the time since the snapshot before, losses of all threads', () => {
  const { scripts } = handMade([{ said: [{ from: 'client', text: 'ask', afterMs: 1 }] }]);
  const snapshots: ProgressSnapshot[] = [];
  const meter = new ProgressMeter({
    onProgress: (snapshot) => void snapshots.push(snapshot),
    onWarning: () => undefined,
    interrupted: new AbortController().signal,
  });
  const counters = [createCounters(), createCounters()];
  const recorders = [new LatencyRecorder(), new LatencyRecorder()];
  const state = { counters, latencies: recorders.map(({ columns }) => columns) };
  meter.begin(planOf(scripts, OPTIONS), () => state);
  const report = (seconds: number): ProgressSnapshot | undefined => {
    counters[0][Counter.CLOCK_NS] = seconds * 1e9;
    meter.report();
    return snapshots.at(-1);
  };
  expect(report(1)).toMatchObject({ responseNsP50: null, responseNsP99: null, lagNsP99: null });
  for (let i = 1; i <= 100; i++) recorders[i % 2].record(Latency.RESPONSE, i);
  recorders[1].record(Latency.LAG, 1000);
  counters[0][Counter.RETRANSMITTED] = 1;
  counters[1][Counter.SYN_RETRANSMITTED] = 2;
  counters[0][Counter.UNSENT_NO_BUFFERS] = 3;
  counters[1][Counter.UNSENT_OTHER] = 4;
  counters[1][Counter.RING_DROPPED] = 5;
  expect(report(2)).toMatchObject({
    responseNsP50: 50,
    responseNsP99: 99,
    lagNsP99: 1000,
    losses: { retransmitted: 3, unsent: 7, ringFull: 5 },
  });
  recorders[0].record(Latency.RESPONSE, 700);
  expect(report(3)).toMatchObject({ responseNsP50: 700, responseNsP99: 700, lagNsP99: null });
});

test('where nobody looks, nothing is made ready', () => {
  const { scripts } = handMade([{ said: [{ from: 'client', text: 'ask', afterMs: 1 }] }]);
  const interrupted = new AbortController().signal;
  const meter = new ProgressMeter({ onProgress: null, onWarning: () => undefined, interrupted });
  meter.begin(planOf(scripts, OPTIONS), () => {
    throw new Error('the threads were asked how they are');
  });
  meter.report();
});

test.each([
  // A session takes a second; four users begin a quarter of a second apart.
  ['until a time, that time and about as many plays', { durationNs: 10e9 }, 10e9, 40],
  ['until a time that only some reach', { durationNs: 2e9, iterations: 3 }, 2e9, 12],
  ['a number of times, what that takes', { durationNs: 10e9, iterations: 3 }, 3.75e9, 12],
  ['once, what one takes', {}, 1.75e9, 4],
])('users that play %s are expected', (_, options, expectedNs, planned) => {
  const said = [
    { from: 'client', text: 'ask', afterMs: 0 },
    { from: 'server', text: 'answer', afterMs: 1_000 },
  ] as const;
  const { scripts } = handMade([{ said, connectMs: 0 }]);
  const snapshots: ProgressSnapshot[] = [];
  const meter = new ProgressMeter({
    onProgress: (snapshot) => void snapshots.push(snapshot),
    onWarning: () => undefined,
    interrupted: new AbortController().signal,
  });
  const plan = planOf(scripts, { ...OPTIONS, users: 4, ...options });
  meter.begin(plan, () => ({ counters: [createCounters()], latencies: [] }));
  meter.report();
  expect(snapshots.at(-1)).toMatchObject({ expectedNs, users: { planned, waiting: planned } });
});
