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

test.each([
  { name: 'floats', make: () => new Float64Column() },
  { name: 'words', make: () => new Uint32Column() },
])('$name that are skipped are zeros, also where something had been', ({ make }) => {
  const column = make();
  column.push(7);
  column.skipTo(1_000);
  column.push(8);
  expect([...column.toShared()]).toEqual([7, ...new Array<number>(999).fill(0), 8]);
  column.clear();
  column.push(9);
  column.skipTo(1_003);
  column.skipTo(1_003);
  expect([...column.toShared()]).toEqual([9, ...new Array<number>(1_002).fill(0)]);
});

test('words that are skipped may have another value', () => {
  const column = new Uint32Column();
  column.push(1);
  column.skipTo(300, 5);
  column.skipTo(302);
  expect([...column.toShared()]).toEqual([1, ...new Array<number>(299).fill(5), 0, 0]);
});

test('narrow copies have zeros where values were skipped, and where they were not', () => {
  const column = new Uint32Column();
  column.push(3);
  column.skipTo(4);
  expect(column.toSharedOctets()).toEqual(Uint8Array.of(3, 0, 0, 0));
  column.clear();
  for (const value of [4, 5, 6, 7]) column.push(value);
  expect(column.toSharedOctets()).toEqual(Uint8Array.of(4, 5, 6, 7));
  column.skipTo(5, 9);
  column.skipTo(6);
  column.skipTo(6);
  expect(column.toSharedOctets()).toEqual(Uint8Array.of(4, 5, 6, 7, 9, 0));
});
