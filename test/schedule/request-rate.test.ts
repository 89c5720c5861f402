import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NS_PER_MS, NS_PER_SECOND } from '../../src/base/time.ts';
import { planRequestRate, type RequestTimes } from '../../src/schedule/request-rate.ts';

/** Sessions as lists of messages: [ms from the session's start, requests]. */
type Session = readonly (readonly [number, number])[];

function timesOf(sessions: readonly Session[]): RequestTimes {
  const rows = sessions.flat();
  const ends = sessions.map((_, i) => sessions.slice(0, i + 1).flat().length);
  return {
    first: Uint32Array.from([0, ...ends]),
    offsetNs: Float64Array.from(rows, ([ms]) => ms * NS_PER_MS),
    requests: Uint32Array.from(rows, ([, count]) => count),
  };
}

const startsMs = (sessions: readonly Session[], perSecond: number, usersMax: number): number[] =>
  [
    ...planRequestRate({
      perSecond,
      times: timesOf(sessions),
      usersMax,
      untilNs: Number.POSITIVE_INFINITY,
    }).startsNs,
  ].map((ns) => ns / NS_PER_MS);

/** Requests of each second, counted one by one. */
function secondsOf(sessions: readonly Session[], startsNs: Float64Array): number[] {
  const counts: number[] = [];
  for (const [user, startNs] of startsNs.entries()) {
    for (const [ms, count] of sessions[user % sessions.length] ?? []) {
      const second = Math.floor((startNs + ms * NS_PER_MS) / NS_PER_SECOND);
      counts[second] = (counts[second] ?? 0) + count;
    }
  }
  return Array.from(counts, (count) => count ?? 0);
}

const offsets = fc.uniqueArray(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 12 });
const session: fc.Arbitrary<Session> = offsets.map((ms) =>
  ms.sort((a, b) => a - b).map((at): [number, number] => [at, 1]),
);

describe('users start so that requests come due at a rate', () => {
  test.each<{ name: string; sessions: Session[]; perSecond: number; expected: number[] }>([
    {
      name: 'one request a session: evenly',
      sessions: [[[5, 1]], [[5, 1]]],
      perSecond: 100,
      expected: [0, 10, 20, 30],
    },
    {
      name: 'where sessions under way bring the next request nobody starts',
      sessions: [
        [
          [0, 1],
          [10, 1],
          [20, 1],
        ],
      ],
      perSecond: 100,
      expected: [0, 30, 60, 90],
    },
    {
      name: 'requests in one go count one by one',
      sessions: [[[0, 5]]],
      perSecond: 100,
      expected: [0, 50, 100, 150],
    },
    {
      name: 'one whose first request takes longer starts earlier, but never before the one before it',
      sessions: [[[1, 1]], [[25, 1]]],
      perSecond: 100,
      expected: [0, 0, 20, 20],
    },
    {
      name: 'sessions without requests are started, and not counted',
      sessions: [[[0, 1]], []],
      perSecond: 100,
      expected: [0, 10, 10, 20],
    },
  ])('$name', ({ sessions, perSecond, expected }) => {
    expect(startsMs(sessions, perSecond, expected.length)).toEqual(expected);
  });

  test('as many come due as were asked for, users start in turn, and the plan knows its seconds', () => {
    fc.assert(
      fc.property(
        fc.array(session, { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 500, max: 5_000 }),
        (sessions, perSecond) => {
          const untilNs = 4 * NS_PER_SECOND;
          const times = timesOf(sessions);
          const plan = planRequestRate({ perSecond, times, usersMax: 1e6, untilNs });
          const counts = secondsOf(sessions, plan.startsNs);
          const total = counts.slice(0, 4).reduce((sum, count) => sum + count, 0);
          // Requests of one wave of sessions may fall to the wrong side of a second's end.
          const slack = Math.max(...sessions.map(({ length }) => length)) * 0.4 * perSecond;
          expect(Math.abs(total - 4 * perSecond)).toBeLessThanOrEqual(slack);
          const starts = [...plan.startsNs];
          expect(starts).toEqual(starts.toSorted((a, b) => a - b));
          expect(starts.at(-1)).toBeLessThan(untilNs);
          // What the plan says of its seconds is what they hold.
          const whole = counts.slice(0, Math.floor((starts.at(-1) ?? 0) / NS_PER_SECOND));
          expect(plan.perSecond).toEqual({ min: Math.min(...whole), max: Math.max(...whole) });
        },
      ),
      { numRuns: 60 },
    );
  });

  test('sessions that are short against a second make it steady', () => {
    const sessions: Session[] = [
      [
        [2, 1],
        [7, 1],
        [40, 1],
      ],
      [[1, 1]],
      [
        [3, 2],
        [30, 1],
      ],
    ];
    const untilNs = 10 * NS_PER_SECOND;
    for (const perSecond of [1_000, 5_000, 20_000]) {
      const plan = planRequestRate({ perSecond, times: timesOf(sessions), usersMax: 1e6, untilNs });
      const { min = 0, max = 0 } = plan.perSecond ?? {};
      expect(min).toBeGreaterThanOrEqual(0.98 * perSecond);
      expect(max).toBeLessThanOrEqual(1.02 * perSecond);
    }
  });

  test('sessions without any request are no plan', () => {
    expect(() => startsMs([[], []], 100, 5)).toThrow(
      expect.objectContaining({ code: 'ERR_REQUEST_RATE_NOTHING', kind: 'usage' }),
    );
  });
});
