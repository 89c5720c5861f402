import { expect, test } from 'vitest';
import { CaptureClock, newEpoch } from '../../src/capture/capture-clock.ts';

/** The mended times, in milliseconds, of packets at these times, all of interface 0. */
function mended(timesMs: readonly number[], lanes: readonly number[] = []): number[] {
  const clock = new CaptureClock(newEpoch());
  return timesMs.map((ms, i) => {
    const ns = ms * 1e6;
    clock.onPacket(
      1_700_000_000 + Math.floor(ns / 1e9),
      ((ns % 1e9) + 1e9) % 1e9,
      lanes.at(i) ?? 0,
    );
    return clock.ns / 1e6;
  });
}

test.each([
  { name: 'going forward', times: [0, 5, 5, 100_000], found: [0, 5, 5, 100_000] },
  {
    name: 'a little back: queues out of order',
    times: [0, 500, 499, 501],
    found: [0, 500, 499, 501],
  },
  { name: 'exactly a second back', times: [2000, 1000, 1001], found: [2000, 1000, 1001] },
  {
    name: 'set back: it goes on where it was',
    times: [100_000, 200_000, 150_000, 150_010],
    found: [100_000, 200_000, 200_000, 200_010],
  },
  {
    name: 'set back twice',
    times: [10_000, 0, 5, -20_000, -19_990],
    found: [10_000, 10_000, 10_005, 10_005, 10_015],
  },
])('a recorded clock is mended: $name', ({ times, found }) => {
  const first = Math.floor(times[0] / 1000) * 1000;
  expect(mended(times)).toEqual(found.map((ms) => ms - first));
});

test('interfaces have clocks of their own', () => {
  expect(mended([0, 10_000, 20, 10_020], [0, 1, 0, 1])).toEqual([0, 10_000, 20, 10_020]);
});

test('a packet without a time has the one before it', () => {
  const clock = new CaptureClock(newEpoch());
  clock.onPacket(Number.NaN, 0, 0);
  expect(clock.ns).toBe(0);
  clock.onPacket(5, 7, 0);
  clock.onPacket(Number.NaN, 0, 0);
  expect(clock.ns).toBe(7);
});
