/**
 * The congestion window: slow start of RFC 5681 from the initial window of RFC 6928, then CUBIC (RFC
 * 9438), which is what the recorded clients' kernels do.
 *
 * It counts octets that are acknowledged (RFC 3465), not acknowledgements, so that a peer whose kernel
 * merges segments and acknowledges many at once slows nobody down. It grows only while it is used
 * (RFC 7661), and decays while a user is idle.
 */
import { seqDiff } from '../base/seq.ts';
import { NS_PER_US } from '../base/time.ts';
import { rtoNs, toMicroseconds } from './round-trip.ts';
import { UserFlag, type UserTable } from './user-table.ts';

/** The window is in sixteenths of a segment. */
const CWND_UNIT_SHIFT = 4;
export const CWND_UNIT = 1 << CWND_UNIT_SHIFT;
export const CWND_INITIAL = 10 * CWND_UNIT;
export const CWND_MAX = 4_000 * CWND_UNIT;
const CWND_MIN_AFTER_LOSS = 2 * CWND_UNIT;
/** RFC 9438, sections 4.6, 4.1 (in segments per second cubed) and 4.3. */
const BETA = 0.7;
const CUBIC_C = 0.4;
const FRIENDLY_ALPHA = (3 * (1 - BETA)) / (1 + BETA);
/** RFC 9438, section 4.2: the most by which the window grows in a round trip. */
const GROWTH_MAX = 1.5;
const US_PER_SECOND = 1e6;

/** The window in octets. */
export function cwndBytes(users: UserTable, user: number): number {
  return (users.cwnd[user] * users.sendMss[user]) >>> CWND_UNIT_SHIFT;
}

/** Octets in sixteenths of a segment, rounded up. */
export function toCwndUnits(users: UserTable, user: number, octets: number): number {
  return Math.ceil((octets * CWND_UNIT) / Math.max(1, users.sendMss[user]));
}

/**
 * `acked` octets are acknowledged outside fast recovery.
 * @param flight octets that were outstanding before
 * @param isRoundOver whether a round trip has ended: congestion avoidance makes its step then
 */
export function growCwnd(
  users: UserTable,
  user: number,
  acked: number,
  flight: number,
  isRoundOver: boolean,
): void {
  const cwnd = users.cwnd[user];
  // RFC 7661, section 4.3: less than half of it was used, which says nothing about the path.
  if (2 * flight <= cwndBytes(users, user)) return;
  const ssthresh = users.ssthresh[user];
  if (cwnd >= ssthresh) {
    if (isRoundOver) users.cwnd[user] = Math.min(afterRoundTrip(users, user), CWND_MAX);
    return;
  }
  // After a timeout one acknowledgement may cover much that had arrived before (RFC 3465, 2.3).
  const isAfterTimeout = (users.flags[user] & UserFlag.LOSS) !== 0;
  const units = toCwndUnits(users, user, acked);
  const grown = cwnd + (isAfterTimeout ? Math.min(units, CWND_UNIT) : units);
  users.cwnd[user] = Math.min(grown, ssthresh, CWND_MAX);
}

/**
 * The window a round trip further on the curve that leads from BETA times W_max, the window at the last
 * loss, to W_max and beyond. W_max is not stored, since `ssthresh` is BETA times it; nor is when that
 * loss was: the window itself says where on the curve we are.
 */
function afterRoundTrip(users: UserTable, user: number): number {
  const segments = users.cwnd[user] / CWND_UNIT;
  const maxSegments = users.ssthresh[user] / CWND_UNIT / BETA;
  const fromPlateau = Math.cbrt((segments - maxSegments) / CUBIC_C);
  const next = fromPlateau + users.srttUs[user] / US_PER_SECOND;
  const cubic = maxSegments + CUBIC_C * next ** 3;
  // Where Reno would be faster, be as fast (section 4.3).
  const friendly = segments + (segments < maxSegments ? FRIENDLY_ALPHA : 1);
  const target = Math.min(Math.max(cubic, friendly), GROWTH_MAX * segments);
  return Math.floor(target * CWND_UNIT);
}

/**
 * A loss: RFC 9438, section 4.6. The caller sets the window.
 * @param isLimited whether more is waiting than the windows admit. Then the window is what was in flight when
 *   the loss happened; what is still in flight may be less by all that has been acknowledged since.
 */
export function lowerSsthresh(users: UserTable, user: number, isLimited: boolean): void {
  const flight = seqDiff(users.sndMax[user], users.sndUna[user]);
  const isRepairing = (users.flags[user] & (UserFlag.RECOVERY | UserFlag.LOSS)) !== 0;
  const admitted =
    isLimited && !isRepairing ? Math.min(users.sndWnd[user], cwndBytes(users, user)) : 0;
  const lowered = Math.floor(toCwndUnits(users, user, Math.max(flight, admitted)) * BETA);
  users.ssthresh[user] = Math.min(Math.max(lowered, CWND_MIN_AFTER_LOSS), CWND_MAX);
}

/** It was no loss: the window and the threshold are what they were before, unless they have grown since. */
export function restoreCwnd(users: UserTable, user: number, cwnd: number, ssthresh: number): void {
  users.cwnd[user] = Math.max(users.cwnd[user], cwnd);
  users.ssthresh[user] = Math.max(users.ssthresh[user], ssthresh);
}

/** As after a loss, where it is known only when all is acknowledged. */
export function lowerCwnd(users: UserTable, user: number): void {
  const lowered = Math.max(Math.floor(users.cwnd[user] * BETA), CWND_MIN_AFTER_LOSS);
  users.ssthresh[user] = lowered;
  users.cwnd[user] = Math.min(users.cwnd[user], lowered);
}

/** Everything is acknowledged: remember since when, for `restartAfterIdle`. */
export function onAllAcked(users: UserTable, user: number): void {
  if (users.cwnd[user] > CWND_INITIAL) users.mark[user] = toMicroseconds(users.now.ns);
}

/**
 * Something is about to be sent while nothing is outstanding: the window of a user that was idle
 * halves for each retransmission timeout, down to the initial window (RFC 5681, 4.1, as Linux does it).
 */
export function restartAfterIdle(users: UserTable, user: number): void {
  const cwnd = users.cwnd[user];
  if (cwnd <= CWND_INITIAL) return;
  const idleNs = ((toMicroseconds(users.now.ns) - users.mark[user]) >>> 0) * NS_PER_US;
  const timeouts = Math.floor(idleNs / rtoNs(users, user));
  if (timeouts === 0) return;
  users.ssthresh[user] = Math.max(users.ssthresh[user], Math.floor((3 * cwnd) / 4));
  users.cwnd[user] = Math.max(CWND_INITIAL, Math.floor(cwnd / 2 ** timeouts));
}
