/** Whose a packet is: its client's address and port are a connection's, and that is a user's. */
import type { AddressPool } from '../schedule/address-pool.ts';

/** What headers of either IP version say of one end. */
interface Ends {
  readonly version: number;
  /** The last 32 bits of the destination, read with a sign. */
  readonly dstBits32: number;
  dstMatches(address: Uint8Array, octets: number): boolean;
}

/** Octets of an IPv6 address that all clients of a pool have in common. */
const PREFIX_BYTES = 12;

/** No client's. */
export const NO_CONNECTION = -1;

/** Arithmetic over the pool: no table of addresses. */
export class Owners {
  readonly #pool: AddressPool;
  readonly #family: 4 | 6;
  /** A pool address, of which the first 12 octets count. */
  readonly #prefix = new Uint8Array(16);

  constructor(pool: AddressPool) {
    const { family, prefix } = pool.clients;
    this.#pool = pool;
    this.#family = family;
    this.#prefix.set(prefix);
  }

  /**
   * The connection that has a packet's destination for its client.
   * @returns its number through all users and threads, or NO_CONNECTION
   */
  connectionTo(ends: Ends, dstPort: number): number {
    if (!this.isClients(ends)) return NO_CONNECTION;
    return this.#pool.connectionOf(ends.dstBits32, dstPort);
  }

  /** Whether the destination is of the pool's family and prefix. */
  isClients(ends: Ends): boolean {
    if (ends.version !== this.#family) return false;
    return this.#family === 4 || ends.dstMatches(this.#prefix, PREFIX_BYTES);
  }
}
