import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NS_PER_SECOND } from '../../src/base/time.ts';
import { parseRamp } from '../../src/cli/values/ramp.ts';
import {
  type ArrivalOptions,
  type ArrivalPlan,
  planArrivals,
} from '../../src/schedule/arrivals.ts';
import { refusal } from '../helpers/refusal.ts';

const SECOND = NS_PER_SECOND;

const plan = (startsSeconds: number[], rest: Partial<ArrivalOptions>): ArrivalPlan =>
  planArrivals({
    sessionStartsNs: Float64Array.from(startsSeconds, (s) => s * SECOND),
    sessionDurationNs: 4 * SECOND,
    users: startsSeconds.length,
    accel: 1,
    ...rest,
  });

const starts = (arrivals: ArrivalPlan): number[] =>
  Array.from({ length: arrivals.users }, (_, user) => arrivals.startNs(user) / SECOND);

describe('users start', () => {
  test.each([
    { name: 'as recorded, from the first', at: [100, 101, 103], rest: {}, expected: [0, 1, 3] },
    { name: 'faster', at: [0, 1, 3], rest: { accel: 10 }, expected: [0, 0.1, 0.3] },
    { name: 'slower', at: [0, 1, 3], rest: { accel: 0.5 }, expected: [0, 2, 6] },
    {
      name: 'with the first sessions when there are fewer users',
      at: [0, 1, 3],
      rest: { users: 2 },
      expected: [0, 1],
    },
    {
      name: 'evenly up to the next arrival, the last ones over the mean gap',
      at: [0, 1, 4],
      rest: { users: 6 },
      expected: [0, 0.5, 1, 2.5, 4, 5],
    },
    {
      name: 'over the duration of the only session',
      at: [7],
      rest: { users: 4, accel: 2 },
      expected: [0, 0.5, 1, 1.5],
    },
    {
      name: 'all at once where the capture did',
      at: [5, 5],
      rest: { users: 4 },
      expected: [0, 0, 0, 0],
    },
    {
      name: 'at a rate',
      at: [0, 9],
      rest: { users: 4, rate: 2, accel: 10 },
      expected: [0, 0.5, 1, 1.5],
    },
    {
      name: 'by a ramp',
      at: [0],
      rest: { users: 6, ramp: parseRamp('2s:2,4s:2,5s:6') },
      expected: [0, 1, 4, 4.25, 4.5, 4.75],
    },
    {
      name: 'by a ramp with steps',
      at: [0],
      rest: { users: 4, ramp: parseRamp('0:2,10s:2,10s:4') },
      expected: [0, 0, 10, 10],
    },
  ])('$name', ({ at, rest, expected }) => {
    const arrivals = plan(at, rest);
    expect(starts(arrivals)).toEqual(expected);
    expect(arrivals.lastStartNs / SECOND).toBe(expected.at(-1));
  });
});

const recorded = fc
  .array(fc.integer({ min: 0, max: 50_000_000_000 }), { minLength: 1, maxLength: 30 })
  .map((gaps) => {
    let at = 0;
    return Float64Array.from(gaps, (gap) => {
      at += gap;
      return at;
    });
  });

test('the order of users is the order of starts, and the first is at 0', () => {
  const accel = fc.constantFrom(0.5, 1, 2.5, 10, 1000, 1 / 3);
  fc.assert(
    fc.property(recorded, fc.integer({ min: 1, max: 500 }), accel, (sessionStartsNs, users, a) => {
      const arrivals = planArrivals({ sessionStartsNs, sessionDurationNs: 1e9, users, accel: a });
      expect(arrivals.startNs(0)).toBe(0);
      for (let user = 1; user < users; user++) {
        expect(arrivals.startNs(user)).toBeGreaterThanOrEqual(arrivals.startNs(user - 1));
      }
    }),
  );
});

test('every recorded interval gets the same share of users, give or take one', () => {
  const distinct = recorded.map((column) => column.map((ns, i) => ns + i));
  fc.assert(
    fc.property(distinct, fc.integer({ min: 1, max: 20_000 }), (sessionStartsNs, more) => {
      const sessions = sessionStartsNs.length;
      const users = sessions + more;
      const arrivals = planArrivals({ sessionStartsNs, sessionDurationNs: 1e9, users, accel: 1 });
      const shares = new Array<number>(sessions).fill(0);
      const bounds = [...sessionStartsNs].map((ns) => ns - sessionStartsNs[0]);
      let interval = 0;
      for (let user = 0; user < users; user++) {
        const at = arrivals.startNs(user);
        while (interval + 1 < sessions && at >= bounds[interval + 1]) interval++;
        shares[interval]++;
      }
      for (const share of shares) expect(Math.abs(share - users / sessions)).toBeLessThan(1 + 1e-9);
    }),
    { numRuns: 50 },
  );
});

test('the description says where the curve comes from', () => {
  expect(plan([0, 1], { users: 2 }).description).toBe(
    'users start as recorded, every session once, over 1 s',
  );
  expect(plan([0, 1], { users: 10, accel: 10 }).description).toMatch(/as recorded ÷ 10.* 5 users/);
  expect(plan([0, 1], { rate: 500 }).description).toMatch(/^users start at 500\/s/);
  expect(plan([3, 3], {}).description).toMatch(/all at once/);
  expect(plan([0, 1], { users: 11, rate: 2 }).meanRate).toBe(2);
});

test.each([
  ['', /not TIME:USERS/],
  ['10s', /not TIME:USERS/],
  ['10s:x', /not TIME:USERS/],
  ['10:5', /did you mean|has no time/],
  ['10s:5,5s:6', /before the stage before it/],
  ['10s:5,20s:4', /goes down/],
  ['10s:0', /starts nobody/],
])("the ramp '%s' is refused", (text, message) => {
  expect(refusal(() => parseRamp(text)).message).toMatch(message);
});

test('a ramp that ends below the users is refused', () => {
  expect(() => plan([0], { users: 7, ramp: parseRamp('10s:6') })).toThrow(/6 users, 7 are planned/);
});

test.each([
  ['0:0,60s:6000,90s:6000', 'a ramp of 2 stages'],
  ['0:0,10s:100', 'a ramp of 1 stage,'],
  ['10s:100', 'a ramp of 1 stage,'],
  ['0:10,10s:100', 'a ramp of 2 stages'],
])('the stages of %s are counted as drawn', (text, said) => {
  const ramp = parseRamp(text);
  const users = ramp[ramp.length - 1].users;
  expect(plan([0], { ramp, users }).description).toContain(said);
});
