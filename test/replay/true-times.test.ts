/**
 * When things are sent, as the link sees it: frames on their way to the embedded target, in virtual time.
 * What is asked for is worked out here, from the sessions as they stand below.
 */
import { describe, expect, test } from 'vitest';
import { Counter } from '../../src/measure/counters.ts';
import { Latency } from '../../src/measure/histograms.ts';
import type { SessionSpec } from '../helpers/scripts.ts';
import { type PlayOptions, play } from './play.ts';
import { WireTimes } from './wire-times.ts';

const MS = 1e6;
const SECOND = 1e9;

/** A request after each of these thinking times; the server takes so long over each. */
const asking = (thinkMs: readonly number[], serverMs: number, startMs = 0): SessionSpec => ({
  startMs,
  said: thinkMs.flatMap((afterMs, i) => [
    { from: 'client' as const, text: `GET /${i}`, afterMs },
    { from: 'server' as const, text: `answer ${i}`, afterMs: serverMs },
  ]),
});

function wireOf(specs: readonly SessionSpec[], options: PlayOptions = {}) {
  const wire = new WireTimes();
  const played = play(specs, { ...options, wire });
  return { ...played, wire };
}

/** Milliseconds from each message to the next, the handshake first: it takes 1 ms as recorded. */
function gapsMs({ connections: [one] }: WireTimes, connectMs = 1): number[] {
  const times = [one.synNs + connectMs * MS, ...one.dataNs];
  return times.slice(1).map((time, i) => (time - times[i]) / MS);
}

describe('between requests', () => {
  const recorded = asking([0, 1_000, 1_000, 1_000], 200);
  const slow = asking([0, 1_000, 1_000, 1_000], 500);

  test.each([
    { pace: 'think', gapMs: 1_500 },
    { pace: 'schedule', gapMs: 1_200 },
    { pace: 'none', gapMs: 500 },
  ] as const)(
    '1 s of thinking, 0.2 s recorded of the server, which takes 0.5 s: $pace is $gapMs ms',
    ({ pace, gapMs }) => {
      const { wire } = wireOf([recorded], { pace, server: [slow] });
      expect(wire.connections[0].dataNs).toHaveLength(4);
      for (const gap of gapsMs(wire).slice(1)) expect(gap).toBeCloseTo(gapMs, 1);
    },
  );

  test.each(['think', 'schedule'] as const)(
    '2 s between handshake and first request stay: %s',
    (pace) => {
      const { wire } = wireOf([asking([2_000, 100], 10)], { pace });
      expect(gapsMs(wire)[0]).toBeCloseTo(2_000, 1);
    },
  );

  test.each(['think', 'schedule'] as const)('1,200 s ÷ 100 are 12.000 s: %s', (pace) => {
    const { wire } = wireOf([asking([0, 1_200_000], 10)], { pace, accel: 100, timeoutNs: 3600e9 });
    // Counted from the answer, which takes 10 ms ÷ 100.
    expect(gapsMs(wire, 1 / 100)[1]).toBeCloseTo(12_000 + 0.1, 1);
  });

  test.each([0.5, 2.5, 10, 1_000])('all are the recorded ones ÷ %d', (accel) => {
    const thinkMs = [13, 1_700, 2.25, 40_000, 333, 0.5, 7_200];
    for (const pace of ['think', 'schedule'] as const) {
      const { wire } = wireOf([asking(thinkMs, 30)], { pace, accel, timeoutNs: 3600e9 });
      const found = gapsMs(wire, 1 / accel);
      expect(found).toHaveLength(thinkMs.length);
      for (const [i, gap] of found.entries()) {
        const wanted = (thinkMs[i] + (i > 0 ? 30 : 0)) / accel;
        expect(Math.abs(gap - wanted)).toBeLessThan(Math.max(0.05, wanted / 1_000));
      }
    }
  });

  test('--max-gap caps what is longer, and nothing else', () => {
    const { wire } = wireOf([asking([10, 90_000, 1_999, 2_001], 25)], { maxGapNs: 2 * SECOND });
    const wanted = [10, 2_025, 2_024, 2_025];
    for (const [i, gap] of gapsMs(wire).entries()) expect(gap).toBeCloseTo(wanted[i], 1);
  });
});

/** How many lie in each second, of so many. */
function perSecond(timesNs: readonly number[], seconds: number): number[] {
  const counts = new Array<number>(seconds).fill(0);
  for (const time of timesNs) counts[Math.floor(time / SECOND)] += 1;
  return counts;
}

describe('users start', () => {
  const short = asking([5], 5);

  test.each([1, 50, 777, 20_000])('at --rate %i/s: as many in every second', (rate) => {
    const seconds = rate > 1_000 ? 2 : 6;
    const { wire } = wireOf([short], { users: rate * seconds, ratePerSecond: rate });
    expect(wire.connections).toHaveLength(rate * seconds);
    for (const count of perSecond(wire.synsNs, seconds)) {
      expect(Math.abs(count - rate)).toBeLessThanOrEqual(Math.max(rate * 0.02, 0));
    }
  });

  test('by --ramp: each stage at its own even rate', () => {
    const ramp = [
      { atNs: 0, users: 0 },
      { atNs: 2 * SECOND, users: 200 },
      { atNs: 5 * SECOND, users: 200 },
      { atNs: 6 * SECOND, users: 1_000 },
    ];
    const { wire } = wireOf([short], { users: 1_000, ramp });
    expect(perSecond(wire.synsNs, 6)).toEqual([100, 100, 0, 0, 0, 800]);
    const firsts = wire.synsNs.slice(0, 200);
    for (const [i, time] of firsts.entries()) expect(time / MS).toBeCloseTo(i * 10, 1);
  });

  test('as recorded ÷ accel, to the connection', () => {
    const startsMs = [0, 3, 3.5, 900, 4_000, 4_000, 60_000];
    const specs = startsMs.map((startMs) => asking([1], 1, startMs));
    for (const accel of [0.5, 1, 10]) {
      const { wire } = wireOf(specs, { accel });
      const found = wire.synsNs.map((time) => time / MS);
      expect(found).toHaveLength(startsMs.length);
      for (const [i, time] of found.entries()) expect(time).toBeCloseTo(startsMs[i] / accel, 1);
    }
  });

  test('more of them in the recorded shape: every recorded second has its share', () => {
    // 40 in the first second, none in the second, 10 in the third, 50 in the fourth.
    const counts = [40, 0, 10, 50];
    const specs = counts.flatMap((count, second) =>
      Array.from({ length: count }, (_, i) => asking([1], 1, second * 1_000 + (i * 1_000) / count)),
    );
    const { wire } = wireOf(specs, { users: 1_000 });
    const [first, second, third, fourth, ...rest] = perSecond(wire.synsNs, 6);
    // The last of a second stands for the time up to the next one, the very last for the mean gap.
    expect([first + second, third, fourth + rest[0]]).toEqual([400, 100, 500]);
    expect(first).toBeGreaterThanOrEqual(390);
    expect(rest[0]).toBeLessThanOrEqual(10);
    expect(rest[1]).toBe(0);
  });

  test('--iterations times each, one after the other', () => {
    const { wire, counters } = wireOf([asking([100], 50)], {
      users: 5,
      iterations: 4,
      ratePerSecond: 10,
    });
    expect(wire.connections).toHaveLength(20);
    expect(counters[Counter.COMPLETED]).toBe(20);
    // Never more at once than there are users.
    const ends = wire.connections.map(({ dataNs }) => (dataNs.at(0) ?? 0) + 50 * MS);
    for (const { synNs } of wire.connections) {
      const live = wire.connections.filter((each, i) => each.synNs < synNs && ends[i] > synNs);
      expect(live.length).toBeLessThan(5);
    }
  });

  test('until --duration, and whoever has begun comes to the end', () => {
    const options = { users: 50, ratePerSecond: 100, durationNs: 3 * SECOND };
    const { wire, counters, endMs } = wireOf([asking([0, 400, 400], 100)], options);
    const last = Math.max(...wire.synsNs);
    expect(last).toBeLessThanOrEqual(3 * SECOND);
    // A play takes 1.1 s: nobody whose turn came before the end was left out.
    expect(last).toBeGreaterThan(3 * SECOND - 1.11 * SECOND);
    expect(counters[Counter.COMPLETED]).toBe(wire.connections.length);
    expect(endMs).toBeGreaterThan(last / MS + 1_000);
    expect(endMs).toBeLessThan(last / MS + 1_200);
  });
});

test('a server that stands still for half of an open-loop run shows in p99, and in the median', () => {
  const thinkMs = new Array<number>(100).fill(98);
  const recorded = asking(thinkMs, 2);
  // Its 20th answer takes 5 s, all behind it wait for it.
  const said = recorded.said.map((each, i) => (i === 39 ? { ...each, afterMs: 5_000 } : each));
  const options = { users: 20, pace: 'schedule', server: [{ ...recorded, said }] } as const;
  const { latency, wire, counters } = wireOf([recorded], options);
  expect(counters[Counter.COMPLETED]).toBe(20);
  const { p50, p99, max } = latency.row(Latency.RESPONSE);
  expect(max).toBeGreaterThan(4_990);
  expect(p99).toBeGreaterThan(4_800);
  expect(p50).toBeGreaterThan(2);
  // Nobody waited to ask.
  for (const { dataNs, synNs } of wire.connections) {
    for (const [i, time] of dataNs.entries()) {
      expect((time - synNs) / MS).toBeCloseTo(1 + 98 + i * 100, 0);
    }
  }
});
