/**
 * Which address and port each connection has, and which connection an address and port belong to.
 *
 * Connections are numbered from 0. With order `ip` they run through all addresses with the first
 * port, then through all addresses with the next one; with order `port` through all ports of the
 * first address first. Both ways are arithmetic over at most 256 ranges of addresses, so that a
 * reply finds its connection without a table.
 *
 * "First" is the port that the seed names, and behind the last port of the range comes its first:
 * a run seldom meets connections of an earlier one that the target still remembers (TIME-WAIT).
 */
import {
  type AddressRange,
  formatAddress,
  type IpAddress,
  isSamePrefix,
  parseAddress,
} from '../base/address.ts';
import { assert } from '../base/assert.ts';
import { ReplayError } from '../base/errors.ts';
import { countPorts, type PortRange, portIndexOf } from '../base/port-range.ts';
import { formatCount } from '../base/units.ts';
import { HoledPorts } from './client-ports.ts';
import { lastNotAfter } from './sorted.ts';

/** The benchmarking range of RFC 2544 (reserved by RFC 6890). */
export const DEFAULT_CLIENTS_IPV4 = '198.18.0.0/15';
/** The benchmarking range of RFC 5180 (with its erratum 1752). */
export const DEFAULT_CLIENTS_IPV6 = '2001:2::/96';

/** The kernel filter and the lookup of a reply grow with the ranges: more than this is refused. */
export const RANGES_MAX = 256;

const LOW_END = 0x1_0000_0000;

/** Client addresses in the order in which connections use them, none twice. */
export interface ClientAddresses {
  readonly family: 4 | 6;
  readonly prefix: Uint8Array;
  readonly ranges: readonly AddressRange[];
  /** As it was written. */
  readonly text: string;
}

/**
 * What a pool's connections take up first: all addresses with one port, or all ports of one
 * address.
 */
export type PoolOrder = 'ip' | 'port';

/** What decides which address and port each connection has. */
export interface PoolShape {
  readonly clients: ClientAddresses;
  readonly ports: PortRange;
  readonly order: PoolOrder;
  /** The port of the range that connections begin with. */
  readonly firstPort: number;
}

/** Connection numbers have 32 bits, since the kernel's filter computes with them. */
export const CONNECTIONS_MAX = LOW_END;

/**
 * Reads a pool: addresses, `first-last`, CIDR prefixes, `a.b.c.x` and `a.b.c.*`, with commas between.
 *
 * Of an IPv4 prefix shorter than /31 the network and the broadcast address are left out, of an IPv6
 * prefix shorter than /127 the router anycast address (RFC 4291, section 2.6.1). An address named
 * twice counts once. Of a longer IPv6 range than 2^32 addresses only the first 2^32 are used.
 * @param excluded addresses that no client may have: the targets', this machine's, the next hops'
 * @throws ReplayError ERR_POOL_INVALID (usage), which names every fault
 */
export function parseClients(text: string, excluded: readonly IpAddress[] = []): ClientAddresses {
  const faults: string[] = [];
  const items: Span[] = [];
  for (const item of text.split(',').map((part) => part.trim())) {
    const span = parseItem(item);
    if (typeof span === 'string') faults.push(`'${item}' ${span}`);
    else items.push(span);
  }
  const first = items.at(0);
  if (first !== undefined) {
    for (const { address } of items) {
      const clash = clashOf(first.address, address);
      if (clash !== null) faults.push(clash);
    }
  }
  if (faults.length > 0 || first === undefined) throw poolError(text, faults);
  const { family, prefix } = first.address;
  const spans = withoutRepeats(
    items.map(({ address, count }) => ({ start: address.low, count })),
    excluded.filter((address) => isSamePrefix(address, first.address)).map((each) => each.low),
  );
  return clientsOf({ family, prefix, text }, spans);
}

/**
 * The pool without these addresses, in the same order.
 * @throws ReplayError ERR_POOL_INVALID (usage) where none is left, or too many ranges
 */
export function withoutAddresses(
  clients: ClientAddresses,
  excluded: readonly IpAddress[],
): ClientAddresses {
  const { family, prefix, ranges } = clients;
  const holes = excluded.filter((address) => isSamePrefix(address, { family, prefix, low: 0 }));
  return clientsOf(
    clients,
    withoutRepeats(
      ranges,
      holes.map(({ low }) => low),
    ),
  );
}

function clientsOf(
  { family, prefix, text }: Pick<ClientAddresses, 'family' | 'prefix' | 'text'>,
  spans: readonly LowSpan[],
): ClientAddresses {
  if (spans.length === 0)
    throw poolError(text, [
      "every address of it is a target's, this machine's own or the next hop's",
    ]);
  if (spans.length > RANGES_MAX) {
    const found = `it has ${spans.length} separate ranges, at most ${RANGES_MAX} are allowed`;
    throw poolError(text, [found]);
  }
  const ranges = spans.map(({ start, count }) => ({ start, count, prefix }));
  return { family, prefix, text, ranges };
}

/** Both directions between a connection's number and its address and port. */
export class AddressPool {
  readonly clients: ClientAddresses;
  readonly order: PoolOrder;
  readonly addresses: number;
  readonly portsPerAddress: number;
  /** How many connections there can be, each with an address and port of its own: at most 2^32. */
  readonly capacity: number;

  /** Ports without holes, as most runs have them: their first, and how far behind it they begin. */
  readonly #portFirst: number;
  readonly #portShift: number;
  /** Ports with holes. */
  readonly #holed: HoledPorts | null;
  /** The only range, or the first of several. */
  readonly #start: number;
  readonly #isSingle: boolean;
  /** The position in the pool of each range's first address, in pool order. */
  readonly #rangePosition: Float64Array;
  /** The ranges by ascending address: where each starts, its length, its first one's position. */
  readonly #sortedStart: Float64Array;
  readonly #sortedCount: Float64Array;
  readonly #sortedPosition: Float64Array;

  constructor({ clients, ports, order, firstPort }: PoolShape) {
    const { ranges } = clients;
    this.clients = clients;
    this.order = order;
    this.#start = ranges[0].start;
    this.#isSingle = ranges.length === 1;
    this.#rangePosition = new Float64Array(ranges.length);
    let position = 0;
    for (const [i, range] of ranges.entries()) {
      this.#rangePosition[i] = position;
      position += range.count;
    }
    const sorted = ranges
      .map((range, i) => ({ ...range, position: this.#rangePosition[i] }))
      .sort((a, b) => a.start - b.start);
    this.#sortedStart = Float64Array.from(sorted, (range) => range.start);
    this.#sortedCount = Float64Array.from(sorted, (range) => range.count);
    this.#sortedPosition = Float64Array.from(sorted, (range) => range.position);
    this.addresses = position;
    this.portsPerAddress = countPorts(ports);
    this.#portFirst = ports.first;
    this.#portShift = firstPort - ports.first;
    this.#holed = ports.without === undefined ? null : new HoledPorts(ports, firstPort);
    assert(portIndexOf(ports, firstPort) >= 0, 'connections begin with a port of the range');
    this.capacity = Math.min(CONNECTIONS_MAX, this.addresses * this.portsPerAddress);
  }

  /**
   * Refuses a plan that needs more connections than there are addresses and ports.
   * @param hint how to mend it, in place of the usual
   * @throws ReplayError ERR_POOL_TOO_SMALL (usage), which says how many addresses are needed
   */
  requireCapacity(connections: number, hint?: string): void {
    if (connections <= this.capacity) return;
    const needed = Math.ceil(connections / this.portsPerAddress);
    throw new ReplayError({
      code: 'ERR_POOL_TOO_SMALL',
      kind: 'usage',
      message:
        `${formatCount(connections)} connections need ${formatCount(needed)} client addresses ` +
        `with ${formatCount(this.portsPerAddress)} ports each; ` +
        `'${this.clients.text}' has ${formatCount(this.addresses)}`,
      hint:
        hint ??
        `give a pool of at least ${formatCount(needed)} addresses, or more ports, or fewer users`,
    });
  }

  /** The last 32 bits of the connection's address; `connection` is below the capacity. */
  lowOf(connection: number): number {
    const position =
      this.order === 'ip'
        ? connection % this.addresses
        : Math.floor(connection / this.portsPerAddress);
    if (this.#isSingle) return this.#start + position;
    const range = lastNotAfter(this.#rangePosition, position);
    return this.clients.ranges[range].start + (position - this.#rangePosition[range]);
  }

  portOf(connection: number): number {
    const index =
      this.order === 'ip'
        ? Math.floor(connection / this.addresses)
        : connection % this.portsPerAddress;
    if (this.#holed !== null) return this.#holed.portOf(index);
    return this.#portFirst + ((index + this.#portShift) % this.portsPerAddress);
  }

  /** The text form of the connection's address. */
  addressOf(connection: number): string {
    const { family, prefix } = this.clients;
    return formatAddress({ family, prefix, low: this.lowOf(connection) });
  }

  /**
   * The connection that has this address and port, or -1 when the pool does not hold them.
   * @param low the address's last 32 bits; of an IPv6 address the caller compares the prefix
   */
  connectionOf(low: number, port: number): number {
    const portIndex = this.#holed === null ? this.#turnOf(port) : this.#holed.turnOf(port);
    if (portIndex < 0) return -1;
    const position = this.#positionOf(low);
    if (position < 0) return -1;
    const connection =
      this.order === 'ip'
        ? portIndex * this.addresses + position
        : position * this.portsPerAddress + portIndex;
    return connection < this.capacity ? connection : -1;
  }

  /** Which of an address's connections has the port, where there are no holes; -1 outside. */
  #turnOf(port: number): number {
    const index = port - this.#portFirst;
    if (index < 0 || index >= this.portsPerAddress) return -1;
    const turn = index - this.#portShift;
    return turn < 0 ? turn + this.portsPerAddress : turn;
  }

  #positionOf(low: number): number {
    if (this.#isSingle) {
      const position = low - this.#start;
      return position < this.addresses ? position : -1;
    }
    const range = lastNotAfter(this.#sortedStart, low);
    if (range < 0) return -1;
    const offset = low - this.#sortedStart[range];
    return offset < this.#sortedCount[range] ? this.#sortedPosition[range] + offset : -1;
  }
}

interface LowSpan {
  readonly start: number;
  readonly count: number;
}

interface Span {
  readonly address: IpAddress;
  readonly count: number;
}

/** The item's addresses, or what is wrong with it. */
function parseItem(item: string): Span | string {
  if (item === '') return 'is empty';
  const span = parseSpan(item);
  if (typeof span === 'string' || span.address.family === 6) return span;
  const { low } = span.address;
  const last = low + span.count - 1;
  // No reply can come to these: RFC 6890 (this network), RFC 5771 (multicast), RFC 1112 (class E).
  if (low < 0x0100_0000) return 'lies in 0.0.0.0/8, which no client can have';
  if (last >= 0xe000_0000) return 'reaches into 224.0.0.0/3 (multicast, reserved)';
  return span;
}

function parseSpan(item: string): Span | string {
  const wildcard = /^(\d+\.\d+\.\d+)\.[xX*]$/.exec(item);
  if (wildcard !== null) {
    const address = parseAddress(`${wildcard[1]}.1`);
    return address === null ? 'is not an IPv4 wildcard' : { address, count: 254 };
  }
  if (item.includes('/')) return parsePrefix(item);
  if (item.includes('-')) return parseFirstToLast(item);
  const address = parseAddress(item);
  if (address === null) return 'is not an IP address, a range, a prefix or a.b.c.*';
  return { address, count: 1 };
}

function parsePrefix(item: string): Span | string {
  const [text, length, ...rest] = item.split('/');
  const network = parseAddress(text);
  if (network === null || rest.length > 0) return 'does not begin with an IP address';
  const bits = network.family === 4 ? 32 : 128;
  if (!/^\d{1,3}$/.test(length) || Number(length) > bits) {
    return `has no prefix length from 0 to ${bits}`;
  }
  const hostBits = bits - Number(length);
  if (hasHostBits(network, hostBits)) {
    return `has host bits set beyond its prefix of ${length} bits`;
  }
  if (hostBits <= 1) return { address: network, count: 2 ** hostBits };
  const address = { ...network, low: network.low + 1 };
  if (network.family === 4) return { address, count: 2 ** hostBits - 2 };
  return { address, count: 2 ** Math.min(hostBits, 32) - 1 };
}

function hasHostBits(network: IpAddress, hostBits: number): boolean {
  if (network.low % 2 ** Math.min(hostBits, 32) !== 0) return true;
  for (let bit = 32; bit < hostBits; bit++) {
    const octet = network.prefix[11 - ((bit - 32) >>> 3)];
    if ((octet & (1 << (bit & 7))) !== 0) return true;
  }
  return false;
}

function parseFirstToLast(item: string): Span | string {
  const [firstText, lastText, ...rest] = item.split('-').map((part) => part.trim());
  const first = parseAddress(firstText);
  const last = parseAddress(lastText);
  if (first === null || last === null || rest.length > 0) return 'is not a range of IP addresses';
  if (first.family !== last.family) return 'mixes IPv4 and IPv6';
  if (!isSamePrefix(first, last)) return 'spans more than the last 32 bits of an IPv6 address';
  if (last.low < first.low) return 'ends before it begins';
  return { address: first, count: last.low - first.low + 1 };
}

/** Why two items cannot be in one pool, or null. */
function clashOf(first: IpAddress, other: IpAddress): string | null {
  if (first.family !== other.family) {
    return `${formatAddress(first)} and ${formatAddress(other)} are of different IP versions`;
  }
  if (isSamePrefix(first, other)) return null;
  const both = `${formatAddress(first)} and ${formatAddress(other)}`;
  return `${both} differ in their first 96 bits, which an IPv6 pool has in common`;
}

/** Joins neighbours, and leaves out what came before and what is excluded. */
function withoutRepeats(spans: readonly LowSpan[], excluded: readonly number[]): LowSpan[] {
  const taken: LowSpan[] = excluded.map((low) => ({ start: low, count: 1 }));
  const kept: LowSpan[] = [];
  for (const span of spans) {
    for (const piece of subtract(span, taken)) {
      const before = kept.at(-1);
      if (before !== undefined && before.start + before.count === piece.start) {
        kept[kept.length - 1] = { start: before.start, count: before.count + piece.count };
      } else {
        kept.push(piece);
      }
    }
    taken.push(span);
  }
  return kept;
}

function subtract(span: LowSpan, taken: readonly LowSpan[]): LowSpan[] {
  const end = span.start + span.count;
  assert(end <= LOW_END, 'a range ends within its 32 bits');
  const pieces: LowSpan[] = [];
  let start = span.start;
  for (const hole of [...taken].sort((a, b) => a.start - b.start)) {
    if (hole.start >= end) break;
    if (hole.start > start) pieces.push({ start, count: hole.start - start });
    start = Math.max(start, hole.start + hole.count);
  }
  if (start < end) pieces.push({ start, count: end - start });
  return pieces;
}

const poolError = (text: string, faults: readonly string[]): ReplayError =>
  new ReplayError({
    code: 'ERR_POOL_INVALID',
    kind: 'usage',
    message: `client pool '${text}': ${faults.join('; ')}`,
    hint: 'write addresses, a.b.c.d-a.b.c.e, a CIDR prefix, a.b.c.x or a.b.c.*, with commas between',
  });
