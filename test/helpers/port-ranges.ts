/** Ranges of ports with and without holes, for properties. */
import fc from 'fast-check';
import { type PortRange, withoutPorts } from '../../src/base/port-range.ts';

/** Ranges of at most `most` ports between their ends. */
export const portRanges = (most: number): fc.Arbitrary<PortRange> =>
  fc
    .record({
      first: fc.integer({ min: 1, max: 65_535 }),
      more: fc.nat(most - 1),
      holes: fc.array(fc.tuple(fc.nat(), fc.nat(5)), { maxLength: 6 }),
    })
    .map(({ first, more, holes }) => {
      const whole = { first, last: Math.min(first + more, 65_535) };
      const length = whole.last - first + 1;
      const taken = holes.map(([at, behind]) => {
        const hole = first + (at % length);
        return { first: hole, last: hole + behind };
      });
      return withoutPorts(whole, taken) ?? whole;
    });

/** The ports of a range one by one, ascending. */
export const portsOf = ({ first, last, without = [] }: PortRange): number[] =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i).filter(
    (port) => !without.some((hole) => port >= hole.first && port <= hole.last),
  );
