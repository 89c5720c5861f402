import { expect, test } from 'vitest';
import { NS_PER_SECOND } from '../../src/base/time.ts';
import { COUNTERS, Counter } from '../../src/measure/counters.ts';
import { SilenceWatch } from '../../src/run/threads/silence-watch.ts';

/** What the watch says at each of the moments: seconds, users started, let in, refused, timed out. */
const told = (...moments: readonly (readonly number[])[]): number[] => {
  const watch = new SilenceWatch();
  return moments.map(([seconds, started, connected, refused = 0, timedOut = 0]) => {
    const counters = new Float64Array(COUNTERS);
    counters[Counter.CLOCK_NS] = seconds * NS_PER_SECOND;
    counters[Counter.STARTED] = started;
    counters[Counter.CONNECTED] = connected;
    counters[Counter.REFUSED] = refused;
    counters[Counter.TIMED_OUT_CONNECTING] = timedOut;
    return watch.onCounters(counters);
  });
};

test('three seconds without an answer are told, once', () => {
  expect(told([0, 5, 0], [2.9, 7, 0], [3, 9, 0], [9, 20, 0])).toEqual([0, 0, 9, 0]);
});

test('so is a target that answers no more', () => {
  expect(told([0, 5, 0], [1, 5, 5], [2, 9, 5], [4.9, 9, 5], [5, 9, 5])).toEqual([0, 0, 0, 0, 4]);
});

test('whoever is let in or refused ends the silence', () => {
  expect(told([0, 5, 0], [2, 5, 1], [4, 5, 1], [5, 5, 1, 1], [7.9, 5, 1, 1])).toEqual([
    0, 0, 0, 0, 0,
  ]);
});

test('where nobody is connecting there is no silence', () => {
  expect(told([0, 0, 0], [9, 5, 5], [20, 5, 5], [30, 5, 3, 1, 1])).toEqual([0, 0, 0, 0]);
});
