import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Timestamp } from '../../src/base/time.ts';
import { ClockOffset } from '../../src/intercept/clock-offset.ts';

const SECOND = 1_000_000_000;

/** A stamp that many nanoseconds after an instant in 2026. */
const stamp = (ns: number): Timestamp => {
  const seconds = Math.floor(ns / SECOND);
  return { seconds: 1_795_000_000 + seconds, nanoseconds: Math.round(ns - seconds * SECOND) };
};

/** A round trip at `at` to a clock that is `ahead`. */
const trip = (at: number, ahead: number, there: number, back: number, inside = 5_000) => ({
  sent: stamp(at),
  came: stamp(at + there + ahead),
  answered: stamp(at + there + inside + ahead),
  back: stamp(at + there + inside + back),
});

test('before the first sample nothing is known', () => {
  const clock = new ClockOffset();
  expect(clock.offsetNs).toBe(0);
  expect(clock.uncertaintyNs).toBe(Number.POSITIVE_INFINITY);
});

test('the same way there and back tells the offset exactly', () => {
  const clock = new ClockOffset();
  clock.addSample(trip(0, -3 * SECOND + 17, 40_000, 40_000), 0);
  expect(clock.offsetNs).toBe(-3 * SECOND + 17);
  expect(clock.uncertaintyNs).toBe(40_000);
});

test('whatever the ways, the truth lies within the uncertainty', () => {
  const ways = fc.array(fc.tuple(fc.nat(5_000_000), fc.nat(5_000_000)), {
    minLength: 1,
    maxLength: 80,
  });
  fc.assert(
    fc.property(ways, fc.integer({ min: -1e12, max: 1e12 }), (list, ahead) => {
      const clock = new ClockOffset();
      for (const [i, [there, back]] of list.entries()) {
        const at = i * SECOND * 0.5;
        clock.addSample(trip(at, ahead, there, back), at);
        expect(Math.abs(clock.offsetNs - ahead)).toBeLessThanOrEqual(clock.uncertaintyNs + 2);
      }
    }),
  );
});

test('a slow answer does not spoil what a quick one has told', () => {
  const clock = new ClockOffset();
  clock.addSample(trip(0, 1_000, 20_000, 20_000), 0);
  clock.addSample(trip(SECOND, 1_000, 20_000, 9_000_000), SECOND);
  expect(clock.offsetNs).toBe(1_000);
});

describe('over time', () => {
  test('clocks that drift apart are followed', () => {
    const clock = new ClockOffset();
    let ahead = 0;
    for (let i = 0; i < 600; i++) {
      ahead = i * 0.5 * 10_000; // 10 ppm, in ns
      clock.addSample(trip(i * SECOND * 0.5, ahead, 50_000, 50_000), i * SECOND * 0.5);
    }
    expect(Math.abs(clock.offsetNs - ahead)).toBeLessThanOrEqual(clock.uncertaintyNs);
    expect(clock.uncertaintyNs).toBeLessThan(60_000);
  });

  test('a clock that is set is believed at once', () => {
    const clock = new ClockOffset();
    for (let i = 0; i < 20; i++) clock.addSample(trip(i * SECOND, 0, 30_000, 30_000), i * SECOND);
    clock.addSample(trip(21 * SECOND, 5 * SECOND, 30_000, 30_000), 21 * SECOND);
    expect(clock.offsetNs).toBe(5 * SECOND);
  });
});
