/** Repeated runs: when a difference is more than noise. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { CHANCE_MAX, differenceOf, medianOf } from '../../src/measure/noise.ts';

const SEED = 1;
const FIGURES = { minLength: 1, maxLength: 5 };

describe('the chance of a difference', () => {
  test.each([
    // Published tables of the Wilcoxon rank-sum test, two-sided: 2 of C(n, m) deals are the extremes.
    { first: [1, 2, 3], second: [4, 5, 6], chance: 2 / 20, chanceMin: 2 / 20 },
    { first: [1, 2, 3, 4], second: [5, 6, 7, 8], chance: 2 / 70, chanceMin: 2 / 70 },
    { first: [1, 2, 3, 4, 5], second: [6, 7, 8, 9, 10], chance: 2 / 252, chanceMin: 2 / 252 },
    // One pair overlaps: four deals are as far apart or farther.
    { first: [1, 2, 3, 5], second: [4, 6, 7, 8], chance: 4 / 70, chanceMin: 2 / 70 },
    { first: [5], second: [5], chance: 1, chanceMin: 1 },
    { first: [1], second: [9], chance: 1, chanceMin: 1 },
    { first: [3, 3, 3], second: [3, 3, 3], chance: 1, chanceMin: 2 / 20 },
  ])('of $first and $second is $chance', ({ first, second, chance, chanceMin }) => {
    expect(differenceOf(first, second, SEED).chance).toBeCloseTo(chance, 12);
    expect(differenceOf(first, second, SEED).chanceMin).toBeCloseTo(chanceMin, 12);
  });

  test('of many runs is drawn, and near to what all deals would say', () => {
    const first = Array.from({ length: 11 }, (_, i) => i);
    const second = Array.from({ length: 11 }, (_, i) => i + 4);
    // By the normal approximation z is 2.33 to 2.36 (U = 24.5, mean 60.5, deviation 15.2).
    const { chance } = differenceOf(first, second, SEED);
    expect(chance).toBeGreaterThan(0.015);
    expect(chance).toBeLessThan(0.04);
  });

  test('equal systems are told apart about as often as said, and no more', () => {
    const prng = new Prng(7);
    // Latencies are skewed, and now and then one run goes astray.
    const run = (): number => Math.exp(prng.nextUnit() * 2) * (prng.nextUnit() < 0.05 ? 5 : 1);
    for (const runs of [3, 4, 5, 6]) {
      let told = 0;
      for (let i = 0; i < 200; i++) {
        const group = (): number[] => Array.from({ length: runs }, run);
        if (differenceOf(group(), group(), i).chance <= CHANCE_MAX) told++;
      }
      // Five of a hundred, and three standard deviations.
      expect({ runs, told: told <= 200 * 0.05 + 3 * Math.sqrt(200 * 0.05) }).toEqual({
        runs,
        told: true,
      });
      if (runs === 3) expect(told).toBe(0);
    }
  });
});

describe('the difference of medians', () => {
  test('as a share of the first is never below -100 %, however far apart the runs are', () => {
    const [first, second] = [
      [60, 70, 80, 400],
      [20, 21, 25, 30],
    ];
    expect(differenceOf(first, second, SEED).low).toBeLessThan(-medianOf(first));
    const figures = fc.array(fc.double({ min: 0.001, max: 1e6, noNaN: true }), FIGURES);
    fc.assert(
      fc.property(figures, figures, (one, other) => {
        const { median, low, high } = differenceOf(one, other, SEED, true);
        expect(low).toBeGreaterThan(-medianOf(one) * (1 + 1e-9));
        expect(low).toBeLessThanOrEqual(high);
        expect(median).toBe(medianOf(other) - medianOf(one));
      }),
      { examples: [[first, second]] },
    );
  });

  test('is not moved by one run that went astray, and its interval is', () => {
    const { median, low, high } = differenceOf([10, 11, 12, 13, 90], [20, 21, 22, 23, 24], SEED);
    expect(median).toBe(10);
    expect(low).toBeLessThanOrEqual(10);
    expect(high).toBeGreaterThanOrEqual(10);
  });

  test('of one run each is known, and how sure it is is not', () => {
    expect(differenceOf([10], [12], SEED)).toEqual({
      ...{ median: 2, low: 2, high: 2, chance: 1, chanceMin: 1 },
    });
  });

  test('turns its sign with the groups, whatever they are, and lies in its interval', () => {
    const figures = fc.array(fc.integer({ min: 0, max: 50 }), FIGURES);
    fc.assert(
      fc.property(figures, figures, (first, second) => {
        const there = differenceOf(first, second, SEED);
        const back = differenceOf(second, first, SEED);
        expect(back.median).toBe(0 - there.median);
        expect(back.chance).toBeCloseTo(there.chance, 9);
        expect(there.chance).toBeGreaterThanOrEqual(there.chanceMin - 1e-9);
        expect(there.low).toBeLessThanOrEqual(there.high);
        expect(there.low).toBeGreaterThanOrEqual(Math.min(...second) - Math.max(...first));
        expect(there.high).toBeLessThanOrEqual(Math.max(...second) - Math.min(...first));
        expect(differenceOf(first, second, SEED)).toEqual(there);
      }),
      { numRuns: 50 },
    );
  });

  test.each([
    [[3], 3],
    [[1, 2], 1.5],
    [[9, 1, 5], 5],
    [[10, 9, 100, 2], 9.5],
  ])('the median of %j is %j', (values, median) => {
    expect(medianOf(values)).toBe(median);
  });
});
