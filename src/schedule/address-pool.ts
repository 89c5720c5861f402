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
import { formatAddress } from '../base/address.ts';
import { assert } from '../base/assert.ts';
import { ReplayError } from '../base/errors.ts';
import { countPorts, type PortRange, portIndexOf } from '../base/port-range.ts';
import { formatCount } from '../base/units.ts';
import type { ClientAddresses } from './client-addresses.ts';
import { HoledPorts } from './client-ports.ts';
import type { ConnectionPool } from './connection-pool.ts';
import { lastNotAfter } from './sorted.ts';

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
export const CONNECTIONS_MAX = 0x1_0000_0000;

/** Both directions between a connection's number and its address and port. */
export class AddressPool implements ConnectionPool {
  readonly isByTarget = false;
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

  get numbering(): this {
    return this;
  }

  /**
   * Refuses a plan that needs more connections than there are addresses and ports.
   * @param hint how to mend it, in place of the usual
   * @param what they are to, where addresses and ports are there for each target
   * @throws ReplayError ERR_POOL_TOO_SMALL (usage), which says how many addresses are needed
   */
  requireCapacity(connections: number, hint?: string, what = ''): void {
    if (connections <= this.capacity) return;
    const needed = Math.ceil(connections / this.portsPerAddress);
    throw new ReplayError({
      code: 'ERR_POOL_TOO_SMALL',
      kind: 'usage',
      message:
        `${formatCount(connections)} connections${what} need ${formatCount(needed)} client addresses ` +
        `with ${formatCount(this.portsPerAddress)} ports each; ` +
        `'${this.clients.text}' has ${formatCount(this.addresses)}`,
      hint:
        hint ??
        `give a pool of at least ${formatCount(needed)} addresses, or more ports, or fewer users`,
    });
  }

  /** The last 32 bits of the connection's address; `connection` is below the capacity. */
  lowOf(connection: number): number {
    return this.lowBitsOf(connection) >>> 0;
  }

  /** As `lowOf`, read with a sign: such an integer is handed on without an object. */
  lowBitsOf(connection: number): number {
    const position =
      this.order === 'ip'
        ? connection % this.addresses
        : Math.floor(connection / this.portsPerAddress);
    if (this.#isSingle) return (this.#start + position) | 0;
    const range = lastNotAfter(this.#rangePosition, position);
    return (this.clients.ranges[range].start + (position - this.#rangePosition[range])) | 0;
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
   * @param low the address's last 32 bits, with or without a sign; of an IPv6 address the caller
   * compares the prefix
   */
  connectionOf(low: number, port: number): number {
    const portIndex = this.#holed === null ? this.#turnOf(port) : this.#holed.turnOf(port);
    if (portIndex < 0) return -1;
    const position = this.#positionOf(low >>> 0);
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
