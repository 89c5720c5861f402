/**
 * Who owns which clients: an exact table of address ranges, and no state per connection.
 *
 * The ranges of all registrations are cut at each other's ends into intervals that do not overlap;
 * an interval has the port spans of those who own its addresses. A look-up is a binary search among
 * the intervals of the address's prefix, and a comparison with the owner's targets.
 */
import { type AddressRange, formatRange } from '../base/address.ts';
import type { PacketEnds, Registration } from './ports.ts';

/** Replays on one intercept: each has a ring of some megabytes. */
export const REGISTRATIONS_MAX = 16;

/** Of whom nobody has registered: what `ownerOf` returns. */
export const NOBODY = -1;

/** The addresses of one prefix (of none, for IPv4), cut into intervals. */
interface PrefixTable {
  readonly prefix: Uint8Array;
  /** Where each interval starts, ascending; it ends before `ends[i]`. */
  readonly starts: Float64Array;
  readonly ends: Float64Array;
  /** The owners of interval `i` are `spans[firstSpan[i] .. firstSpan[i + 1] - 1]`. */
  readonly firstSpan: Uint32Array;
  /** Three numbers an owner: first port, last port, row of the registration. */
  readonly spans: Uint32Array;
}

/**
 * What a new registration would take from another, as text, or null.
 * @param nameOf who made a registration
 */
export function overlapOf(
  request: Omit<Registration, 'id'>,
  registrations: readonly Registration[],
  nameOf: (id: number) => string,
): string | null {
  for (const other of registrations) {
    if (other.family !== request.family) continue;
    if (other.ports.last < request.ports.first || other.ports.first > request.ports.last) continue;
    for (const range of request.ranges) {
      const clash = other.ranges.find((each) => shareAddresses(each, range));
      if (clash === undefined) continue;
      const first = formatRange(clash);
      const { ports } = other;
      return (
        `${nameOf(other.id)} has registered clients ${first} with ports ` +
        `${ports.first}-${ports.last}, of which this replay wants some too`
      );
    }
  }
  return null;
}

/** Finds owners; made anew when registrations come and go, which is seldom. */
export class Registry {
  readonly #registrations: readonly Registration[];
  readonly #ipv4: readonly PrefixTable[];
  /** With whole addresses of 16 octets as prefixes, of which 12 count. */
  readonly #ipv6: readonly PrefixTable[];

  constructor(registrations: readonly Registration[]) {
    this.#registrations = registrations;
    this.#ipv4 = tablesOf(registrations, 4);
    this.#ipv6 = tablesOf(registrations, 6);
  }

  /**
   * The row of the registration (its place in the list) whose target sends to one of its clients,
   * or `NOBODY`.
   */
  ownerOf(ends: PacketEnds, srcPort: number, dstPort: number): number {
    const isIpv4 = ends.version === 4;
    const tables = isIpv4 ? this.#ipv4 : this.#ipv6;
    for (let i = 0; i < tables.length; i++) {
      const table = tables[i];
      if (!isIpv4 && !ends.dstMatches(table.prefix, 12)) continue;
      const row = ownerIn(table, ends.dstLow32, dstPort);
      if (row === NOBODY) return NOBODY;
      return this.#isTargetOf(row, ends, srcPort) ? row : NOBODY;
    }
    return NOBODY;
  }

  #isTargetOf(row: number, ends: PacketEnds, srcPort: number): boolean {
    const { targets } = this.#registrations[row];
    for (let i = 0; i < targets.length; i++) {
      if (targets[i].port === srcPort && ends.srcMatches(targets[i].address)) return true;
    }
    return false;
  }
}

function ownerIn(table: PrefixTable, low: number, port: number): number {
  const { starts, ends, firstSpan, spans } = table;
  let from = 0;
  let to = starts.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (starts[middle] <= low) from = middle + 1;
    else to = middle;
  }
  const interval = from - 1;
  if (interval < 0 || low >= ends[interval]) return NOBODY;
  for (let i = firstSpan[interval] * 3; i < firstSpan[interval + 1] * 3; i += 3) {
    if (port >= spans[i] && port <= spans[i + 1]) return spans[i + 2];
  }
  return NOBODY;
}

function tablesOf(registrations: readonly Registration[], family: 4 | 6): PrefixTable[] {
  const byPrefix = new Map<string, { prefix: Uint8Array; pieces: Piece[] }>();
  for (const [row, registration] of registrations.entries()) {
    if (registration.family !== family) continue;
    for (const { prefix, start, count } of registration.ranges) {
      const key = prefix.join('.');
      const found = byPrefix.get(key) ?? { prefix, pieces: [] };
      byPrefix.set(key, found);
      found.pieces.push({ start, end: start + count, row, ...registration.ports });
    }
  }
  return [...byPrefix.values()].map(({ prefix, pieces }) => tableOf(prefix, pieces));
}

interface Piece {
  readonly start: number;
  readonly end: number;
  readonly first: number;
  readonly last: number;
  readonly row: number;
}

function tableOf(prefix: Uint8Array, pieces: readonly Piece[]): PrefixTable {
  const cuts = [...new Set(pieces.flatMap(({ start, end }) => [start, end]))].sort((a, b) => a - b);
  const sorted = [...pieces].sort((a, b) => a.start - b.start);
  const starts: number[] = [];
  const ends: number[] = [];
  const firstSpan = [0];
  const spans: number[] = [];
  let open: Piece[] = [];
  let next = 0;
  for (let i = 0; i + 1 < cuts.length; i++) {
    open = open.filter(({ end }) => end > cuts[i]);
    while (next < sorted.length && sorted[next].start === cuts[i]) open.push(sorted[next++]);
    if (open.length === 0) continue;
    starts.push(cuts[i]);
    ends.push(cuts[i + 1]);
    for (const { first, last, row } of open) spans.push(first, last, row);
    firstSpan.push(spans.length / 3);
  }
  const whole = new Uint8Array(prefix.length + 4);
  whole.set(prefix);
  return {
    prefix: whole,
    starts: Float64Array.from(starts),
    ends: Float64Array.from(ends),
    firstSpan: Uint32Array.from(firstSpan),
    spans: Uint32Array.from(spans),
  };
}

function shareAddresses(one: AddressRange, other: AddressRange): boolean {
  if (one.prefix.length !== other.prefix.length) return false;
  if (one.prefix.some((octet, i) => octet !== other.prefix[i])) return false;
  return one.start < other.start + other.count && other.start < one.start + one.count;
}
