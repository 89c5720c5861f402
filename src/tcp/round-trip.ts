/**
 * The round trip, and how long to wait for an acknowledgement: RFC 6298, with timestamps RFC 7323.
 *
 * One octet a round trip is timed, from when it leaves to the first acknowledgement that covers it;
 * if anything is sent again meanwhile the measurement is dropped (Karn). With timestamps the
 * acknowledgement itself tells what it answers, so that repetitions can be measured as well. The
 * back-off is kept until there is a valid sample.
 */
import { type Seq, seqAfter, seqBefore, seqDiff } from '../base/seq.ts';
import { NS_PER_MS, NS_PER_SECOND, NS_PER_US } from '../base/time.ts';
import type { TcpOptions } from '../wire/tcp-options.ts';
import type { SegmentOutput } from './ports.ts';
import { BACKOFF_BITS, Count, SSTHRESH_INITIAL, UserFlag, type UserTable } from './user-table.ts';

/**
 * The least that is waited beyond the smoothed round trip. RFC 6298 says one second in all; Linux has
 * used this for decades, and so do the recorded clients. It has room for a delayed acknowledgement.
 */
const VARIATION_US_MIN = 200_000;
/** RFC 6298, section 5.7: when the SYN had to be repeated and nothing is known of the round trip. */
const RTO_NS_UNKNOWN = 3 * NS_PER_SECOND;
const RTO_NS_MAX = 60 * NS_PER_SECOND;
/** A larger sample is not one: the peer echoes what we never sent. */
const SAMPLE_MS_MAX = 120_000;
const US_PER_MS = 1_000;
/** What a peer's timer and ours may add to a round trip; how long Linux delays an acknowledgement. */
const TIMER_NS = 2 * NS_PER_MS;
const DELAYED_NS = 40 * NS_PER_MS;
/** In fast recovery a probe that is lost as well is followed by others, each after twice as long. */
const RECOVERY_PROBES_MAX = 3;
/** In `burst`, with REORDERED: quarters of a round trip, and in steps above them recoveries until they are one again. */
const QUARTERS = 0x7;
const QUARTERS_MAX = 4;
const CALM_STEP = QUARTERS + 1;
const CALM_AFTER = 16 * CALM_STEP;
/** Something is done early with the first two, unless a timeout is being repaired. */
const EARLY = UserFlag.SACK | UserFlag.RTT_KNOWN;
/** No sample. */
export const NO_SAMPLE = -1;

/** `nowNs` in microseconds modulo 2^32. */
export const toMicroseconds = (nowNs: number): number => (nowNs / NS_PER_US) | 0;

/** Octets never sent before leave, the last of them before `end`: time them unless others are timed. */
export function startTiming(users: UserTable, user: number, end: Seq): void {
  const flags = users.flags[user];
  if (flags & (UserFlag.TIMED | UserFlag.RECOVERY | UserFlag.LOSS)) return;
  users.flags[user] = flags | UserFlag.TIMED;
  users.mark[user] = end;
  if (!(flags & UserFlag.TIMESTAMPS)) users.tsRecent[user] = toMicroseconds(users.now.ns);
}

/**
 * An acknowledgement of something new has come: take a sample where it gives one.
 * @param options of the segment that brought it
 * @returns whether the timed octet is acknowledged: a round trip is over
 */
export function onTimedAck(
  users: UserTable,
  output: SegmentOutput,
  user: number,
  ack: Seq,
  options: TcpOptions,
): boolean {
  const flags = users.flags[user];
  const isRoundOver = (flags & UserFlag.TIMED) !== 0 && !seqBefore(ack, users.mark[user]);
  const isRepairing = (flags & (UserFlag.RECOVERY | UserFlag.LOSS)) !== 0;
  const hasTimestamps = (flags & UserFlag.TIMESTAMPS) !== 0;
  if (!isRoundOver && !(isRepairing && hasTimestamps)) return false;
  const sampleUs = hasTimestamps
    ? echoedUs(output, user, options)
    : (toMicroseconds(users.now.ns) - users.tsRecent[user]) >>> 0;
  if (isRoundOver || sampleUs !== NO_SAMPLE) {
    // What was sent once is acknowledged, whatever its timestamp says.
    users.flags[user] = flags & ~(BACKOFF_BITS | (isRoundOver ? UserFlag.TIMED : 0));
  }
  if (sampleUs !== NO_SAMPLE) measureRtt(users, user, sampleUs);
  return isRoundOver;
}

/**
 * Time since the segment left whose timestamp these options echo, in microseconds; NO_SAMPLE where
 * there is none, or nonsense.
 */
export function echoedUs(output: SegmentOutput, user: number, options: TcpOptions): number {
  if (!options.hasTimestamps) return NO_SAMPLE;
  const ms = (output.timestampOf(user) - options.tsEcr) >>> 0;
  return ms > SAMPLE_MS_MAX ? NO_SAMPLE : ms * US_PER_MS;
}

/** RFC 6298, section 2. */
export function measureRtt(users: UserTable, user: number, sampleUs: number): void {
  if (!(users.flags[user] & UserFlag.RTT_KNOWN)) {
    users.flags[user] |= UserFlag.RTT_KNOWN;
    users.srttUs[user] = sampleUs;
    users.rttvarUs[user] = sampleUs >>> 1;
    return;
  }
  const srttUs = users.srttUs[user];
  users.rttvarUs[user] += (Math.abs(srttUs - sampleUs) - users.rttvarUs[user]) / 4;
  users.srttUs[user] = srttUs + (sampleUs - srttUs) / 8;
}

/** How long to wait for an acknowledgement, back-off included, in nanoseconds. */
export function rtoNs(users: UserTable, user: number): number {
  let baseNs = RTO_NS_UNKNOWN;
  if (users.flags[user] & UserFlag.RTT_KNOWN) {
    const variationUs = Math.max(VARIATION_US_MIN, 4 * users.rttvarUs[user]);
    baseNs = (users.srttUs[user] + variationUs) * NS_PER_US;
  }
  return Math.min(baseNs * (1 << users.count(user, Count.BACKOFF)), RTO_NS_MAX);
}

/**
 * How long to wait for an acknowledgement before something is done: the retransmission timeout, or with
 * SACK, where `mayProbe`, less. Then a probe asks what has become of what is in flight.
 */
export function waitNs(users: UserTable, user: number): number {
  return mayProbe(users, user) ? probeNs(users, user) : rtoNs(users, user);
}

/**
 * Whether a probe comes before the retransmission timeout: where more than one segment is in flight,
 * since one alone may have its acknowledgement delayed (RFC 8985, section 7.2), and in fast recovery by a
 * scoreboard, where none is. RFC 8985 has no probe there. But a peer that takes in a whole flight at once,
 * as Linux does under load, acknowledges it once, and if that is lost nothing else tells.
 */
export function mayProbe(users: UserTable, user: number): boolean {
  const flags = users.flags[user];
  if ((flags & (EARLY | UserFlag.LOSS)) !== EARLY) return false;
  if (flags & UserFlag.RECOVERY) {
    if (!(flags & UserFlag.SCOREBOARD)) return false;
  } else {
    const flight = seqDiff(users.sndMax[user], users.sndUna[user]);
    if (flight <= users.sendMss[user]) return false;
  }
  const probes = probesOf(users, user);
  if (probes === 0) return true;
  if (probes >= (flags & UserFlag.RECOVERY ? RECOVERY_PROBES_MAX : 1)) return false;
  // The timeout behind it, too, waits twice as long (RFC 6298, section 5.5).
  return 2 * probeNs(users, user) <= rtoNs(users, user);
}

/** Probes in a row that nothing has answered. */
export function probesOf(users: UserTable, user: number): number {
  return users.flags[user] & UserFlag.TAIL_PROBED ? users.count(user, Count.PROBES) : 0;
}

/**
 * RFC 8985, section 7.2: two round trips, with room for timers, or what the variation makes likely. Until data
 * has been acknowledged and something was lost there is also room for an acknowledgement that is delayed, since
 * then the other end is more likely to be slow than the path to lose, and later of peers that have shown
 * to delay; in fast recovery none is.
 */
function probeNs(users: UserTable, user: number): number {
  const flags = users.flags[user];
  const isFirst = seqDiff(users.sndUna[user], users.iss[user]) <= 1;
  const isLossless = users.ssthresh[user] === SSTHRESH_INITIAL;
  const isDelayed = isFirst || isLossless || (flags & UserFlag.PEER_DELAYS) !== 0;
  const isRecovery = (flags & UserFlag.RECOVERY) !== 0;
  const timersNs = TIMER_NS + (isDelayed && !isRecovery ? DELAYED_NS : 0);
  const srttUs = users.srttUs[user];
  const waitUs = isFirst ? 2 * srttUs : Math.max(2 * srttUs, srttUs + 4 * users.rttvarUs[user]);
  const onceNs = waitUs * NS_PER_US + timersNs;
  return Math.min(rtoNs(users, user), onceNs * (1 << probesOf(users, user)));
}

/**
 * Something new is acknowledged after a probe. Where what was probed had arrived (RFC 2883), and what is
 * echoed had left before the probe, the peer had delayed its acknowledgement; else something was lost, if only
 * the acknowledgement, and the probe came late enough.
 */
export function onProbeAcked(
  users: UserTable,
  output: SegmentOutput,
  user: number,
  options: TcpOptions,
): void {
  if (users.flags[user] & (UserFlag.RECOVERY | UserFlag.LOSS)) return;
  const { sack } = options;
  const isTwice = sack.count > 0 && !seqAfter(sack.edges[1], users.sndUna[user]);
  const echoed = echoedUs(output, user, options);
  const isSinceProbe = echoed !== NO_SAMPLE && echoed * NS_PER_US < probeNs(users, user);
  if (!isTwice || isSinceProbe) users.flags[user] &= ~UserFlag.PEER_DELAYS;
  else users.flags[user] |= UserFlag.PEER_DELAYS;
}

/**
 * How long a hole may stay behind which the peer holds little: what was overtaken has come by then. A quarter of a
 * round trip, and where that was too short a quarter more each time, up to all of it (RFC 8985, section 6.2, step 4).
 */
export function reorderingNs(users: UserTable, user: number): number {
  const isSeen = (users.flags[user] & UserFlag.REORDERED) !== 0;
  const quarters = isSeen ? Math.min(users.burst[user] & QUARTERS, QUARTERS_MAX) : 1;
  return (users.srttUs[user] * NS_PER_US * quarters) / 4 + TIMER_NS;
}

/** Packets overtake each other on this path. */
export function noteReordering(users: UserTable, user: number): void {
  if (users.flags[user] & UserFlag.REORDERED) return;
  users.flags[user] |= UserFlag.REORDERED;
  users.burst[user] = CALM_AFTER | 1;
}

/** Something was sent again that had only been overtaken: to be called once a round trip. */
export function widenReordering(users: UserTable, user: number): void {
  if (!(users.flags[user] & UserFlag.REORDERED)) return;
  const quarters = Math.min((users.burst[user] & QUARTERS) + 1, QUARTERS_MAX);
  users.burst[user] = CALM_AFTER | quarters;
}

/** A recovery has ended in which nothing was sent again without need: after so many the wait is short again. */
export function calmReordering(users: UserTable, user: number): void {
  if (!(users.flags[user] & UserFlag.REORDERED)) return;
  const burst = users.burst[user];
  users.burst[user] = burst > CALM_STEP + QUARTERS ? burst - CALM_STEP : 1;
}
