import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatNumber,
  formatPercentage,
  formatRate,
  parseDurationNs,
  parsePercentage,
  parseRatePerSecond,
  parseSizeBytes,
} from '../../src/base/units.ts';
import { refusal } from '../helpers/refusal.ts';

describe('a duration', () => {
  test.each([
    ['30s', 30e9],
    ['2m', 120e9],
    ['1.5h', 5400e9],
    ['250ms', 250e6],
    ['10us', 10_000],
    ['10µs', 10_000],
    ['7ns', 7],
    ['1d', 86_400e9],
    ['1m30s', 90e9],
    ['.5s', 5e8],
    ['0', 0],
    ['0s', 0],
    ['1.0000000006s', 1_000_000_001],
  ])('%s is %d ns', (text, ns) => {
    expect(parseDurationNs(text)).toBe(ns);
  });

  test.each(['', '30', 's', '-1s', '30x', '1 s', '30sec', '1s30', '1e400s', 'NaN', '200000d'])(
    "'%s' is refused",
    (text) => {
      const error = refusal(() => parseDurationNs(text));
      expect([error.code, error.kind]).toEqual(['ERR_UNITS_DURATION', 'usage']);
      expect(error.message).toContain(`'${text}'`);
    },
  );

  test('without a unit is refused with what may have been meant', () => {
    expect(refusal(() => parseDurationNs('30')).hint).toBe('did you mean 30s or 30ms?');
  });
});

describe('a rate', () => {
  test.each([
    ['500/s', 500],
    ['2048', 2048],
    ['30/m', 0.5],
    ['36/h', 0.01],
    ['0.5', 0.5],
  ])('%s is %d per second', (text, rate) => {
    expect(parseRatePerSecond(text)).toBe(rate);
  });

  test.each(['', '0', '0/s', '-5', '5/d', '/s', '5 /s', '1e999'])("'%s' is refused", (text) => {
    expect(refusal(() => parseRatePerSecond(text)).kind).toBe('usage');
  });
});

describe('a size', () => {
  test.each([
    ['10MB', 10_000_000],
    ['64KiB', 65_536],
    ['64kib', 65_536],
    ['1.5 GB', 1_500_000_000],
    ['12', 12],
    ['12B', 12],
  ])('%s is %d bytes', (text, bytes) => {
    expect(parseSizeBytes(text)).toBe(bytes);
  });

  test.each(['', 'MB', '10M', '10ib', '-1B', '10PB'])("'%s' is refused", (text) => {
    expect(refusal(() => parseSizeBytes(text)).kind).toBe('usage');
  });
});

test.each([
  ['0.1%', 0.001],
  ['100%', 1],
  ['0%', 0],
])('the percentage %s is %d', (text, fraction) => {
  expect(parsePercentage(text)).toBeCloseTo(fraction, 12);
});

test.each(['', '5', '%', '-1%', '1%%'])("the percentage '%s' is refused", (text) => {
  expect(refusal(() => parsePercentage(text)).code).toBe('ERR_UNITS_PERCENTAGE');
});

test.each([
  [0, '0 s'],
  [999, '999 ns'],
  [1500, '1.50 µs'],
  [999_499, '999 µs'],
  [999_600, '1.00 ms'],
  [12_345_678, '12.3 ms'],
  [1_500_000_000, '1.50 s'],
  [119.4e9, '119 s'],
  [125e9, '2m 05s'],
  [3600e9, '60m 00s'],
  [12_000e9, '3h 20m'],
])('%d ns are shown as %s', (ns, text) => {
  expect(formatDuration(ns)).toBe(text);
});

test.each([
  [0, '0'],
  [1_000_000, '1,000,000'],
  [123.4, '123'],
  [12.34, '12.3'],
  [1.234, '1.23'],
  [0.1234, '0.123'],
  [0.00001234, '0.000012'],
  [-1234, '-1,234'],
])('%d is shown as %s', (value, text) => {
  expect(formatNumber(value)).toBe(text);
});

test('counts, rates, sizes and shares are shown with their unit', () => {
  expect(formatCount(1_234_567)).toBe('1,234,567');
  expect(formatRate(1234)).toBe('1,234/s');
  expect(formatRate(0.05)).toBe('3/m');
  expect(formatRate(0.001)).toBe('3.60/h');
  expect(formatBytes(0)).toBe('0 B');
  expect(formatBytes(1500)).toBe('1.50 kB');
  expect(formatBytes(999_600)).toBe('1.00 MB');
  expect(formatBytes(2.5e15)).toBe('2,500 TB');
  expect(formatPercentage(0.001)).toBe('0.1%');
  expect(formatPercentage(0.00005)).toBe('0.005%');
  expect(formatPercentage(1)).toBe('100%');
});

test('a duration that is shown and read again is what it was, to three digits', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1000, max: 119_000_000_000 }), (ns) => {
      const again = parseDurationNs(formatDuration(ns).replace(' ', '').replace(',', ''));
      expect(Math.abs(again - ns)).toBeLessThanOrEqual(ns * 0.006);
    }),
  );
});
