import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  countPorts,
  formatPorts,
  joinSpans,
  portAt,
  portIndexOf,
  portSpans,
  sharePorts,
  withoutPorts,
} from '../../src/base/port-range.ts';
import { portRanges, portsOf } from '../helpers/port-ranges.ts';

describe('a range of ports', () => {
  test('counts and numbers its ports as a list of them does', () => {
    fc.assert(
      fc.property(portRanges(60), (range) => {
        const ports = portsOf(range);
        expect(countPorts(range)).toBe(ports.length);
        expect(ports.map((_, index) => portAt(range, index))).toEqual(ports);
        for (let port = range.first - 1; port <= range.last + 1; port++) {
          expect(portIndexOf(range, port)).toBe(ports.indexOf(port));
        }
        const spelt = portSpans(range).flatMap(({ first, last }) => portsOf({ first, last }));
        expect(spelt).toEqual(ports);
      }),
    );
  });

  test('leaves out what is taken, in whatever order', () => {
    const spans = fc.array(
      fc.tuple(fc.nat(80), fc.nat(9)).map(([first, more]) => ({ first, last: first + more })),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(spans, (taken) => {
        const left = withoutPorts({ first: 10, last: 60 }, taken);
        const wanted = portsOf({ first: 10, last: 60 }).filter(
          (port) => !taken.some(({ first, last }) => port >= first && port <= last),
        );
        expect(left === null ? [] : portsOf(left)).toEqual(wanted);
      }),
    );
  });

  test('shares ports with another where both lists have one', () => {
    fc.assert(
      fc.property(portRanges(40), portRanges(40), fc.nat(60), (one, its, shift) => {
        const away = one.first + shift - 30 - its.first;
        const moved = portSpans(its).map(({ first, last }) => ({
          first: first + away,
          last: last + away,
        }));
        const other = joinSpans(moved) ?? its;
        const isShared = portsOf(one).some((port) => portsOf(other).includes(port));
        expect(sharePorts(one, other)).toBe(isShared);
      }),
    );
  });

  test('is written as its spans', () => {
    const taken = [
      { first: 32_768, last: 60_999 },
      { first: 8_080, last: 8_080 },
    ];
    const range = withoutPorts({ first: 1_024, last: 65_535 }, taken);
    expect(range === null ? '' : formatPorts(range)).toBe('1024-8079,8081-32767,61000-65535');
    expect(formatPorts({ first: 80, last: 80 })).toBe('80');
  });
});
