import { describe, expect, test } from 'vitest';
import { Instant } from '../../src/base/instant.ts';
import { NS_PER_MS, NS_PER_SECOND } from '../../src/base/time.ts';
import { RunClock } from '../../src/io/receive/run-clock.ts';

const BASE_SECONDS = 1_700_000_000;
/** The wall clock's lead over the monotonic one, at first. */
const LEAD_NS = 123_456_789;
const ORIGIN_MS = 5_000;

/** Clocks that go only when they are told to, or by `readNs` with each reading. */
class Clocks {
  monotonicNs = ORIGIN_MS * NS_PER_MS;
  leadNs = LEAD_NS;
  /** How long each reading takes, in turn; the last one for ever. */
  readNs: number[] = [0];
  readings = 0;

  readonly run = new RunClock(
    {
      monotonicMs: () => this.#read() / NS_PER_MS,
      realtimeNs: () => this.#read() + this.leadNs,
      realtimeBaseSeconds: BASE_SECONDS,
    },
    ORIGIN_MS,
  );

  #read(): number {
    this.readings++;
    this.monotonicNs += this.readNs.length > 1 ? (this.readNs.shift() ?? 0) : this.readNs[0];
    return this.monotonicNs;
  }

  /** As the run's clock says it: whole nanoseconds and a half. */
  get nowNs(): number {
    return this.monotonicNs - ORIGIN_MS * NS_PER_MS + 0.5;
  }

  /** The kernel's timestamp of a packet that arrives at a run time. */
  stampOf(runNs: number): [number, number] {
    const ns = Math.floor(runNs) + ORIGIN_MS * NS_PER_MS + this.leadNs;
    const seconds = Math.floor(ns / NS_PER_SECOND);
    return [BASE_SECONDS + seconds, ns - seconds * NS_PER_SECOND];
  }
}

describe('arrival times', () => {
  test('are the run time at which the kernel stamped the packet', () => {
    const clocks = new Clocks();
    const stamp = clocks.stampOf(2_500_000_123);
    clocks.monotonicNs += 2_500_001_000;
    expect(clocks.run.arrivedNs(...stamp, 0)).toBe(2_500_000_123.5);
  });

  test('are never later than now', () => {
    const clocks = new Clocks();
    clocks.monotonicNs += NS_PER_SECOND;
    const stamp = clocks.stampOf(NS_PER_SECOND + 700);
    expect(clocks.run.arrivedNs(...stamp, 0)).toBe(NS_PER_SECOND + 0.5);
  });

  test('are what they are where the clock was read long before them', () => {
    const clocks = new Clocks();
    clocks.run.nowNs();
    // The thread stood still between a look at the clock and a look at the ring.
    clocks.monotonicNs += 400 * NS_PER_MS;
    const stamp = clocks.stampOf(300 * NS_PER_MS);
    expect(clocks.run.arrivedNs(...stamp, 0)).toBe(300 * NS_PER_MS + 0.5);
  });

  test.each([
    { name: 'an hour forward', stepNs: 3_600 * NS_PER_SECOND },
    { name: 'an hour back', stepNs: -3_600 * NS_PER_SECOND },
    { name: '20 ms forward', stepNs: 20 * NS_PER_MS },
    { name: '20 ms back', stepNs: -20 * NS_PER_MS },
  ])('survive a step of the wall clock of $name', ({ stepNs }) => {
    const clocks = new Clocks();
    clocks.monotonicNs += 10 * NS_PER_SECOND;
    const emptyNs = clocks.nowNs;
    clocks.leadNs += stepNs;
    const stamp = clocks.stampOf(emptyNs + 1_000);
    clocks.monotonicNs += 2_000;
    expect(clocks.run.arrivedNs(...stamp, emptyNs)).toBe(emptyNs + 1_000);
  });

  test.each([
    { name: 'forward', stepNs: 3_600 * NS_PER_SECOND },
    { name: 'back', stepNs: -3_600 * NS_PER_SECOND },
  ])('of what was stamped before a step $name lie between empty and now', ({ stepNs }) => {
    const clocks = new Clocks();
    clocks.monotonicNs += 10 * NS_PER_SECOND;
    const emptyNs = clocks.nowNs;
    const before = clocks.stampOf(emptyNs + 1_000);
    clocks.leadNs += stepNs;
    const after = clocks.stampOf(emptyNs + 2_000);
    clocks.monotonicNs += 3_000;
    const nowNs = clocks.nowNs;
    for (const stamp of [before, after, before]) {
      const atNs = clocks.run.arrivedNs(...stamp, emptyNs);
      expect(atNs).toBeGreaterThanOrEqual(emptyNs);
      expect(atNs).toBeLessThanOrEqual(nowNs);
    }
  });
});

test('the distance to the wall clock is taken once a second and no oftener', () => {
  const clocks = new Clocks();
  clocks.readings = 0;
  clocks.monotonicNs += NS_PER_SECOND - 1;
  clocks.run.keepFresh(new Instant(clocks.nowNs));
  expect(clocks.readings).toBe(0);
  // A slew too small to be taken for a step.
  clocks.leadNs += 400_000;
  clocks.monotonicNs += 1;
  clocks.run.keepFresh(new Instant(clocks.nowNs));
  const stamp = clocks.stampOf(NS_PER_SECOND - 5);
  expect(clocks.run.arrivedNs(...stamp, 0)).toBe(NS_PER_SECOND - 4.5);
});

test('a sample that was interrupted gives way to a better one', () => {
  const clocks = new Clocks();
  // Before, real, after: the first try takes 3 ms in its middle, the second 200 ns.
  clocks.readNs = [100, 3 * NS_PER_MS, 100, 100, 100, 100, 0];
  clocks.run.sample();
  const stamp = clocks.stampOf(clocks.nowNs - 10_000);
  const atNs = clocks.run.arrivedNs(...stamp, 0);
  expect(Math.abs(atNs - (clocks.nowNs - 10_000))).toBeLessThan(100);
});

test('run time is whole nanoseconds and a half: never an integer, from the start on', () => {
  const clocks = new Clocks();
  expect(clocks.run.nowNs()).toBe(0.5);
  clocks.monotonicNs += 1_234_567.89;
  expect(clocks.run.nowNs()).toBe(1_234_567.5);
  expect(clocks.run.arrivedNs(...clocks.stampOf(1_000_000), 0)).toBe(1_000_000.5);
});
