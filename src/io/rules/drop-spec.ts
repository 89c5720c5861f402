import type { AddressRange, Endpoint } from '../../base/address.ts';
import type { PortRange } from '../../base/port-range.ts';

/** Whose replies are meant; plain data. */
export interface ReplyDropSpec {
  /** The interface that they come in by. */
  readonly device: string;
  /** Whether it is a bridge. */
  readonly isBridge: boolean;
  /** At least one, all of one family. */
  readonly targets: readonly Endpoint[];
  /** The clients' addresses, all of them this machine's own. */
  readonly ranges: readonly AddressRange[];
  readonly ports: PortRange;
}
