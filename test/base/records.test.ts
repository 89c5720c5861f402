import { expect, test } from 'vitest';
import { Records } from '../../src/base/records.ts';

test('records that were saved are taken over where they lie, and grow from there', () => {
  const memory = new ArrayBuffer(8 + 3 * 16);
  const words = new Uint32Array(memory);
  words.set([99, 99, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  const records = new Records(4);
  records.adopt(memory, 3, 8);
  expect([...records.used]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  expect(records.used.buffer).toBe(memory);
  records.u32[0] = 77;
  expect(words[2]).toBe(77);

  const row = records.append();
  records.u32[row * 4] = 13;
  expect([...records.used]).toEqual([77, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 0, 0, 0]);
  expect(records.f64.length * 2).toBe(records.u32.length);
});

test('a table that was saved empty can be added to', () => {
  const records = new Records(2);
  records.adopt(new ArrayBuffer(16), 0, 16);
  expect(records.append()).toBe(0);
  records.f64[0] = 1.5;
  expect(records.used).toHaveLength(2);
});

test('records are not taken over from memory that is too short for them', () => {
  expect(() => new Records(2).adopt(new ArrayBuffer(24), 3, 8)).toThrow();
});
