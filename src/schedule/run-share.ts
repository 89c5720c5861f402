/**
 * One of several equal parts of a run, each played by a process of its own: user `u` of the run belongs
 * to share `u % of`, so that every share has the whole curve of arrivals, only lower.
 *
 * Within a share users and connections are numbered as in a run of their own; what depends on the
 * number in the whole run, when a user starts and which session it plays, is asked for here.
 */

import { formatRange } from '../base/address.ts';
import type { ArrivalPlan } from './arrivals.ts';
import type { ClientAddresses } from './client-addresses.ts';

/** Which part of a run. */
export interface RunShare {
  /** From 0. */
  readonly index: number;
  /** How many shares there are; 1: the whole run. */
  readonly of: number;
  /** Users of the whole run. */
  readonly users: number;
}

/** The whole run as its own only share. */
export const wholeRun = (users: number): RunShare => ({ index: 0, of: 1, users });

/** How many of the run's users a share has. */
export const usersOfShare = ({ index, of, users }: RunShare): number =>
  Math.max(0, Math.ceil((users - index) / of));

/** The number in the whole run of a share's connection. */
export function runConnectionOf(connection: number, share: RunShare): number {
  if (share.of === 1) return connection;
  const users = usersOfShare(share);
  const user = connection % users;
  const iteration = (connection - user) / users;
  return iteration * share.users + user * share.of + share.index;
}

/** When the share's users start. */
export function arrivalsOfShare(whole: ArrivalPlan, share: RunShare): ArrivalPlan {
  if (share.of === 1) return whole;
  const users = usersOfShare(share);
  const startNs = (user: number): number => whole.startNs(user * share.of + share.index);
  return { ...whole, users, startNs, lastStartNs: startNs(users - 1) };
}

/**
 * The share's slice of a pool: a block of it, so that a route or two lead its replies to its machine.
 * Empty where the pool has fewer addresses than there are shares.
 */
export function addressesOfShare(
  clients: ClientAddresses,
  { index, of }: RunShare,
): ClientAddresses {
  if (of === 1) return clients;
  const all = clients.ranges.reduce((sum, { count }) => sum + count, 0);
  const from = Math.floor((all * index) / of);
  const to = Math.floor((all * (index + 1)) / of);
  let before = 0;
  const ranges = clients.ranges.flatMap((range) => {
    const skipped = Math.min(range.count, Math.max(0, from - before));
    const count = Math.min(range.count, Math.max(0, to - before)) - skipped;
    before += range.count;
    return count > 0 ? [{ ...range, start: range.start + skipped, count }] : [];
  });
  return { ...clients, ranges, text: ranges.map(formatRange).join(','), parts: ranges };
}
