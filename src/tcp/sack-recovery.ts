/**
 * Loss recovery of users whose peer reports what it holds: RFC 6675, and of RFC 8985 the tail probe, that
 * what was repeated is known to be lost again when something later has arrived, and that time tells what
 * is lost where packets overtake each other. Where it turns out that nothing was lost, the window is put back
 * (episode).
 *
 * As in loss-recovery, `mark` is RecoveryPoint, RECOVERY and LOSS last until it is acknowledged. What
 * is to be repeated stands in the scoreboard, and how much may be in flight is its `pipe` against the
 * congestion window; SND.NXT is SND.MAX throughout.
 */
import { Instant } from '../base/instant.ts';
import { seqAfter, seqBefore } from '../base/seq.ts';
import { NEVER_NS, NS_PER_US } from '../base/time.ts';
import type { SackBlocks, TcpOptions } from '../wire/tcp-options.ts';
import { growCwnd, lowerCwnd, lowerSsthresh, restoreCwnd } from './congestion.ts';
import type { SegmentOutput } from './ports.ts';
import {
  calmReordering,
  mayProbe,
  noteReordering,
  probesOf,
  reorderingNs,
  waitNs,
  widenReordering,
} from './round-trip.ts';
import { DUP_THRESH, type Scoreboard } from './scoreboard.ts';
import type { Transmitter } from './transmitter.ts';
import { Count, UserFlag, type UserTable } from './user-table.ts';

/** Of the smoothed round trip; the shortest may be that much shorter. */
const SURE_SHARE = 0.75;
const REPAIRING = UserFlag.RECOVERY | UserFlag.LOSS;

/** Recovery by what the peer reports: for users that have a row in the scoreboard. */
export class SackRecovery {
  readonly #users: UserTable;
  readonly #scoreboard: Scoreboard;
  readonly #transmitter: Transmitter;
  readonly #output: SegmentOutput;

  constructor(
    users: UserTable,
    scoreboard: Scoreboard,
    transmitter: Transmitter,
    output: SegmentOutput,
  ) {
    this.#users = users;
    this.#scoreboard = scoreboard;
    this.#transmitter = transmitter;
    this.#output = output;
  }

  /**
   * A segment has come that acknowledges nothing new.
   * @returns whether its news are taken here; else duplicate acknowledgements count
   */
  onSack(user: number, blocks: SackBlocks): boolean {
    if (!this.#takes(user, blocks)) return this.#isNoLoss(user, blocks);
    this.#update(user, blocks);
    if (this.#isUnneeded(user, blocks)) this.#undo(user);
    const users = this.#users;
    if (users.flags[user] & UserFlag.RECOVERY && this.#scoreboard.hasNews(user)) {
      // Not the retransmission timeout's: what is lost again is known by what has arrived behind it.
      users.flags[user] &= ~UserFlag.TAIL_PROBED;
      users.dueNs[user] = users.now.ns + waitNs(users, user);
    }
    this.#beginIfLost(user);
    return true;
  }

  /**
   * Something new is acknowledged; `sndUna` says it already.
   * @param acked how many octets
   * @param flight how many were outstanding before
   * @param isRoundOver whether a round trip has ended
   * @param wasProbed whether a tail probe was the last that had left
   * @returns whether it is dealt with here
   */
  onNewAck(
    user: number,
    options: TcpOptions,
    acked: number,
    flight: number,
    isRoundOver: boolean,
    wasProbed: boolean,
  ): boolean {
    const blocks = options.sack;
    if (!this.#takes(user, blocks)) return false;
    const users = this.#users;
    const una = users.sndUna[user];
    this.#update(user, blocks);
    const wasLate = this.#wasLate(user, options);
    if (this.#isUnneeded(user, blocks) || wasLate) this.#undo(user);
    const repairing = users.flags[user] & REPAIRING;
    const isAll = una === users.sndMax[user];
    const isPassed = isAll || !seqBefore(una, users.mark[user]);
    if (repairing & UserFlag.LOSS || repairing === 0) {
      growCwnd(users, user, acked, flight, isRoundOver && repairing === 0);
    }
    if (repairing !== 0 && isPassed) {
      users.flags[user] &= ~REPAIRING;
      if (this.#scoreboard.episodeOf(user)?.isTwice !== true) calmReordering(users, user);
      // A probe is due at another time in recovery than outside.
      if (!isAll) users.dueNs[user] = users.now.ns + waitNs(users, user);
    }
    // RFC 8985, section 7.4.2: the probe has repaired a loss, unless the peer says it came twice.
    if (wasProbed && repairing === 0 && isAll && blocks.count === 0) lowerCwnd(users, user);
    this.#beginIfLost(user);
    this.#endEpisodeIfOver(user);
    this.#endIfEmpty(user);
    return true;
  }

  /**
   * Time has passed without an acknowledgement, but less than the retransmission timeout: a hole may have
   * stayed for too long (RFC 8985, section 6.2, step 5), or all that is in flight may be lost, or what the
   * peer has said of it (section 7).
   * @returns whether that was so; else it is a timeout
   */
  onEarlyTimeout(user: number): boolean {
    const users = this.#users;
    if (!(users.flags[user] & UserFlag.SACK) || users.sndWnd[user] === 0) return false;
    const sinceNs = users.now.ns - reorderingNs(users, user);
    if (this.#scoreboard.inDoubtSinceNs(user) <= sinceNs) {
      this.#scoreboard.loseHoles(user, sinceNs);
      users.dueNs[user] = users.now.ns + waitNs(users, user);
      this.#beginIfLost(user);
      this.#transmitter.emit(user);
      return true;
    }
    if (!mayProbe(users, user)) return false;
    if (!this.#scoreboard.open(user, users.sndUna[user])) return false;
    const probes = probesOf(users, user) + 1;
    // Karn: a repetition is no measure of the round trip.
    users.flags[user] =
      (users.flags[user] | UserFlag.SCOREBOARD | UserFlag.TAIL_PROBED) & ~UserFlag.TIMED;
    users.setCount(user, Count.PROBES, probes);
    if (users.flags[user] & UserFlag.RECOVERY) this.#transmitter.repeatFirstMissing(user);
    else this.#transmitter.repeatLast(user);
    users.dueNs[user] = users.now.ns + waitNs(users, user);
    return true;
  }

  /**
   * The retransmission timeout: all that is not held is lost. The caller has set flags, mark and window.
   * @param cwnd congestion window before
   * @param ssthresh slow start threshold before
   * @returns whether there is room for a row; else recovery goes on without
   */
  onTimeout(user: number, cwnd: number, ssthresh: number): boolean {
    const users = this.#users;
    const isOpen =
      (users.flags[user] & UserFlag.SACK) !== 0 && this.#scoreboard.open(user, users.sndUna[user]);
    if (!isOpen) return false;
    users.flags[user] |= UserFlag.SCOREBOARD;
    // Of several timeouts in a row the first has lowered the window.
    if (users.count(user, Count.RETRIES) === 1) {
      this.#scoreboard.beginEpisode(user, cwnd, ssthresh, users.sndUna[user]);
    }
    this.#scoreboard.loseAll(user, users.sndMax[user]);
    users.sndNxt[user] = users.sndMax[user];
    this.#transmitter.repeatFirstLost(user);
    return true;
  }

  /**
   * Something new is acknowledged: whether that echoes what had left before anything was sent again (RFC 3522),
   * and no repetition is in flight that may have been needed; or whether after a timeout something has arrived
   * that was never sent again (RFC 5682, section 3, but for its wait for a second acknowledgement, as Linux).
   */
  #wasLate(user: number, options: TcpOptions): boolean {
    const users = this.#users;
    const flags = users.flags[user];
    const episode = this.#scoreboard.episodeOf(user);
    if (episode === null || !(flags & REPAIRING)) return false;
    const isLoss = (flags & UserFlag.LOSS) !== 0;
    if (isLoss && this.#scoreboard.isMistaken(user)) return true;
    if (!isLoss && this.#scoreboard.isRepeating(user)) return false;
    const sinceNs = episode.repeatedSince(users.sndUna[user]);
    if (sinceNs === NEVER_NS || !options.hasTimestamps || !(flags & UserFlag.TIMESTAMPS))
      return false;
    return seqBefore(options.tsEcr, this.#output.timestampOf(user, new Instant(sinceNs)));
  }

  /** Whether the peer says that all that was sent again came twice; any of it widens `reorderingNs`. */
  #isUnneeded(user: number, blocks: SackBlocks): boolean {
    const users = this.#users;
    const una = users.sndUna[user];
    const episode = this.#scoreboard.episodeOf(user);
    if (episode === null || !episode.onBlocks(una, blocks)) return false;
    if (episode.widens(una, users.sndMax[user])) widenReordering(users, user);
    return episode.isUnneeded;
  }

  /** Nothing was lost: the window is as before, and what is not held is in flight. */
  #undo(user: number): void {
    const users = this.#users;
    const episode = this.#scoreboard.episodeOf(user);
    if (episode === null) return;
    if (users.flags[user] & UserFlag.RECOVERY) noteReordering(users, user);
    users.flags[user] &= ~REPAIRING;
    restoreCwnd(users, user, episode.cwnd, episode.ssthresh);
    this.#scoreboard.loseNothing(user, users.now.ns);
    this.#scoreboard.endEpisode(user);
    if (users.sndUna[user] !== users.sndMax[user])
      users.dueNs[user] = users.now.ns + waitNs(users, user);
  }

  /** Whether the user's news go to the scoreboard: it has a row, or may have one from now on. */
  #takes(user: number, blocks: SackBlocks): boolean {
    const users = this.#users;
    const flags = users.flags[user];
    if (flags & UserFlag.SCOREBOARD) return true;
    // Recovery that began without a row ends without it.
    if (!(flags & UserFlag.SACK) || flags & REPAIRING || blocks.count === 0) return false;
    // What came twice, and nothing else: of no use before there is a row (RFC 2883).
    if (!seqAfter(blocks.edges[2 * blocks.count - 1], users.sndUna[user])) return false;
    if (!this.#scoreboard.open(user, users.sndUna[user])) return false;
    users.flags[user] = flags | UserFlag.SCOREBOARD;
    return true;
  }

  /** A peer that reports holes says of none: something came twice, or was asked for (RFC 6675, section 2). */
  #isNoLoss(user: number, { count, edges }: SackBlocks): boolean {
    if (!(this.#users.flags[user] & UserFlag.SACK)) return false;
    return count === 0 || !seqAfter(edges[2 * count - 1], this.#users.sndUna[user]);
  }

  #update(user: number, blocks: SackBlocks): void {
    const users = this.#users;
    const { sndUna, sndMax, sendMss, srttUs, flags } = users;
    const sureNs = users.now.ns - srttUs[user] * SURE_SHARE * NS_PER_US;
    // RFC 8985, section 6.2, step 4: once packets have overtaken each other only time tells.
    const isPatient = (flags[user] & UserFlag.REORDERED) !== 0;
    const inOrder = flags[user] & REPAIRING ? 1 : DUP_THRESH;
    const threshold = isPatient ? Number.POSITIVE_INFINITY : inOrder;
    const [una, max, mss] = [sndUna[user], sndMax[user], sendMss[user]];
    this.#scoreboard.update(user, una, max, blocks, mss, threshold, sureNs, users.now.ns);
    if (this.#scoreboard.isReordered(user)) noteReordering(this.#users, user);
  }

  /**
   * RFC 6675, section 5, step 4: the window shrinks, and the first lost segment leaves at once. Where
   * nothing is lost for sure, a timer says when it is.
   */
  #beginIfLost(user: number): void {
    const users = this.#users;
    const dueNs = this.#scoreboard.inDoubtSinceNs(user) + reorderingNs(users, user);
    if (users.flags[user] & REPAIRING || this.#scoreboard.firstLost(user) === null) {
      users.dueNs[user] = Math.min(users.dueNs[user], Math.max(dueNs, users.now.ns));
      return;
    }
    this.#scoreboard.beginEpisode(user, users.cwnd[user], users.ssthresh[user], users.sndUna[user]);
    lowerSsthresh(users, user, this.#transmitter.isBlockedByWindow(user));
    const others = UserFlag.TIMED | UserFlag.TAIL_PROBED;
    users.flags[user] = (users.flags[user] & ~others) | UserFlag.RECOVERY;
    users.setCount(user, Count.DUPLICATE_ACKS, 0);
    users.mark[user] = users.sndMax[user];
    users.cwnd[user] = Math.min(users.cwnd[user], users.ssthresh[user]);
    users.dueNs[user] = users.now.ns + waitNs(users, user);
    this.#transmitter.repeatFirstLost(user);
    users.dueNs[user] = Math.min(users.dueNs[user], Math.max(dueNs, users.now.ns));
  }

  #endEpisodeIfOver(user: number): void {
    const { flags, sndUna, sndMax } = this.#users;
    const episode = this.#scoreboard.episodeOf(user);
    if (episode === null || flags[user] & REPAIRING) return;
    if (episode.isOver(sndUna[user], sndMax[user])) this.#scoreboard.endEpisode(user);
  }

  #endIfEmpty(user: number): void {
    if (this.#users.flags[user] & REPAIRING || this.#scoreboard.isTelling(user)) return;
    this.end(user);
  }

  /** Go on without what the peer has reported: sending begins again, or the connection is gone. */
  end(user: number): void {
    const users = this.#users;
    if (!(users.flags[user] & UserFlag.SCOREBOARD)) return;
    this.#scoreboard.close(user);
    if (users.flags[user] & UserFlag.TAIL_PROBED) users.setCount(user, Count.PROBES, 0);
    users.flags[user] &= ~(UserFlag.SCOREBOARD | UserFlag.TAIL_PROBED);
    // It may have held something else while the scoreboard said what to send.
    if (users.flags[user] & UserFlag.LOSS) users.burst[user] = 1;
  }
}
