/** Processor time that a recording may take: never more than its share but for what was saved. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CpuBudget } from '../../../src/run/recorder/cpu-budget.ts';

test('what was saved in a second is there at once, and then it rests until the share is right', () => {
  const budget = new CpuBudget(0.2, 0, 70);
  expect(budget.restMs(100, 170)).toBe(0); // 100 used
  // 200 ms at the start, no more saved, 100 used and 20 accrued, then 150 used: 30 more than there are.
  expect(budget.restMs(200, 320)).toBeCloseTo(150);
  expect(budget.restMs(275, 320)).toBeCloseTo(75);
  expect(budget.restMs(350, 320)).toBeCloseTo(0);
});

test('an idle hour is no ticket for a busy minute', () => {
  const budget = new CpuBudget(0.1, 0, 0);
  expect(budget.restMs(3_600_000, 0)).toBe(0);
  expect(budget.restMs(3_600_000, 101)).toBeCloseTo(10);
});

test('who rests as told takes no more than the share, and what was saved, of any stretch of time', () => {
  const work = fc.array(fc.tuple(fc.double({ min: 0, max: 30, noNaN: true }), fc.nat(20)), {
    minLength: 1,
    maxLength: 200,
  });
  const property = fc.property(
    work,
    fc.double({ min: 0.01, max: 1, noNaN: true }),
    (pieces, share) => {
      const budget = new CpuBudget(share, 0, 0);
      let [now, used] = [0, 0];
      for (const [cpuMs, idleMs] of pieces) {
        const rest = budget.restMs(now, used);
        now += rest;
        // What is used before it is asked again is not known before: a piece.
        expect(used).toBeLessThanOrEqual(share * (now + 1_000) + 1e-6);
        if (rest === 0) used += cpuMs;
        now += cpuMs + idleMs;
      }
    },
  );
  fc.assert(property, { numRuns: 200 });
});
