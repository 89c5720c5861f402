import fc from 'fast-check';
import { expect, test } from 'vitest';
import { COUNTS_LENGTH } from '../../src/measure/histogram-steps.ts';
import { sparseOf } from '../../src/measure/histograms.ts';
import {
  CountsPacker,
  NO_COUNTS,
  packCounts,
  unpackCounts,
} from '../../src/measure/packed-counts.ts';

const packer = new CountsPacker();

/** Counts of all sizes, at steps from the first to the last. */
const counts = fc
  .dictionary(
    fc.integer({ min: 0, max: COUNTS_LENGTH - 1 }).map(String),
    fc.oneof(
      fc.integer({ min: 1, max: 200 }),
      fc.integer({ min: 2 ** 29, max: 2 ** 33 }),
      fc.maxSafeInteger().map((n) => 1 + (Math.abs(n) % (2 ** 52 - 1))),
    ),
  )
  .map((steps) => {
    const all = new Float64Array(COUNTS_LENGTH);
    for (const [index, count] of Object.entries(steps)) all[Number(index)] = count;
    return sparseOf(all);
  });

test('what is unpacked is what was packed', () => {
  fc.assert(
    fc.property(counts, (sparse) => {
      expect(unpackCounts(packCounts(sparse, packer))).toEqual(sparse);
    }),
  );
});

test.each([
  { name: 'the first step', index: 0, count: 1, bytes: [2] },
  { name: 'a step behind a gap', index: 3, count: 1, bytes: [5, 2] },
  { name: 'the largest count of one octet', index: 0, count: 63, bytes: [126] },
  { name: 'the smallest of two', index: 0, count: 64, bytes: [128, 1] },
  { name: 'the largest below 2^31', index: 0, count: 2 ** 30 - 1, bytes: [254, 255, 255, 255, 7] },
  { name: 'one more', index: 0, count: 2 ** 30, bytes: [128, 128, 128, 128, 8] },
])('$name', ({ index, count, bytes }) => {
  packer.add(index, count);
  expect([...packer.take()]).toEqual(bytes);
});

const bytesOf = ({ buffer }: Uint32Array | Float64Array): Buffer => Buffer.from(buffer);

test('all steps with the largest counts fit', () => {
  const all = sparseOf(new Float64Array(COUNTS_LENGTH).fill(2 ** 52 - 1));
  const odd = sparseOf(all.counts.map((count, index) => (index % 2 === 1 ? count : 0)));
  for (const sparse of [all, odd]) {
    const { indexes, counts } = unpackCounts(packCounts(sparse, packer));
    // Compared by their octets: so many numbers one by one would take seconds.
    expect(Buffer.compare(bytesOf(indexes), bytesOf(sparse.indexes))).toBe(0);
    expect(Buffer.compare(bytesOf(counts), bytesOf(sparse.counts))).toBe(0);
  }
});

test('nothing takes nothing', () => {
  expect(packer.take()).toBe(NO_COUNTS);
  expect(unpackCounts(NO_COUNTS).indexes).toHaveLength(0);
});

test('a second of a loaded server takes two octets a step or less', () => {
  // Some 20,000 answers, between 200 µs and 2 ms, most of them near the lower end.
  const all = new Float64Array(COUNTS_LENGTH);
  for (let i = 0; i < 3_400; i++) all[9_000 + i] = Math.max(0, Math.round(40 / (1 + i / 200) - 4));
  const sparse = sparseOf(all);
  expect(packCounts(sparse, packer).length).toBeLessThan(2 * sparse.indexes.length);
});
