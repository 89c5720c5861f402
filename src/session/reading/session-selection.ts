/** Which sessions of a capture are wanted, and how their ends are told apart. */

import type { IpAddress } from '../../base/address.ts';
import { type AddressBlock, isInBlock } from '../../base/address-block.ts';

const ADDRESS_BITS_MAX = 128;

/** An address, a port, or both; null stands for any. */
export interface EndpointPattern {
  readonly address: IpAddress | null;
  readonly port: number | null;
}

/** What may be replayed although it is not whole. */
export type Incomplete = 'mid-stream' | 'holed' | 'one-sided';

/** Every part is optional and narrows further. Ranges include both ends unless said otherwise. */
export interface SessionSelection {
  /** Only sessions of these servers; an end that is listed is the server, whoever sent the SYN. */
  readonly servers?: readonly EndpointPattern[];
  readonly clients?: readonly AddressBlock[];
  /** Sessions that begin in this window: seconds since 1970; `until` is not in it any more. */
  readonly fromSeconds?: number;
  readonly untilSeconds?: number;
  /** The same, counted from the capture's first packet. */
  readonly fromAfterNs?: number;
  readonly untilAfterNs?: number;
  /** Sessions by their number in the capture, from 0. */
  readonly indices?: readonly { readonly first: number; readonly last: number }[];
  /** Payload of both directions, each octet once. */
  readonly bytesMin?: number;
  readonly bytesMax?: number;
  /** So large a share of the connections, 0..1, picked by a hash of their endpoints. */
  readonly fraction?: number;
  readonly include?: readonly Incomplete[];
}

/** Whether an address and port fit the pattern. */
export function matchesEndpoint(
  { address, port }: EndpointPattern,
  ofAddress: IpAddress,
  ofPort: number,
): boolean {
  if (port !== null && port !== ofPort) return false;
  return address === null || isInBlock({ address, prefixBits: ADDRESS_BITS_MAX }, ofAddress);
}
