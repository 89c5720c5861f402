/** Views of one buffer. */
import { expect, test } from 'vitest';
import { Prefixes } from '../../src/base/prefixes.ts';

test('a prefix is a view of the buffer, the same one whenever it is asked for', () => {
  const prefixes = new Prefixes(300);
  for (const bytes of [0, 1, 299, 300]) {
    const view = prefixes.of(bytes);
    expect(view).toHaveLength(bytes);
    expect(view.buffer).toBe(prefixes.octets.buffer);
    expect(prefixes.of(bytes)).toBe(view);
  }
  prefixes.of(2)[1] = 7;
  expect(prefixes.octets[1]).toBe(7);
  expect(prefixes.of(301)).toHaveLength(300);
});
