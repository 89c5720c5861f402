/** What decides which address and port the connections of a run have. */

import type { PoolOrder } from './address-pool.ts';
import type { ClientAddresses } from './client-addresses.ts';

/** In which numbers a pool counts connections: by address and port, as it does itself or as if. */
export interface PoolNumbering {
  readonly order: PoolOrder;
  readonly addresses: number;
  readonly portsPerAddress: number;
}

/** Both directions between a connection's number and its address and port. */
export interface ConnectionPool {
  readonly clients: ClientAddresses;
  /** How clients with several connections count theirs. */
  readonly numbering: PoolNumbering;
  /** Whether an address and port may be a connection to several targets, one to each. */
  readonly isByTarget: boolean;
  /** The last 32 bits of the connection's address, read with a sign. */
  lowBitsOf(connection: number): number;
  portOf(connection: number): number;
  /**
   * The connection that has this address and port, or -1.
   * @param low the address's last 32 bits, with or without a sign
   * @param target the row of the target that it is to; asked for where `isByTarget`
   */
  connectionOf(low: number, port: number, target: number): number;
}
