/** When a run ends itself because a threshold does not hold. */
import { describe, expect, test } from 'vitest';
import { parseThreshold } from '../../src/cli/values/thresholds.ts';
import { Counter, createCounters } from '../../src/measure/counters.ts';
import { Latency, LatencyRecorder } from '../../src/measure/histograms.ts';
import { measuredOf } from '../../src/measure/measured.ts';
import { EarlyStop } from '../../src/run/early-stop.ts';
import { sampleRun } from '../measure/sample-record.ts';

const SECOND = 1e9;

/** A run in which every second ten users start, nine are answered after so long, and one is reset. */
function lived(expressions: readonly string[], abortOnFailNs: number | null, responseMs = 10) {
  const baseline = [measuredOf(sampleRun({ responseMs: [5, 5, 5] }))];
  const thresholds = expressions.map(parseThreshold);
  const stop = new EarlyStop({ thresholds, abortOnFailNs }, baseline);
  const counters = createCounters();
  const recorder = new LatencyRecorder();
  for (let second = 1; second <= 20; second++) {
    counters[Counter.STARTED] += 10;
    counters[Counter.COMPLETED] += 9;
    counters[Counter.RESET] += 1;
    counters[Counter.EXCHANGES_ANSWERED] += 9;
    for (let i = 0; i < 9; i++) recorder.record(Latency.RESPONSE, responseMs * 1e6);
    counters[Counter.CLOCK_NS] = second * SECOND;
    // Called more often than it has to look.
    for (let i = 0; i < 5; i++) stop.watch({ counters: [counters], latencies: [recorder.columns] });
    if (stop.signal.aborted) return { second, reason: stop.reason };
  }
  return { second: null, reason: stop.reason };
}

describe('a run ends itself', () => {
  test.each([
    ['response:p(99)<5ms', 0, 1],
    ['response:p(99)<5ms', 7 * SECOND, 7],
    ['response:p(99)<+10%', 0, 1],
    ['errors:rate<1%', 3 * SECOND, 3],
    ['exchanges:rate>100/s', 2 * SECOND, 2],
    ['users:reset<=3', 0, 4],
    ['response:count<50', 0, 6],
  ])('where %s does not hold, from %d ns on: in second %d', (expression, afterNs, second) => {
    const found = lived(['response:p(99)<1s', expression], afterNs);
    expect(found.second).toBe(second);
    expect(found.reason).toContain(`stopped after ${second} s: ${expression} did not hold, found `);
  });
});

describe('a run goes on', () => {
  test.each([
    ['where all hold', 'response:p(99)<11ms', 0],
    ['where the option is not given', 'response:p(99)<5ms', null],
    ['where the delay is longer than it', 'response:p(99)<5ms', 60 * SECOND],
    ['where a count may still grow', 'exchanges:count>100000', 0],
    ['where users may still complete', 'users:completed>99%', 0],
    ['where a count may still become equal', 'users:completed==180', 0],
    ['where nothing was measured yet', 'connect:p(99)<5ms', 0],
    ['where a window is judged at the end', 'response:p(99)<5ms@2s..', 0],
  ])('%s', (_, expression, afterNs) => {
    expect(lived([expression], afterNs)).toEqual({ second: null, reason: null });
  });
});
