/** Columns as wide as what they may hold. */
import { expect, test } from 'vitest';
import { narrowBytes, narrowColumn } from '../../src/base/narrow-column.ts';

test.each([
  { max: 0, bytes: 1 },
  { max: 0xff, bytes: 1 },
  { max: 0x100, bytes: 2 },
  { max: 0xffff, bytes: 2 },
  { max: 0x1_0000, bytes: 4 },
  { max: 0xffff_ffff, bytes: 4 },
])(
  'numbers up to $max take $bytes octets each, and come back as they were put',
  ({ max, bytes }) => {
    const column = narrowColumn(3, max);
    column[1] = max;
    expect([...column]).toEqual([0, max, 0]);
    expect(column.byteLength).toBe(3 * bytes);
    expect(narrowBytes(max)).toBe(bytes);
  },
);

test('what no column can hold is refused', () => {
  expect(() => narrowColumn(1, 2 ** 32)).toThrow(/32 bits/);
});
