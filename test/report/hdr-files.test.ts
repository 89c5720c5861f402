/** Histograms in files, read by a second implementation of their formats. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { NS_PER_MS } from '../../src/base/time.ts';
import { encodeHistogram } from '../../src/measure/histogram-codec.ts';
import { COUNTS_LENGTH, highestOf } from '../../src/measure/histogram-steps.ts';
import { sparseOf } from '../../src/measure/histograms.ts';
import { hgrmReport } from '../../src/report/hgrm.ts';
import { hlogReport } from '../../src/report/hlog.ts';
import { readHdrV2, type ValueCounts } from '../helpers/hdr-v2.ts';
import { sampleResult } from '../measure/sample-run.ts';

/** The response times of the sample run: the `i`th comes after `i` times 5 ms. */
const RESPONSES = Array.from({ length: 1_980 }, (_, i) => ({
  atSeconds: (i + 1) * 0.005,
  ns: (i + 1) * NS_PER_MS,
}));

const expanded = (counts: ValueCounts): number[] =>
  [...counts].flatMap(([value, count]) => Array.from({ length: count }, () => value));

function expectAlike(found: ValueCounts, values: readonly number[]): void {
  const read = expanded(found);
  expect(read).toHaveLength(values.length);
  for (const [i, value] of values.entries()) {
    expect(read[i]).toBeGreaterThanOrEqual(value);
    expect(read[i]).toBeLessThanOrEqual(value * 1.001);
  }
}

test('a second reader finds in the log what was recorded in each second', () => {
  const rows = hlogReport(sampleResult())
    .split('\n')
    .filter((line) => line.startsWith('Tag=response,'))
    .map((line) => line.split(','));
  expect(rows).toHaveLength(10);
  for (const [, start, length, max, encoded] of rows) {
    const [from, to] = [Number(start), Number(start) + Number(length)];
    const values = RESPONSES.filter(({ atSeconds }) => atSeconds >= from && atSeconds < to);
    const found = readHdrV2(encoded);
    expectAlike(
      found,
      values.map(({ ns }) => ns),
    );
    expect(Number(max)).toBeCloseTo((expanded(found).at(-1) ?? 0) / NS_PER_MS, 3);
  }
});

test('a second reader finds the whole run in the result, and each row of the distribution in that', () => {
  const result = sampleResult();
  const found = readHdrV2(result.histograms.response);
  expectAlike(
    found,
    RESPONSES.map(({ ns }) => ns),
  );
  const read = expanded(found);
  const rows = hgrmReport(result, 'response')
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter((row) => row.length >= 3 && row.every((number) => !Number.isNaN(number)));
  expect(rows.length).toBeGreaterThan(50);
  for (const [valueMs, , total] of rows) {
    // The distribution shows three digits behind the point.
    const upTo = read.filter((ns) => ns / NS_PER_MS <= valueMs + 0.0005).length;
    expect(upTo, `${valueMs} ms`).toBe(total);
  }
});

test('a second reader finds counts of all sizes at the steps where they are', () => {
  const steps = fc.dictionary(
    fc.integer({ min: 0, max: COUNTS_LENGTH - 1 }).map(String),
    fc.oneof(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 2 ** 30, max: 2 ** 40 })),
    { minKeys: 1, maxKeys: 20 },
  );
  fc.assert(
    fc.property(steps, (chosen) => {
      const counts = new Float64Array(COUNTS_LENGTH);
      for (const [index, count] of Object.entries(chosen)) counts[Number(index)] = count;
      const sparse = sparseOf(counts);
      expect([...readHdrV2(encodeHistogram(sparse))]).toEqual(
        [...sparse.indexes].map((index, i) => [highestOf(index), sparse.counts[i]]),
      );
    }),
    { numRuns: 50 },
  );
});
