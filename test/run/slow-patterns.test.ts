import { describe, expect, test } from 'vitest';
import { isTooSlow, stressTexts, TimeLimit } from '../../src/run/plan/slow-patterns.ts';

test.each(['^(\\w+\\s?)*$', '(.*)*x', '(x|xx)+y'])(
  '%s, which would never end, is found to be too slow',
  (pattern) => {
    expect(isTooSlow(pattern, stressTexts(pattern))).toBe(true);
  },
);

test.each([
  '/orders/(\\d+)',
  'name="csrf" value="([^"]*)"',
  '"id":\\s*"?([\\w-]+)',
  '<a href="(.*?)">',
])('%s is quick enough', (pattern) => {
  expect(isTooSlow(pattern, stressTexts(pattern))).toBe(false);
});

test('a pattern that is slow over these very texts is found, whatever it is made of', () => {
  expect(isTooSlow('^(?:[\\u0100-\\u0200]+)+$', [`${'\u0150'.repeat(40)}!`])).toBe(true);
});

describe('a limit of time', () => {
  const LIMIT_MS = 40;
  const nobody = new Int32Array(new SharedArrayBuffer(4));
  /** As one who has no processor for so long. */
  const idle = (ms: number) => Atomics.wait(nobody, 0, 0, ms);

  /** @returns how often it was run */
  function runs(limit: TimeLimit, idleMs: (time: number) => number): number {
    let times = 0;
    expect(
      limit.run(() => {
        idle(idleMs(times++));
        /b/.exec('abc');
      }),
    ).toBe(true);
    return times;
  }

  test('is not reached by who is done before, and that is run once', () => {
    // Longer than a busy machine keeps a test from its core.
    expect(runs(new TimeLimit(5_000), () => 0)).toBe(1);
  });

  test('is not reached by who waits for the processor', () => {
    const limit = new TimeLimit(LIMIT_MS);
    expect(runs(limit, (time) => (time === 0 ? 4 * LIMIT_MS : 0))).toBeGreaterThan(1);
    // However often.
    expect(runs(limit, () => 4 * LIMIT_MS)).toBeGreaterThan(2);
  });

  test('is reached by who has the processor, and holds for the next one as well', () => {
    const limit = new TimeLimit(8 * LIMIT_MS);
    for (let time = 0; time < 2; time++) {
      expect(limit.run(() => /^(?:a+)+$/.exec(`${'a'.repeat(40)}!`))).toBe(false);
      expect(runs(limit, () => 0)).toBe(1);
    }
  });

  /**
   * On a machine where the thread has a share of the processor, by a clock of its own.
   * @param needsMs of the processor's time, until it has come to its end
   * @returns what was said of it, and how long each attempt was
   */
  function onShare(share: number, needsMs: number): [ended: boolean, attemptsMs: number[]] {
    let cpuMs = 0;
    const attemptsMs: number[] = [];
    const script = {
      endsWithin: (ms: number): boolean => {
        attemptsMs.push(ms);
        cpuMs += Math.min(needsMs, share * ms);
        return needsMs <= share * ms;
      },
    };
    return [new TimeLimit(LIMIT_MS, script, () => cpuMs).run(() => undefined), attemptsMs];
  }

  test.each([
    { share: 1, attempts: 2, limits: 2 },
    { share: 0.6, attempts: 2, limits: 2 },
    // Twice the share that was missing, and a little more, instead of twice as long again and again.
    { share: 0.4, attempts: 3, limits: 4 },
    { share: 0.14, attempts: 3, limits: 7 },
    { share: 0.05, attempts: 4, limits: 25 },
    { share: 0.001, attempts: 4, limits: 32 },
    { share: 0, attempts: 4, limits: 32 },
  ])('is found within $limits limits by who has $share of the processor', (row) => {
    const [ended, attemptsMs] = onShare(row.share, Number.POSITIVE_INFINITY);
    expect(ended).toBe(false);
    expect(attemptsMs).toHaveLength(row.attempts);
    expect(attemptsMs.reduce((sum, ms) => sum + ms)).toBeLessThanOrEqual(row.limits * LIMIT_MS);
  });

  test.each([0.6, 0.4, 0.14, 0.05])('lets who has %f of the processor come to its end', (share) => {
    expect(onShare(share, 0.4 * LIMIT_MS)[0]).toBe(true);
  });

  test('leaves faults as they are', () => {
    const fault = new Error('its own');
    expect(() =>
      new TimeLimit(LIMIT_MS).run(() => {
        throw fault;
      }),
    ).toThrow(fault);
  });
});
