import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Instant } from '../../src/base/instant.ts';
import { NEVER_NS, NS_PER_MS, NS_PER_SECOND } from '../../src/base/time.ts';
import { TIMER_BYTES_PER_USER } from '../../src/schedule/timer-rows.ts';
import { TimingWheel } from '../../src/schedule/timing-wheel.ts';

const TICK_NS = 2 ** 14;
const DAY_NS = 86_400 * NS_PER_SECOND;

interface Firing {
  user: number;
  dueNs: number;
}

/** The wheel's oracle: a plain map, searched in full every time. */
class NaiveTimers {
  readonly dues = new Map<number, number>();

  earliestNs(): number {
    return Math.min(NEVER_NS, ...this.dues.values());
  }

  dueAt(nowNs: number): number[] {
    return [...this.dues].filter(([, dueNs]) => dueNs <= nowNs).map(([user]) => user);
  }
}

function advanceAll(wheel: TimingWheel, nowNs: number): number[] {
  const fired: number[] = [];
  do wheel.advance(new Instant(nowNs), 1000, { onDue: (user) => fired.push(user) });
  while (wheel.nextDueNs() <= nowNs);
  return fired;
}

/** Jumps from due time to due time, as a run in virtual time does. */
function runVirtually(wheel: TimingWheel, onDue: (user: number, nowNs: number) => void): number {
  let nowNs = 0;
  let turns = 0;
  for (let nextNs = wheel.nextDueNs(); nextNs !== NEVER_NS; nextNs = wheel.nextDueNs()) {
    nowNs = Math.max(nowNs, nextNs);
    wheel.advance(new Instant(nowNs), 64, { onDue: (user) => onDue(user, nowNs) });
    turns++;
  }
  return turns;
}

describe('a timer', () => {
  test.each([
    { name: 'now', dueNs: 0 },
    { name: 'within the first tick', dueNs: 1 },
    { name: 'at the end of a tick', dueNs: TICK_NS - 1 },
    { name: 'at the start of a tick', dueNs: TICK_NS },
    { name: 'between two nanoseconds', dueNs: 3 * TICK_NS + 0.5 },
    { name: 'in the last slot of level 0', dueNs: 255 * TICK_NS + 7 },
    { name: 'in the first slot of level 1', dueNs: 256 * TICK_NS },
    { name: 'at the end of level 1', dueNs: 65_536 * TICK_NS - 1 },
    { name: 'in level 2', dueNs: 65_536 * TICK_NS + 5 },
    { name: 'in level 3', dueNs: 2 ** 24 * TICK_NS + 5 },
    { name: 'past tick 2^31', dueNs: 2 ** 31 * TICK_NS + 12_345 },
    { name: 'past tick 2^32', dueNs: 2 ** 32 * TICK_NS + 12_345 },
    { name: 'in 100 days', dueNs: 100 * DAY_NS + 1 },
  ])('due $name fires at that nanosecond and not before', ({ dueNs }) => {
    const wheel = new TimingWheel(1);
    wheel.arm(0, new Instant(dueNs));
    const firedNs: number[] = [];
    const turns = runVirtually(wheel, (_user, nowNs) => firedNs.push(nowNs));
    expect(firedNs).toEqual([dueNs]);
    expect(turns).toBeLessThanOrEqual(5);
    expect(wheel.isArmed(0)).toBe(false);
  });

  test('does not fire one nanosecond early within its tick', () => {
    const wheel = new TimingWheel(2);
    wheel.arm(0, new Instant(1000));
    wheel.arm(1, new Instant(1001));
    expect(advanceAll(wheel, 1000)).toEqual([0]);
    expect(wheel.nextDueNs()).toBe(1001);
    expect(advanceAll(wheel, 1001)).toEqual([1]);
  });

  test('that is cancelled does not fire', () => {
    const wheel = new TimingWheel(3);
    for (const user of [0, 1, 2]) wheel.arm(user, new Instant(500));
    wheel.cancel(1);
    wheel.cancel(1);
    expect(wheel.isArmed(1)).toBe(false);
    expect(advanceAll(wheel, NS_PER_SECOND)).toEqual([0, 2]);
    expect(wheel.nextDueNs()).toBe(NEVER_NS);
  });

  test('armed with NEVER_NS is off', () => {
    const wheel = new TimingWheel(1);
    wheel.arm(0, new Instant(500));
    wheel.arm(0, new Instant(NEVER_NS));
    expect(wheel.isArmed(0)).toBe(false);
    expect(wheel.nextDueNs()).toBe(NEVER_NS);
  });

  test('armed with no number is a programming error', () => {
    expect(() => new TimingWheel(1).arm(0, new Instant(Number.NaN))).toThrow(/assertion/);
  });

  test('armed for a time that has passed fires at the next call', () => {
    const wheel = new TimingWheel(1);
    wheel.advance(new Instant(DAY_NS), 1, { onDue: () => expect.fail('nothing is due') });
    wheel.arm(0, new Instant(5));
    expect(wheel.nextDueNs()).toBe(5);
    expect(advanceAll(wheel, DAY_NS)).toEqual([0]);
  });

  test('put off again and again fires once, at the last time', () => {
    const wheel = new TimingWheel(1);
    const firedNs: number[] = [];
    for (let i = 1; i <= 100; i++) wheel.arm(0, new Instant(i * 7 * NS_PER_MS));
    runVirtually(wheel, (_user, nowNs) => firedNs.push(nowNs));
    expect(firedNs).toEqual([700 * NS_PER_MS]);
  });

  test('put off within the slot that is next keeps the order of the others', () => {
    const wheel = new TimingWheel(3);
    wheel.arm(0, new Instant(100));
    wheel.arm(1, new Instant(200));
    wheel.arm(2, new Instant(300));
    expect(wheel.nextDueNs()).toBe(100);
    wheel.arm(0, new Instant(250));
    expect(wheel.nextDueNs()).toBe(200);
    const order: number[] = [];
    runVirtually(wheel, (user) => order.push(user));
    expect(order).toEqual([1, 0, 2]);
  });
});

describe('advance', () => {
  test('reports at most the limit and says that more is due', () => {
    const wheel = new TimingWheel(10);
    for (let user = 0; user < 10; user++) wheel.arm(user, new Instant(100 + user));
    const fired: number[] = [];
    const sink = { onDue: (user: number) => fired.push(user) };
    expect(wheel.advance(new Instant(NS_PER_SECOND), 4, sink)).toBe(4);
    expect(wheel.nextDueNs()).toBeLessThanOrEqual(104);
    expect(wheel.advance(new Instant(NS_PER_SECOND), 4, sink)).toBe(4);
    expect(wheel.advance(new Instant(NS_PER_SECOND), 4, sink)).toBe(2);
    expect(fired).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test('is bounded by the limit when users arm themselves for the past', () => {
    const wheel = new TimingWheel(2);
    wheel.arm(0, new Instant(1));
    wheel.arm(1, new Instant(2));
    const fired = wheel.advance(new Instant(NS_PER_SECOND), 50, {
      onDue: (user) => wheel.arm(user, new Instant(0)),
    });
    expect(fired).toBe(50);
  });

  test('lets a callback cancel users that are due at the same time', () => {
    const wheel = new TimingWheel(4);
    for (let user = 0; user < 4; user++) wheel.arm(user, new Instant(1000));
    const fired: number[] = [];
    wheel.advance(new Instant(1000), 10, {
      onDue: (user) => {
        fired.push(user);
        for (let other = 0; other < 4; other++) if (other !== user) wheel.cancel(other);
      },
    });
    expect(fired).toEqual([0]);
    expect(wheel.nextDueNs()).toBe(NEVER_NS);
  });

  test('deals out a crowded slot of an upper level over several calls and loses nobody', () => {
    const users = 20_000;
    const wheel = new TimingWheel(users);
    for (let user = 0; user < users; user++)
      wheel.arm(user, new Instant(20 * NS_PER_SECOND + user * 1000));
    const seen = new Uint8Array(users);
    let lateNs = 0;
    runVirtually(wheel, (user, nowNs) => {
      seen[user]++;
      lateNs = Math.max(lateNs, nowNs - (20 * NS_PER_SECOND + user * 1000));
    });
    expect(seen.every((count) => count === 1)).toBe(true);
    expect(lateNs).toBe(0);
  });

  test('keeps first come, first served among users due at the same nanosecond', () => {
    const wheel = new TimingWheel(100);
    const order = Array.from({ length: 100 }, (_, i) => (i * 37) % 100);
    for (const user of order) wheel.arm(user, new Instant(12_345));
    wheel.arm(order[0], new Instant(12_344));
    expect(advanceAll(wheel, 12_345)).toEqual(order);
  });
});

/** Hundreds of users within one tick, each armed again from its own callback, as in a run in virtual time. */
test('a crowded tick fires in due order, equals first come, first served', () => {
  const dense = fc.integer({ min: 0, max: 2 * TICK_NS });
  const coarse = fc.integer({ min: 0, max: 8 }).map((n) => n * 1000);
  const delays = fc.array(fc.oneof(dense, coarse), { minLength: 200, maxLength: 400 });
  fc.assert(
    fc.property(delays, fc.array(fc.nat(), { maxLength: 50 }), (delaysNs, cancelled) => {
      const users = delaysNs.length;
      const wheel = new TimingWheel(users);
      const naive = new Map<number, { readonly dueNs: number; readonly armed: number }>();
      let armed = 0;
      const arm = (user: number, dueNs: number): void => {
        wheel.arm(user, new Instant(dueNs));
        naive.set(user, { dueNs, armed: armed++ });
      };
      for (const [user, ns] of delaysNs.entries()) arm(user, ns);
      let fired = 0;
      runVirtually(wheel, (user, nowNs) => {
        const own = naive.get(user) ?? { dueNs: Number.NaN, armed: Number.NaN };
        naive.delete(user);
        expect(own.dueNs).toBe(nowNs);
        for (const { dueNs, armed: since } of naive.values()) {
          if (dueNs < own.dueNs || (dueNs === own.dueNs && since < own.armed)) expect.fail();
        }
        if (fired++ < users) arm(user, nowNs + delaysNs[(user + fired) % users]);
        const other = (cancelled[fired] ?? user) % users;
        if (other === user) return;
        wheel.cancel(other);
        naive.delete(other);
      });
      expect(naive.size).toBe(0);
    }),
    { numRuns: 12 },
  );
});

const USERS = 12;
const due = fc.oneof(
  fc.integer({ min: 0, max: 3 * TICK_NS }),
  fc.integer({ min: 0, max: 600 * TICK_NS }),
  fc.integer({ min: 0, max: 70_000 * TICK_NS }),
  fc.maxSafeInteger().map((n) => Math.abs(n) % (90 * DAY_NS)),
);
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ arm: fc.nat(USERS - 1), inNs: due }) },
  { weight: 1, arbitrary: fc.record({ cancel: fc.nat(USERS - 1) }) },
  { weight: 2, arbitrary: fc.record({ advanceNs: due, limit: fc.integer({ min: 1, max: 8 }) }) },
  { weight: 3, arbitrary: fc.constant({ jump: true }) },
  { weight: 1, arbitrary: fc.constant({ look: true }) },
);

test('any mix of arming, cancelling and advancing agrees with a naive list', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const wheel = new TimingWheel(USERS);
      const naive = new NaiveTimers();
      let nowNs = 0;
      const advance = (limit: number) => {
        const fired: Firing[] = [];
        const count = wheel.advance(new Instant(nowNs), limit, {
          onDue: (user) => {
            const dueNs = naive.dues.get(user);
            expect(dueNs).toBeDefined();
            expect(dueNs).toBeLessThanOrEqual(nowNs);
            expect(wheel.isArmed(user)).toBe(false);
            naive.dues.delete(user);
            fired.push({ user, dueNs: dueNs ?? Number.NaN });
          },
        });
        expect(count).toBe(fired.length);
        const ticks = fired.map((firing) => Math.floor(firing.dueNs / TICK_NS));
        expect(ticks).toEqual([...ticks].sort((a, b) => a - b));
        if (count < limit) expect(naive.dueAt(nowNs)).toEqual([]);
      };
      for (const s of steps) {
        if ('arm' in s) {
          wheel.arm(s.arm, new Instant(nowNs + s.inNs));
          naive.dues.set(s.arm, nowNs + s.inNs);
        } else if ('cancel' in s) {
          wheel.cancel(s.cancel);
          naive.dues.delete(s.cancel);
        } else if ('advanceNs' in s) {
          nowNs += s.advanceNs;
          if (nowNs > 100 * DAY_NS) break;
          advance(s.limit);
        } else if ('jump' in s && wheel.nextDueNs() !== NEVER_NS) {
          nowNs = Math.max(nowNs, wheel.nextDueNs());
          if (nowNs > 100 * DAY_NS) break;
          advance(100);
        }
        expect(wheel.nextDueNs()).toBeLessThanOrEqual(naive.earliestNs());
        if (naive.dues.size === 0) expect(wheel.nextDueNs()).toBe(NEVER_NS);
        for (let user = 0; user < USERS; user++) {
          expect(wheel.isArmed(user)).toBe(naive.dues.has(user));
          expect(wheel.dueNsOf(user)).toBe(naive.dues.get(user) ?? NEVER_NS);
        }
      }
      // What is left fires at exactly its time.
      let left = nowNs;
      for (let nextNs = wheel.nextDueNs(); nextNs !== NEVER_NS; nextNs = wheel.nextDueNs()) {
        left = Math.max(left, nextNs);
        wheel.advance(new Instant(left), 3, {
          onDue: (user) => {
            expect(left).toBe(Math.max(nowNs, naive.dues.get(user) ?? Number.NaN));
            naive.dues.delete(user);
          },
        });
      }
      expect(naive.dues.size).toBe(0);
    }),
    { numRuns: 300 },
  );
});

test('callbacks that arm and cancel others at random lose no timer', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(USERS - 1), due), { minLength: 1, maxLength: 40 }),
      fc.array(fc.tuple(fc.nat(USERS - 1), fc.option(due)), { maxLength: 60 }),
      (starts, reactions) => {
        const wheel = new TimingWheel(USERS);
        const naive = new NaiveTimers();
        for (const [user, dueNs] of starts) {
          wheel.arm(user, new Instant(dueNs));
          naive.dues.set(user, dueNs);
        }
        let reaction = 0;
        runVirtually(wheel, (user, nowNs) => {
          expect(nowNs).toBeGreaterThanOrEqual(naive.dues.get(user) ?? Number.NaN);
          expect(naive.earliestNs()).toBe(naive.dues.get(user));
          naive.dues.delete(user);
          const entry = reactions.at(reaction++);
          if (entry === undefined || reaction > reactions.length) return;
          const [other, inNs] = entry;
          if (inNs === null || nowNs > 90 * DAY_NS) {
            wheel.cancel(other);
            naive.dues.delete(other);
          } else {
            wheel.arm(other, new Instant(nowNs + inNs));
            naive.dues.set(other, nowNs + inNs);
          }
          if (reaction % 3 === 0) wheel.nextDueNs();
        });
        expect(naive.dues.size).toBe(0);
      },
    ),
    { numRuns: 300 },
  );
});

test('costs 16 bytes a user', () => {
  expect(TIMER_BYTES_PER_USER).toBe(16);
});
