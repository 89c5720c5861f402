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

  test('leaves faults as they are', () => {
    const fault = new Error('its own');
    expect(() =>
      new TimeLimit(LIMIT_MS).run(() => {
        throw fault;
      }),
    ).toThrow(fault);
  });
});
