/** Whose a packet is: its client's address and port are a connection's, and that is a user's. */
import type { ConnectionPool } from '../schedule/connection-pool.ts';
import { TargetRows } from './target-rows.ts';
import type { TransportPlan } from './transport-plan.ts';

/** What headers of either IP version say of one end. */
interface Ends {
  readonly version: number;
  /** The last 32 bits of the destination, read with a sign. */
  readonly dstBits32: number;
  dstMatches(address: Uint8Array, octets: number): boolean;
  readonly srcLow32: number;
  srcMatches(address: Uint8Array): boolean;
}

/** Octets of an IPv6 address that all clients of a pool have in common. */
const PREFIX_BYTES = 12;

/** No client's. */
export const NO_CONNECTION = -1;

/** Arithmetic over the pool: no table of addresses. Sources are looked at where the pool is there for each target. */
export class Owners {
  readonly #pool: ConnectionPool;
  /** Null where whose a packet is does not hang on the target. */
  readonly #targets: TargetRows | null;
  readonly #family: 4 | 6;
  /** A pool address, of which the first 12 octets count. */
  readonly #prefix = new Uint8Array(16);

  constructor({ pool, targets }: Pick<TransportPlan, 'pool' | 'targets'>) {
    const { family, prefix } = pool.clients;
    this.#pool = pool;
    this.#targets = pool.isByTarget ? new TargetRows(targets) : null;
    this.#family = family;
    this.#prefix.set(prefix);
  }

  /**
   * The connection that has a packet's destination for its client, and its source for its target.
   * @returns its number through all users and threads, or NO_CONNECTION
   */
  connectionTo(ends: Ends, srcPort: number, dstPort: number): number {
    if (!this.isClients(ends)) return NO_CONNECTION;
    const target = this.#targets === null ? 0 : this.#targets.rowOf(ends, srcPort);
    return target < 0 ? NO_CONNECTION : this.#pool.connectionOf(ends.dstBits32, dstPort, target);
  }

  /** Whether the destination is of the pool's family and prefix. */
  isClients(ends: Ends): boolean {
    if (ends.version !== this.#family) return false;
    return this.#family === 4 || ends.dstMatches(this.#prefix, PREFIX_BYTES);
  }
}
