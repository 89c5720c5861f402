/**
 * Which TCP ports clients have: a span with holes, as one number each and back.
 *
 * A port's *index* counts the ports that are left, from 0: connections are numbered by it, in the
 * engine and in the kernel's filter alike.
 */
import { assert } from './assert.ts';

/** Ports that follow each other, both ends included, 1..65535. */
export interface PortSpan {
  readonly first: number;
  readonly last: number;
}

/** A span of ports, without those that somebody else has. */
export interface PortRange extends PortSpan {
  /** Ascending, apart, and with ports of the range on both sides; none by default. */
  readonly without?: readonly PortSpan[];
}

/** Consecutive ports of a range, and the index of their first one. */
export interface IndexedSpan extends PortSpan {
  readonly index: number;
}

/** The range's ports as spans without holes, ascending; at least one. */
export function portSpans({ first, last, without = [] }: PortRange): readonly IndexedSpan[] {
  const spans: IndexedSpan[] = [];
  let next = first;
  let index = 0;
  for (const hole of [...without, { first: last + 1, last: last + 1 }]) {
    if (hole.first > next) {
      spans.push({ first: next, last: hole.first - 1, index });
      index += hole.first - next;
    }
    next = hole.last + 1;
  }
  assert(spans.length > 0, 'a range of ports has one');
  return spans;
}

/** How many ports a range has. */
export const countPorts = ({ first, last, without = [] }: PortRange): number =>
  without.reduce((left, hole) => left - (hole.last - hole.first + 1), last - first + 1);

/** The port with this index, 0..countPorts - 1. */
export function portAt(range: PortRange, index: number): number {
  const span = portSpans(range).findLast((one) => one.index <= index);
  assert(span !== undefined, 'an index is not negative');
  return span.first + (index - span.index);
}

/** The index of a port; -1 where the range does not hold it. */
export function portIndexOf(range: PortRange, port: number): number {
  const span = portSpans(range).find((one) => port >= one.first && port <= one.last);
  return span === undefined ? -1 : span.index + (port - span.first);
}

/** `1024-32767,61000-65535` */
export const formatPorts = (range: PortRange): string =>
  portSpans(range)
    .map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`))
    .join();

/**
 * A range without these ports; null where none is left.
 * @param taken in any order; they may overlap and lie outside
 */
export function withoutPorts(range: PortSpan, taken: readonly PortSpan[]): PortRange | null {
  const left: PortSpan[] = [];
  let next = range.first;
  const behind = { first: range.last + 1, last: range.last + 1 };
  for (const hole of [...taken, behind].sort((a, b) => a.first - b.first)) {
    const last = Math.min(hole.first - 1, range.last);
    if (last >= next) left.push({ first: next, last });
    next = Math.max(next, hole.last + 1);
  }
  return joinSpans(left);
}

/** Ascending spans, none of which touches another, as one range; null without any. */
export function joinSpans(spans: readonly PortSpan[]): PortRange | null {
  const lowest = spans.at(0);
  const highest = spans.at(-1);
  if (lowest === undefined || highest === undefined) return null;
  const ends = { first: lowest.first, last: highest.last };
  if (spans.length === 1) return ends;
  const without = spans
    .slice(1)
    .map(({ first }, i) => ({ first: spans[i].last + 1, last: first - 1 }));
  return { ...ends, without };
}

/** Whether two ranges have a port in common. */
export const sharePorts = (one: PortRange, other: PortRange): boolean =>
  portSpans(one).some((mine) =>
    portSpans(other).some((its) => mine.first <= its.last && its.first <= mine.last),
  );
