import { expect, test } from 'vitest';
import { Float64Column, Uint32Column } from '../../src/base/columns.ts';

test.each([
  { name: 'floats', make: () => new Float64Column() },
  { name: 'words', make: () => new Uint32Column() },
])(
  '$name keep what was pushed, however often they grow, and share it without a copy',
  ({ make }) => {
    const column = make();
    const pushed = Array.from({ length: 1_000 }, (_, i) => i * 3);
    for (const value of pushed) column.push(value);
    expect([...column.toShared()]).toEqual(pushed);
    expect(column.toShared().buffer).toBe(column.toShared().buffer);

    const before = column.toShared();
    column.clear();
    expect(column.toShared()).toHaveLength(0);
    column.reserve(500);
    column.push(7);
    // Its memory is used again.
    expect(before[0]).toBe(7);
    column.reserve(10_000);
    expect([...column.toShared()]).toEqual([7]);
  },
);

test('narrow copies have the values that were pushed', () => {
  const column = new Uint32Column();
  for (const value of [0, 1, 255]) column.push(value);
  expect(column.toSharedOctets()).toEqual(Uint8Array.of(0, 1, 255));
  expect(column.toSharedUint16()).toEqual(Uint16Array.of(0, 1, 255));
});
