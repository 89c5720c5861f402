/** How much memory a user takes in `TcpTransport`. */
import { TCB_BYTES_PER_USER } from '../tcp/user-table.ts';

/** Octets: its control block, and its target's row. */
export const TRANSPORT_BYTES_PER_USER = TCB_BYTES_PER_USER + 2;
