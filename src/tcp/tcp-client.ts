/**
 * The client half of TCP (RFC 9293) for all virtual users, without a socket, a clock or chance.
 *
 * Four verbs: `onSegment` (something came in), `onTimeout` (the user's `dueNs` has come), `emit`
 * (send what may be sent now), and the column `dueNs` (when to call `onTimeout`). What leaves goes
 * to a SegmentOutput; what there is to say is asked of a StreamSource. Spurious calls are harmless.
 *
 * This is its face; behind it there is a file a subject: what comes in (segment-arrives), what leaves
 * (transmitter), what is lost (loss-recovery: RFC 6298, 6582), for how long to wait (round-trip: RFC
 * 6298, 7323), how much may be under way (congestion: RFC 5681, 6928, 9438, 3465, 7661), when to acknowledge
 * (ack-policy), what lies behind a hole (reassembly: RFC 2018, 2883), what the peer reports of that on its
 * side (scoreboard, sack-recovery: RFC 6675, 8985), what was not lost after all (episode: RFC 3522, 3708, 5682),
 * and what fits the path (path-mtu: RFC 1191, 4821).
 */

import { type Seq, seqAdd, seqAfter, seqOffset } from '../base/seq.ts';
import { NEVER_NS } from '../base/time.ts';
import { ACK, RST, SYN, type TcpView } from '../wire/tcp.ts';
import type { TcpOptions } from '../wire/tcp-options.ts';
import { CWND_INITIAL } from './congestion.ts';
import { LossRecovery } from './loss-recovery.ts';
import { PathMtu } from './path-mtu.ts';
import type { SegmentOutput, StreamSource, TcpSettings } from './ports.ts';
import { Reassembly } from './reassembly.ts';
import { waitNs } from './round-trip.ts';
import { SackRecovery } from './sack-recovery.ts';
import { Scoreboard } from './scoreboard.ts';
import { SegmentArrives } from './segment-arrives.ts';
import { TcpEvent } from './tcp-event.ts';
import { Transmitter } from './transmitter.ts';
import { Count, SSTHRESH_INITIAL, State, UserFlag, type UserTable } from './user-table.ts';

/** The client half of TCP for all users of a table; each call names the user. */
export class TcpClient {
  readonly #users: UserTable;
  readonly #output: SegmentOutput;
  readonly #settings: TcpSettings;
  readonly #transmitter: Transmitter;
  readonly #segmentArrives: SegmentArrives;
  readonly #lossRecovery: LossRecovery;
  readonly #pathMtu: PathMtu;
  readonly #sackRecovery: SackRecovery;
  readonly #reassembly = new Reassembly();
  readonly #scoreboard = new Scoreboard();

  constructor(
    users: UserTable,
    source: StreamSource,
    output: SegmentOutput,
    settings: TcpSettings,
    family: 4 | 6,
  ) {
    this.#users = users;
    this.#output = output;
    this.#settings = settings;
    const transmitter = new Transmitter(users, source, output, this.#reassembly, this.#scoreboard);
    const sack = new SackRecovery(users, this.#scoreboard, transmitter, output);
    const pathMtu = new PathMtu(users, source, transmitter, sack, family);
    const lossRecovery = new LossRecovery(users, source, transmitter, pathMtu, settings, sack);
    this.#sackRecovery = sack;
    this.#transmitter = transmitter;
    this.#pathMtu = pathMtu;
    this.#lossRecovery = lossRecovery;
    this.#segmentArrives = new SegmentArrives(
      users,
      output,
      transmitter,
      lossRecovery,
      sack,
      this.#reassembly,
      settings,
      family,
    );
  }

  /** Sequence number of the first octet that the last `onSegment` delivered. */
  get deliveredFrom(): Seq {
    return this.#segmentArrives.deliveredFrom;
  }

  /** Whether the last `onSegment`'s payload lies behind a hole, and was taken. */
  get isKept(): boolean {
    return this.#segmentArrives.isKept;
  }

  /** First octets of the last `onSegment`'s payload that had been delivered before. */
  get repeatedBytes(): number {
    return this.#segmentArrives.repeatedBytes;
  }

  /** In-order octets that the last `onSegment` delivered. */
  get deliveredBytes(): number {
    return this.#segmentArrives.deliveredBytes;
  }

  /** Whether they ended with the sender's push flag. */
  get deliveredPush(): boolean {
    return this.#segmentArrives.deliveredPush;
  }

  /**
   * Open a connection: CLOSED to SYN-SENT (RFC 9293, section 3.10.1).
   * @param offersSack whether its SYN offers SACK; the flag UserFlag.SACK says so to the output
   */
  open(user: number, iss: Seq, offersSack = false): void {
    const users = this.#users;
    if (offersSack || this.hasHole(user)) this.#reassembly.forget(user);
    this.#sackRecovery.end(user);
    users.state[user] = State.SYN_SENT;
    users.flags[user] = offersSack ? UserFlag.SACK : 0;
    users.iss[user] = iss;
    users.sndUna[user] = iss;
    users.sndNxt[user] = seqAdd(iss, 1);
    users.sndMax[user] = seqAdd(iss, 1);
    users.srttUs[user] = 0;
    // The other columns are set when the SYN is answered, or with the flag that says they hold.
    users.cwnd[user] = CWND_INITIAL;
    users.ssthresh[user] = SSTHRESH_INITIAL;
    users.dueNs[user] = users.now.ns + this.#settings.synRtoNs;
    this.#output.emitSegment(user, iss, 0, SYN, 0, 0);
  }

  /** End our stream at its limit: a FIN follows with the next `emit` that has sent the rest. */
  finish(user: number): void {
    this.#users.flags[user] |= UserFlag.FIN_QUEUED;
  }

  /** Let no acknowledgement wait: the peer may be holding the rest back until it has it (Nagle). */
  acknowledgeNow(user: number): void {
    this.#users.flags[user] |= UserFlag.ACK_NOW;
  }

  /** Reset the connection: an RST that the peer must accept, and CLOSED. */
  abort(user: number): void {
    const users = this.#users;
    const state = users.state[user];
    if (state !== State.CLOSED && state !== State.SYN_SENT && state !== State.TIME_WAIT) {
      // RST,ACK at the sequence number the peer expects next, so that RFC 5961 accepts it at once.
      const { sndMax, rcvNxt } = users;
      this.#output.emitSegment(user, sndMax[user], rcvNxt[user], RST | ACK, 0, 0);
    } else if (state === State.SYN_SENT) {
      // A half-open peer, if there is one, is rid of us; without ACK since we have seen none.
      this.#output.emitSegment(user, users.sndNxt[user], 0, RST, 0, 0);
    }
    this.#segmentArrives.close(user);
  }

  /**
   * Whether a segment of a connection whose both streams have ended brings nothing of which the end did
   * not know: others have overtaken it (those of two processors, say), and nobody waits for an answer.
   * @param segLen its octets of sequence space (SEG.LEN)
   */
  isOvertaken(user: number, segment: TcpView, segLen: number): boolean {
    const { state, flags, iss, sndMax, rcvNxt } = this.#users;
    if (state[user] !== State.CLOSED || !(flags[user] & UserFlag.FIN_QUEUED)) return false;
    const isOfOurs = seqAfter(segment.ack, iss[user]) && !seqAfter(segment.ack, sndMax[user]);
    return isOfOurs && !seqAfter(seqAdd(segment.seq, segLen), rcvNxt[user]);
  }

  /** Whether something of ours is not acknowledged yet (data, SYN or FIN). */
  isOutstanding(user: number): boolean {
    return this.#transmitter.isOutstanding(user);
  }

  /**
   * Whether octets of ours (or our FIN) are not acknowledged although they were sent again: who
   * gives the user up now gives it up for want of an acknowledgement, not of an answer.
   */
  isRetransmitting(user: number): boolean {
    const users = this.#users;
    if (users.state[user] === State.SYN_SENT || !this.isOutstanding(user)) return false;
    return users.count(user, Count.RETRIES) > 0 || (users.flags[user] & UserFlag.RECOVERY) !== 0;
  }

  /** Octets of our stream that are acknowledged; our FIN counts as one. */
  ackedBytes(user: number): number {
    const { sndUna, iss } = this.#users;
    return sndUna[user] === iss[user] ? 0 : seqOffset(sndUna[user], seqAdd(iss[user], 1));
  }

  /** Whether something of the peer's is kept that lies behind a hole: there is more to come. */
  hasHole(user: number): boolean {
    return (this.#users.flags[user] & UserFlag.HOLE) !== 0;
  }

  /** The smoothed round trip in microseconds; 0 before the first is measured. */
  roundTripUs(user: number): number {
    return this.#users.srttUs[user];
  }

  /**
   * A router says that a packet of ours was too large (ICMP "fragmentation needed", ICMPv6 "packet
   * too big"): send smaller segments from now on, and at once again what was lost. That is no sign
   * of congestion. Set the user's timer anew afterwards: `dueNs` may have changed.
   * @param seq the sequence number that the message quotes; unless it is of octets that are in
   *   flight the message is not believed (RFC 5927, section 4)
   * @param mss octets that a packet may have less those of IP and TCP headers without options, as
   *   in the MSS option (RFC 6691); the caller sees to it that it is not below what 576 or 1280 leave
   * @returns whether segments are smaller now; false for a size that is no news
   */
  onPathMtu(user: number, seq: Seq, mss: number): boolean {
    return this.#pathMtu.onMessage(user, seq, mss);
  }

  /** Whether `seq` is of octets that were sent and are not acknowledged yet. */
  isInFlight(user: number, seq: Seq): boolean {
    return this.#pathMtu.isInFlight(user, seq);
  }

  /**
   * What others have learnt of the path holds for this user too (RFC 1191, section 6.3): no segment
   * that leaves from now on is larger. What is in flight stays as it is.
   * @param mss as for `onPathMtu`
   */
  limitMss(user: number, mss: number): void {
    this.#pathMtu.limit(user, mss);
  }

  /**
   * A segment has come in; its view has passed `check`, its options are parsed.
   * Call `emit` afterwards: an acknowledgement may be owed, the window may have opened.
   * @returns bits of TcpEvent
   */
  onSegment(user: number, segment: TcpView, options: TcpOptions, payloadBytes: number): number {
    return this.#segmentArrives.onSegment(user, segment, options, payloadBytes);
  }

  /**
   * The user's timer is due.
   * @returns bits of TcpEvent: NONE, MSS_LOWERED or GAVE_UP (then the user is to be ended; `abort`
   *   says goodbye)
   */
  onTimeout(user: number): number {
    const users = this.#users;
    if (users.now.ns < users.dueNs[user]) return TcpEvent.NONE;
    if (users.state[user] === State.SYN_SENT) return this.#onSynTimeout(user);
    if (this.isOutstanding(user)) return this.#lossRecovery.onTimeout(user);
    users.dueNs[user] = NEVER_NS;
    if (users.flags[user] & UserFlag.ACK_OWED) {
      users.flags[user] |= UserFlag.ACK_NOW;
      this.#transmitter.emit(user);
    } else if (this.#transmitter.isBlockedByWindow(user)) {
      this.#transmitter.probe(user);
    }
    return TcpEvent.NONE;
  }

  #onSynTimeout(user: number): number {
    const users = this.#users;
    const { synRtoNs, synRetriesMax } = this.#settings;
    const retries = users.count(user, Count.RETRIES) + 1;
    if (retries > synRetriesMax) return TcpEvent.GAVE_UP;
    users.setCount(user, Count.RETRIES, retries);
    users.dueNs[user] = users.now.ns + synRtoNs * 2 ** retries;
    this.#output.emitSegment(user, users.iss[user], 0, SYN, 0, 0);
    return TcpEvent.NONE;
  }

  /**
   * What was handed over since `sinceNs` has left up to `byNs` later: its acknowledgement is waited
   * for that much longer.
   */
  hasLeftLate(user: number, sinceNs: number, byNs: number): void {
    const users = this.#users;
    if (!this.isOutstanding(user)) return;
    const usualNs =
      users.state[user] === State.SYN_SENT
        ? this.#settings.synRtoNs * 2 ** users.count(user, Count.RETRIES)
        : waitNs(users, user);
    if (users.dueNs[user] - usualNs >= sinceNs) users.dueNs[user] += byNs;
  }

  /** Send what may be sent now: data within the windows, the FIN after it, an owed acknowledgement. */
  emit(user: number): void {
    this.#transmitter.emit(user);
  }
}
