/** How much memory a user takes in `TcpTransport`. */
import { narrowBytes } from '../base/narrow-column.ts';
import { TCB_BYTES_PER_USER } from '../tcp/user-table.ts';

/** Octets: its control block, and its target's row. */
export const transportBytesOf = (targets: number): number =>
  TCB_BYTES_PER_USER + narrowBytes(targets);
