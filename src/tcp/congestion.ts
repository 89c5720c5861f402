/** The congestion window: RFC 5681, with the initial window of RFC 6928. */
import { seqDiff } from '../base/seq.ts';
import type { UserTable } from './user-table.ts';

export const CWND_UNIT = 16;
export const CWND_INITIAL = 10 * CWND_UNIT;
export const CWND_MAX = 4_000 * CWND_UNIT;

export function growCwnd(users: UserTable, user: number, advance: number): void {
  const cwnd = users.cwnd[user];
  const segments = Math.min(2, Math.ceil(advance / Math.max(1, users.sendMss[user])));
  const grown =
    cwnd < users.ssthresh[user]
      ? cwnd + segments * CWND_UNIT
      : cwnd + Math.max(1, Math.floor((CWND_UNIT * CWND_UNIT) / cwnd));
  users.cwnd[user] = Math.min(grown, CWND_MAX);
}

export function halveCwnd(users: UserTable, user: number): void {
  const flight = seqDiff(users.sndMax[user], users.sndUna[user]);
  const half = Math.floor((flight * CWND_UNIT) / (2 * Math.max(1, users.sendMss[user])));
  users.ssthresh[user] = Math.min(Math.max(half, 2 * CWND_UNIT), CWND_MAX);
}
