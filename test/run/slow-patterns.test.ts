import { expect, test } from 'vitest';
import { isTooSlow, stressTexts } from '../../src/run/plan/slow-patterns.ts';

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
