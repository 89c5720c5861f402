/**
 * Which connections of a pool each virtual client has: one address, and so many ports of it in a row.
 *
 * A pool's connections are numbered by address and port (`AddressPool`). Where every user takes only
 * one port at a time, its connections are those with its number modulo the users. A client that has
 * several connections takes a block of ports of one address; with order `ip` the first block of each
 * address comes first, with order `port` all blocks of the first address.
 *
 * The kernel's filter computes the same with its own instructions (`io/filter/reply-filter.ts`).
 */
import type { PoolNumbering } from './connection-pool.ts';

/** The clients of a run in the numbers of its pool. */
export class ClientPlaces {
  readonly #users: number;
  readonly #portsEach: number;
  readonly #isByAddress: boolean;
  readonly #addresses: number;
  readonly #portsPerAddress: number;
  /** Whole blocks of ports that an address has. */
  readonly #blocks: number;

  /**
   * @param users clients; or, where `portsEach` is 0, users that have one connection at a time
   * @param portsEach ports of a client, for all of its connections and plays
   */
  constructor(pool: PoolNumbering, users: number, portsEach: number) {
    this.#users = users;
    this.#portsEach = portsEach;
    this.#isByAddress = pool.order === 'ip';
    this.#addresses = pool.addresses;
    this.#portsPerAddress = pool.portsPerAddress;
    this.#blocks = blocksOf(pool.portsPerAddress, portsEach);
  }

  /** The user that a connection belongs to; -1 where no user has it. */
  userOf(connection: number): number {
    if (this.#portsEach === 0) return connection % this.#users;
    if (Math.floor(this.#portIndexOf(connection) / this.#portsEach) >= this.#blocks) return -1;
    const client = this.#clientOf(connection);
    return client < this.#users ? client : -1;
  }

  /** The thread that plays a connection; of one that no user has, the one that would hear its replies. */
  shardOf(connection: number, shards: number): number {
    const number = this.#portsEach === 0 ? connection : this.#clientOf(connection);
    return (number % this.#users) % shards;
  }

  /** As the kernel's filter computes it: also beyond an address's last whole block. */
  #clientOf(connection: number): number {
    const block = Math.floor(this.#portIndexOf(connection) / this.#portsEach);
    return this.#isByAddress
      ? block * this.#addresses + (connection % this.#addresses)
      : Math.floor(connection / this.#portsPerAddress) * this.#blocks + block;
  }

  /** Which of its client's ports a connection has; of clients only. */
  portOf(connection: number): number {
    return this.#portIndexOf(connection) % this.#portsEach;
  }

  /**
   * The number in the pool of a client's connection.
   * @param port which of the client's ports, from 0
   */
  connectionOf(client: number, port: number): number {
    if (this.#isByAddress) {
      const block = Math.floor(client / this.#addresses);
      const index = block * this.#portsEach + port;
      return index * this.#addresses + (client % this.#addresses);
    }
    const address = Math.floor(client / this.#blocks);
    const index = (client % this.#blocks) * this.#portsEach + port;
    return address * this.#portsPerAddress + index;
  }

  #portIndexOf(connection: number): number {
    return this.#isByAddress
      ? Math.floor(connection / this.#addresses)
      : connection % this.#portsPerAddress;
  }
}

/** How many clients an address has room for; any number of users that have one connection at a time. */
export const blocksOf = (portsPerAddress: number, portsEach: number): number =>
  portsEach === 0 ? portsPerAddress : Math.floor(portsPerAddress / portsEach);
