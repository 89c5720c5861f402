import { expect, test } from 'vitest';
import { hasReceiveGroups } from '../../src/io/receive/receive-group.ts';

test.each([
  { release: '5.15.0-91-generic', expected: false },
  { release: '6.1.0-18-amd64', expected: false },
  { release: '6.2.0', expected: true },
  { release: '6.10.3', expected: true },
  { release: '7.0-rc1', expected: true },
])('Linux $release has groups that hear replies alone: $expected', ({ release, expected }) => {
  expect(hasReceiveGroups(release)).toBe(expected);
});
