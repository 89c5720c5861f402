/**
 * What is lost comes again: RFC 6298 (the timer) and RFC 6582 (NewReno: duplicate acknowledgements),
 * where the peer does not report what it holds (sack-recovery).
 *
 * Both remember in `mark` how much had been sent when the loss was seen, the `recover` of RFC 6582,
 * and last until that is acknowledged. In fast recovery each partial acknowledgement brings one
 * repetition, of the next hole; after a timeout sending begins again at the first octet, in slow start,
 * and with one segment wherever an acknowledgement says that the peer had more than was repeated.
 */
import { type Seq, seqAfter, seqBefore } from '../base/seq.ts';
import { CWND_MAX, CWND_UNIT, growCwnd, lowerSsthresh, toCwndUnits } from './congestion.ts';
import type { PathMtu } from './path-mtu.ts';
import type { StreamSource, TcpSettings } from './ports.ts';
import { rtoNs } from './round-trip.ts';
import type { SackRecovery } from './sack-recovery.ts';
import { TcpEvent } from './tcp-event.ts';
import type { Transmitter } from './transmitter.ts';
import { BURST_MAX, Count, UserFlag, type UserTable } from './user-table.ts';

const DUPLICATE_ACKS = 3;

/** Retransmission: by timer (RFC 6298) and upon duplicate acknowledgements (RFC 5681, 6582). */
export class LossRecovery {
  readonly #users: UserTable;
  readonly #source: StreamSource;
  readonly #transmitter: Transmitter;
  readonly #pathMtu: PathMtu;
  readonly #settings: TcpSettings;
  readonly #sackRecovery: SackRecovery;

  constructor(
    users: UserTable,
    source: StreamSource,
    transmitter: Transmitter,
    pathMtu: PathMtu,
    settings: TcpSettings,
    sackRecovery: SackRecovery,
  ) {
    this.#users = users;
    this.#source = source;
    this.#transmitter = transmitter;
    this.#pathMtu = pathMtu;
    this.#settings = settings;
    this.#sackRecovery = sackRecovery;
  }

  /** The third in a row says that the first unacknowledged segment is lost. */
  onDuplicateAck(user: number): void {
    const users = this.#users;
    const flags = users.flags[user];
    if (flags & UserFlag.RECOVERY) {
      // It says that a segment has left the network: another may enter.
      users.cwnd[user] = Math.min(users.cwnd[user] + CWND_UNIT, CWND_MAX);
      return;
    }
    // Until `recover` is passed they may come from our own repetitions (RFC 6582, section 3.2, 1).
    if (flags & UserFlag.LOSS) return;
    const count = users.count(user, Count.DUPLICATE_ACKS) + 1;
    users.setCount(user, Count.DUPLICATE_ACKS, count);
    if (count !== DUPLICATE_ACKS) return;
    lowerSsthresh(users, user, this.#transmitter.isBlockedByWindow(user));
    this.#begin(user, UserFlag.RECOVERY);
    this.#transmitter.retransmitFirst(user);
    users.cwnd[user] = Math.min(users.ssthresh[user] + DUPLICATE_ACKS * CWND_UNIT, CWND_MAX);
  }

  /**
   * Something new is acknowledged in fast recovery or after a timeout, or with a report of what the
   * peer holds; `sndUna` says it already.
   * @param acked how many octets
   * @param flight how many were outstanding before
   * @param isRoundOver whether a round trip has ended
   */
  onNewAck(user: number, ack: Seq, acked: number, flight: number, isRoundOver: boolean): void {
    const users = this.#users;
    const flags = users.flags[user];
    if (!(flags & (UserFlag.RECOVERY | UserFlag.LOSS))) {
      growCwnd(users, user, acked, flight, isRoundOver);
      return;
    }
    const isAll = ack === users.sndMax[user];
    if (flags & UserFlag.LOSS) {
      this.#setBurst(user, ack, acked);
      growCwnd(users, user, acked, flight, false);
      if (isAll || seqAfter(ack, users.mark[user])) users.flags[user] = flags & ~UserFlag.LOSS;
    } else if (isAll || !seqBefore(ack, users.mark[user])) {
      users.flags[user] = flags & ~UserFlag.RECOVERY;
      users.cwnd[user] = Math.min(users.cwnd[user], users.ssthresh[user]);
    } else {
      this.#onPartialAck(user, acked);
    }
  }

  /**
   * After a timeout: what is acknowledged may lie behind what was sent again. Then the peer holds
   * octets behind the hole that was filled, and the acknowledgement points at the next hole: one
   * segment fills that as well, for all we know. Where it does not, the burst grows as in slow start.
   */
  #setBurst(user: number, ack: Seq, acked: number): void {
    const users = this.#users;
    const isJump = seqAfter(ack, users.sndNxt[user]);
    const segments = Math.ceil(acked / users.sendMss[user]);
    users.burst[user] = isJump ? 1 : Math.min(users.burst[user] + segments, BURST_MAX);
  }

  /** RFC 6582, section 3.2, step 3: the acknowledgement points at the next hole. */
  #onPartialAck(user: number, acked: number): void {
    const users = this.#users;
    this.#transmitter.retransmitFirst(user);
    const isSegment = acked >= users.sendMss[user];
    const deflated = users.cwnd[user] - toCwndUnits(users, user, acked);
    users.cwnd[user] = Math.max(CWND_UNIT, deflated + (isSegment ? CWND_UNIT : 0));
  }

  /**
   * Nothing was acknowledged in time: RFC 6298, section 5.4 to 5.6; with a zero window this is the
   * probe's repetition.
   * @returns bits of TcpEvent: NONE, MSS_LOWERED or GAVE_UP
   */
  onTimeout(user: number): number {
    const users = this.#users;
    if (this.#sackRecovery.onEarlyTimeout(user)) return TcpEvent.NONE;
    const retries = users.count(user, Count.RETRIES);
    const offset = this.#transmitter.offsetOf(user, users.sndUna[user]);
    const isShut = users.sndWnd[user] === 0;
    // RFC 9293, section 3.8.6.1: a window that stays shut is no reason to give up.
    if (retries >= this.#settings.dataRetriesMax && !isShut) return TcpEvent.GAVE_UP;
    users.setCount(user, Count.RETRIES, retries + 1);
    users.setCount(user, Count.BACKOFF, users.count(user, Count.BACKOFF) + 1);
    const isLimited = retries === 0 && this.#transmitter.isBlockedByWindow(user);
    users.sndNxt[user] = users.sndUna[user];
    users.dueNs[user] = users.now.ns + rtoNs(users, user);
    if (isShut && offset < this.#source.streamLimit(user)) {
      users.flags[user] &= ~UserFlag.TIMED;
      this.#sackRecovery.end(user);
      this.#transmitter.probe(user);
      return TcpEvent.NONE;
    }
    const cwnd = users.cwnd[user];
    const ssthresh = users.ssthresh[user];
    if (retries === 0) lowerSsthresh(users, user, isLimited);
    users.cwnd[user] = CWND_UNIT;
    this.#begin(user, UserFlag.LOSS);
    const isLowered = this.#pathMtu.suspectBlackHole(user, offset);
    if (!this.#sackRecovery.onTimeout(user, cwnd, ssthresh)) users.burst[user] = 1;
    this.#transmitter.emit(user);
    return isLowered ? TcpEvent.MSS_LOWERED : TcpEvent.NONE;
  }

  #begin(user: number, which: number): void {
    const users = this.#users;
    const others = UserFlag.RECOVERY | UserFlag.LOSS | UserFlag.TIMED;
    users.flags[user] = (users.flags[user] & ~others) | which;
    users.setCount(user, Count.DUPLICATE_ACKS, 0);
    users.mark[user] = users.sndMax[user];
  }
}
