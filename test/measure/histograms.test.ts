import fc from 'fast-check';
import * as hdr from 'hdr-histogram-js';
import { describe, expect, test } from 'vitest';
import { ReplayError } from '../../src/base/errors.ts';
import { encodeHistogram } from '../../src/measure/histogram-codec.ts';
import { decodeHistogram, percentileDistribution } from '../../src/measure/histogram-reader.ts';
import {
  COUNTS_LENGTH,
  HIGHEST_TRACKABLE_NS,
  highestOf,
  indexOf,
  lowestOf,
} from '../../src/measure/histogram-steps.ts';
import {
  Latency,
  LatencyChanges,
  LatencyRecorder,
  LatencyTable,
  sparseValueAtPercentileNs,
} from '../../src/measure/histograms.ts';

const reference = (values: readonly number[]): hdr.JsHistogram => {
  const histogram = hdr.build({
    bitBucketSize: 64,
    autoResize: false,
    lowestDiscernibleValue: 1,
    highestTrackableValue: HIGHEST_TRACKABLE_NS,
    numberOfSignificantValueDigits: 3,
  });
  for (const value of values) histogram.recordValue(value);
  return histogram as hdr.JsHistogram;
};

const columnsOf = (
  values: readonly number[],
  latency: Latency = Latency.RESPONSE,
): LatencyRecorder['columns'] => {
  const recorder = new LatencyRecorder();
  for (const value of values) recorder.record(latency, value);
  return recorder.columns;
};

const recorded = (values: readonly number[], latency: Latency = Latency.RESPONSE): LatencyTable =>
  LatencyTable.of([columnsOf(values, latency)]);

/** Values of every magnitude alike, and the edges of steps and buckets. */
const value = fc.oneof(
  fc.integer({ min: 0, max: 46 }).chain((bits) => fc.integer({ min: 0, max: 2 ** bits })),
  fc.integer({ min: 0, max: 46 }).map((bits) => 2 ** bits - 1),
  fc.integer({ min: 0, max: 46 }).map((bits) => 2 ** bits),
  fc.maxSafeInteger().map((n) => Math.abs(n) % 2 ** 47),
);

describe('a step', () => {
  test.each([
    [0, 0],
    [1, 1],
    [2047, 2047],
    [2048, 2048],
    [2049, 2048],
    [2050, 2049],
    [4095, 3071],
    [4096, 3072],
    [2 ** 31 - 1, 22 * 1024 - 1],
    [2 ** 31, 22 * 1024],
    [HIGHEST_TRACKABLE_NS, COUNTS_LENGTH - 1],
  ])('of %d ns is number %d', (ns, index) => {
    expect(indexOf(ns)).toBe(index);
  });

  test('begins where the one before it ends, and is at most a thousandth wide', () => {
    for (let index = 1; index < COUNTS_LENGTH; index++) {
      expect(lowestOf(index)).toBe(highestOf(index - 1) + 1);
      expect(indexOf(lowestOf(index))).toBe(index);
      expect(indexOf(highestOf(index))).toBe(index);
      expect(highestOf(index) - lowestOf(index)).toBeLessThanOrEqual(lowestOf(index) / 1000);
    }
    expect(highestOf(COUNTS_LENGTH - 1)).toBe(HIGHEST_TRACKABLE_NS);
  });

  test('is where HdrHistogram puts the value', () => {
    const oracle = reference([]);
    expect(oracle.countsArrayLength).toBe(COUNTS_LENGTH);
    fc.assert(
      fc.property(value, (ns) => {
        expect(indexOf(ns)).toBe(oracle.countsArrayIndex(ns));
        expect(lowestOf(indexOf(ns))).toBe(oracle.lowestEquivalentValue(ns));
        expect(highestOf(indexOf(ns))).toBe(oracle.highestEquivalentValue(ns));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('what was recorded', () => {
  test('has the percentiles that HdrHistogram gives, and exact ends', () => {
    const percentile = fc.constantFrom(50, 90, 95, 99, 99.9, 99.99, 100, 0.1, 33.3);
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 300 }), percentile, (values, p) => {
        const table = recorded(values);
        const max = Math.max(...values);
        expect(table.valueAtPercentileNs(Latency.RESPONSE, p)).toBe(
          Math.min(reference(values).getValueAtPercentile(p), max),
        );
        expect(sparseValueAtPercentileNs(table.sparse(Latency.RESPONSE), p)).toBe(
          reference(values).getValueAtPercentile(p),
        );
        expect(table.count(Latency.RESPONSE)).toBe(values.length);
        expect(table.minNs(Latency.RESPONSE)).toBe(Math.min(...values));
        expect(table.maxNs(Latency.RESPONSE)).toBe(max);
        const mean = values.reduce((sum, each) => sum + each, 0) / values.length;
        expect(table.meanNs(Latency.RESPONSE)).toBeCloseTo(mean, 0);
      }),
    );
  });

  test('has the percentiles of the raw values, too long by a thousandth at most and never too short', () => {
    // Tenths of a percent, so that the rank is known without fractions.
    const tenths = fc.oneof(
      fc.constantFrom(1, 500, 900, 990, 999, 1000),
      fc.integer({ min: 1, max: 1000 }),
    );
    const values = fc.array(value, { minLength: 1, maxLength: 1_200 });
    fc.assert(
      fc.property(values, tenths, fc.boolean(), (raw, p, isThreaded) => {
        const sorted = [...raw].sort((a, b) => a - b);
        const exact = sorted.find((_, i) => (i + 1) * 1000 >= p * sorted.length) ?? Number.NaN;
        const half = raw.length >>> 1;
        const table = isThreaded
          ? LatencyTable.of([raw.slice(0, half), raw.slice(half)].map((part) => columnsOf(part)))
          : recorded(raw);
        for (const found of [
          table.valueAtPercentileNs(Latency.RESPONSE, p / 10) ?? Number.NaN,
          sparseValueAtPercentileNs(table.sparse(Latency.RESPONSE), p / 10),
        ]) {
          expect(found).toBeGreaterThanOrEqual(Math.floor(exact));
          expect(found - exact).toBeLessThanOrEqual(exact / 1000);
        }
      }),
      { numRuns: 100 },
    );
  });

  test('of several threads is the same as of one', () => {
    const values = fc.array(value, { maxLength: 100 });
    fc.assert(
      fc.property(values, values, (a, b) => {
        const recorders = [a, b].map((each) => {
          const recorder = new LatencyRecorder();
          for (const ns of each) recorder.record(Latency.LAG, ns);
          return recorder.columns;
        });
        const merged = LatencyTable.of(recorders);
        expect(merged.sparse(Latency.LAG)).toEqual(
          recorded([...a, ...b], Latency.LAG).sparse(Latency.LAG),
        );
        expect(merged.row(Latency.LAG).p99).toBe(
          recorded([...a, ...b], Latency.LAG).row(Latency.LAG).p99,
        );
      }),
    );
  });

  test('since the last look is what came after it', () => {
    const recorder = new LatencyRecorder();
    recorder.record(Latency.RESPONSE, 5000);
    const changes = new LatencyChanges(recorder.columns);
    expect([...changes.take(Latency.RESPONSE).indexes]).toEqual([]);
    recorder.record(Latency.RESPONSE, 100);
    recorder.record(Latency.RESPONSE, 5000);
    recorder.record(Latency.CONNECT, 7);
    const since = changes.take(Latency.RESPONSE);
    expect([...since.indexes]).toEqual([100, indexOf(5000)]);
    expect([...since.counts]).toEqual([1, 1]);
    expect(changes.take(Latency.RESPONSE).indexes).toHaveLength(0);
    expect([...changes.take(Latency.CONNECT).indexes]).toEqual([7]);
  });

  test('since an earlier table is what came after it', () => {
    const recorder = new LatencyRecorder();
    recorder.record(Latency.RESPONSE, 5000);
    const before = LatencyTable.of([recorder.columns]);
    recorder.record(Latency.RESPONSE, 100);
    recorder.record(Latency.RESPONSE, 5000);
    const since = LatencyTable.of([recorder.columns]).sparseSince(Latency.RESPONSE, before);
    expect([...since.indexes]).toEqual([100, indexOf(5000)]);
    expect([...since.counts]).toEqual([1, 1]);
  });

  test('nothing has no percentiles', () => {
    expect(recorded([]).row(Latency.RESPONSE)).toEqual({
      count: 0,
      min: null,
      mean: null,
      p50: null,
      p90: null,
      p95: null,
      p99: null,
      'p99.9': null,
      'p99.99': null,
      max: null,
    });
  });

  test('does not show in the other histograms', () => {
    const table = recorded([1_000_000], Latency.SERVICE);
    expect(table.row(Latency.SERVICE).max).toBe(1);
    for (const other of [Latency.CONNECT, Latency.FIRST_BYTE, Latency.RESPONSE, Latency.LAG]) {
      expect(table.count(other)).toBe(0);
    }
  });

  test.each([
    ['below 0', -5, 0],
    ['no number', Number.NaN, 0],
    ['a week', 7 * 86_400e9, HIGHEST_TRACKABLE_NS],
    ['infinite', Number.POSITIVE_INFINITY, HIGHEST_TRACKABLE_NS],
  ])('%s is recorded at the nearer end and counted as clamped', (_name, ns, as) => {
    const table = recorded([ns]);
    expect(table.maxNs(Latency.RESPONSE)).toBe(as);
    expect(table.clamped(Latency.RESPONSE)).toBe(1);
    expect(recorded([0, HIGHEST_TRACKABLE_NS, 0.5]).clamped(Latency.RESPONSE)).toBe(0);
  });
});

describe('an encoded histogram', () => {
  test('comes back step by step', () => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 200 }), (values) => {
        const counts = recorded(values).sparse(Latency.RESPONSE);
        const text = encodeHistogram(counts);
        expect(text).toMatch(/^HISTFAAA/);
        expect(decodeHistogram(text)).toEqual(counts);
        const table = new LatencyTable();
        table.addSparse(Latency.RESPONSE, counts);
        expect(table.sparse(Latency.RESPONSE)).toEqual(counts);
      }),
    );
  });

  test('of another resolution is sorted into our steps', () => {
    const coarse = new hdr.Int32Histogram(1000, 60_000_000_000, 2);
    for (const ns of [5_000_000, 5_000_000, 70_000_000]) coarse.recordValue(ns);
    const { indexes, counts } = decodeHistogram(hdr.encodeIntoCompressedBase64(coarse));
    expect([...counts]).toEqual([2, 1]);
    expect(Math.abs(lowestOf(indexes[0]) / 5_000_000 - 1)).toBeLessThan(0.01);
    expect(Math.abs(lowestOf(indexes[1]) / 70_000_000 - 1)).toBeLessThan(0.01);
  });

  test('is what HdrHistogram reads', () => {
    const values = [1, 5_000, 5_001, 250_000_000, 3_600_000_000_000];
    const text = encodeHistogram(recorded(values).sparse(Latency.RESPONSE));
    const read = hdr.decodeFromCompressedBase64(text);
    expect(read.totalCount).toBe(5);
    expect(read.getValueAtPercentile(50)).toBe(reference(values).getValueAtPercentile(50));
  });

  test.each(['', 'HISTFAAA', 'not base64 at all', 'HISTFAAAACt4nJNpmSzMwMDAxsDA'])(
    "'%s' is refused",
    (text) => {
      expect(() => decodeHistogram(text)).toThrow(ReplayError);
    },
  );
});

test('the percentile distribution has the header and the footer of HdrHistogram', () => {
  const lines = percentileDistribution(recorded([1e6, 2e6, 3e6]).sparse(Latency.RESPONSE)).split(
    '\n',
  );
  expect(lines[0]).toBe('       Value     Percentile TotalCount 1/(1-Percentile)');
  expect(lines[1]).toBe('');
  expect(lines[2].trim().split(/\s+/)).toEqual(['1.000', '0.000000000000', '1', '1.00']);
  expect(lines.at(-4)).toMatch(/^#\[Mean {4}= +2\.00\d, StdDeviation {3}= +0\.816\]$/);
  expect(lines.at(-3)).toMatch(/^#\[Max {5}= +3\.00\d, Total count {4}= +3\]$/);
  expect(lines.at(-2)).toMatch(/^#\[Buckets = +37, SubBuckets {5}= +2048\]$/);
});
