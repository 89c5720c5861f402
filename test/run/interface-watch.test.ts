import { expect, test } from 'vitest';
import { NS_PER_SECOND } from '../../src/base/time.ts';
import type { InterfaceState } from '../../src/io/sys/interface-state.ts';
import { Counter, createCounters } from '../../src/measure/counters.ts';
import { InterfaceWatch } from '../../src/run/threads/interface-watch.ts';

function watchOn() {
  const warnings: string[] = [];
  const device: { state: InterfaceState } = { state: 'up' };
  const watch = new InterfaceWatch({
    name: 'eth1',
    look: () => device.state,
    onWarning: (text) => warnings.push(text),
  });
  const at = (seconds: number, state: InterfaceState): void => {
    device.state = state;
    watch.watch(seconds * NS_PER_SECOND);
  };
  /** The run is over, with 9 of 10 users completed, or all. */
  const failureAt = (seconds: number, completed = 9): string | null => {
    const counters = createCounters();
    counters[Counter.CLOCK_NS] = seconds * NS_PER_SECOND;
    counters[Counter.STARTED] = 10;
    counters[Counter.COMPLETED] = completed;
    return watch.failureOf(counters);
  };
  return { watch, warnings, at, failureAt };
}

test('an interface that stays up is not mentioned, and no failure', () => {
  const { watch, warnings, at, failureAt } = watchOn();
  for (let second = 0; second < 100; second++) at(second, 'up');
  expect(warnings).toEqual([]);
  expect(watch.lost.aborted).toBe(false);
  expect(failureAt(100)).toBeNull();
});

test('one that is down for a while is told twice, and the run goes on', () => {
  const { watch, warnings, at, failureAt } = watchOn();
  at(1, 'up');
  for (let second = 2; second < 31; second++) {
    at(second, 'down');
    expect(watch.isUp).toBe(false);
  }
  at(31, 'up');
  expect(watch.isUp).toBe(true);
  expect(warnings).toEqual([
    'the interface eth1 is down, and nothing is sent until: ip link set eth1 up',
    'the interface eth1 was down for 29 s',
  ]);
  // Its time counts from when it went down, each time.
  for (let second = 40; second < 69; second++) at(second, 'down');
  at(69, 'up');
  expect(watch.lost.aborted).toBe(false);
  expect(failureAt(70)).toBeNull();
});

test('one that is down for 30 s ends the run', () => {
  const { watch, at, failureAt } = watchOn();
  at(5, 'down');
  at(34.9, 'down');
  expect(watch.lost.aborted).toBe(false);
  at(35, 'down');
  expect(watch.lost.aborted).toBe(true);
  expect(failureAt(36)).toBe('the interface eth1 was down for the last 30 s (ip link set eth1 up)');
});

test.each(['up', 'down'] as const)(
  'one that is removed when it was %s ends it at once',
  (state) => {
    const { watch, at, failureAt } = watchOn();
    at(1, state);
    at(2, 'gone');
    expect(watch.lost.aborted).toBe(true);
    // One of the same name would be another one.
    at(3, 'up');
    expect(failureAt(4)).toBe('the interface eth1 was removed 2 s after the start');
  },
);

test('one that is down when users have ended in vain is why, and is not where all completed', () => {
  const failed = watchOn();
  failed.at(2, 'down');
  expect(failed.failureAt(6)).toBe(
    'the interface eth1 was down for the last 4 s (ip link set eth1 up)',
  );
  const whole = watchOn();
  whole.at(2, 'down');
  expect(whole.failureAt(6, 10)).toBeNull();
});
