/** How much memory a user takes in the embedded target. */
import { TIMER_BYTES_PER_USER } from '../schedule/timer-rows.ts';
import { CONNECTION_BYTES } from './connection-table.ts';

/** What one connection takes: its columns, its timer, its place in the queue. */
export const EMBEDDED_BYTES_PER_USER = CONNECTION_BYTES + TIMER_BYTES_PER_USER + 4;
