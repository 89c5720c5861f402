/**
 * The client half of TCP (RFC 9293) for all virtual users, without a socket, a clock or chance.
 *
 * Four verbs: `onSegment` (something came in), `onTimeout` (the user's `dueNs` has come), `emit`
 * (send what may be sent now), and the column `dueNs` (when to call `onTimeout`). What leaves goes
 * to a SegmentOutput; what there is to say is asked of a StreamSource. Spurious calls are harmless.
 *
 * Loss recovery is that of RFC 6298 (timer) and RFC 6582 (three duplicate acknowledgements; a
 * partial acknowledgement retransmits the next hole). The congestion window starts at ten segments
 * (RFC 6928), doubles a round trip up to ssthresh and then grows by one (RFC 5681).
 */

import { type Seq, seqAdd, seqAfter, seqBefore, seqDiff } from '../base/seq.ts';
import { NEVER_NS, NS_PER_MS, NS_PER_SECOND, NS_PER_US } from '../base/time.ts';
import { ACK, FIN, PSH, RST, SYN, type TcpView } from '../wire/tcp.ts';
import type { TcpOptions } from '../wire/tcp-options.ts';
import { State, UserFlag, type UserTable } from './user-table.ts';

/** What a segment or a timeout brought about; bits. */
export const TcpEvent = {
  NONE: 0,
  /** The handshake is complete on our side. */
  CONNECTED: 0x001,
  /** In-order payload came in: `TcpClient.deliveredBytes` octets. */
  DATA: 0x002,
  /** Something of ours was acknowledged. */
  ACKED: 0x004,
  /** The peer has ended its stream. */
  PEER_FIN: 0x008,
  /** Both streams are ended and acknowledged. */
  CLOSED: 0x010,
  /** An RST in answer to our SYN. */
  REFUSED: 0x020,
  /** An RST on an open connection. */
  RESET: 0x040,
  /** Retransmissions are used up. */
  GAVE_UP: 0x080,
  /** The segment lay outside the window, or its timestamp was too old. */
  OUT_OF_WINDOW: 0x100,
  /** Payload beyond the one out-of-order interval that is kept: the peer will send it again. */
  OUT_OF_ORDER_LOST: 0x200,
  /** A connection of an earlier run answered our SYN; it was reset, the SYN comes again. Once a user. */
  OLD_CONNECTION: 0x400,
  /** Full-sized segments vanish without a word: from now on smaller ones are sent (RFC 4821). */
  MSS_LOWERED: 0x800,
} as const;

/** Where segments go. */
export interface SegmentOutput {
  /**
   * Send one segment now.
   * @param offset stream offset of its payload (of no meaning when `payloadBytes` is 0)
   */
  emitSegment(
    user: number,
    seq: Seq,
    ack: Seq,
    flags: number,
    offset: number,
    payloadBytes: number,
    nowNs: number,
  ): void;
}

/** What each user has to say. */
export interface StreamSource {
  /** Stream offset up to which the user may send now. */
  streamLimit(user: number): number;
  /**
   * Stream offset at which the segment that begins at or contains `offset` ends: the planned cut,
   * so that its checksum is known. Above `offset`, not above the limit, at most `mss` octets on.
   */
  segmentEnd(user: number, offset: number, mss: number): number;
}

export interface TcpSettings {
  /** First SYN retransmission; doubles with each. */
  readonly synRtoNs: number;
  /** SYN retransmissions before giving up. */
  readonly synRetriesMax: number;
  /** Retransmissions of the same octets before giving up (Linux' tcp_retries2). */
  readonly dataRetriesMax: number;
  /** Our receive window in octets. */
  readonly windowBytes: number;
  /** Payload octets a segment may have by our own choice (`--mss`, the route's MTU). */
  readonly mss: number;
  readonly timestamps: boolean;
}

/** RFC 9293, section 3.7.1: assumed when the peer's SYN has no MSS option. */
const DEFAULT_SEND_MSS = 536;
const DEFAULT_SEND_MSS_IPV6 = 1220;
/** A smaller MSS is taken for nonsense: headers would outweigh payload (Linux' TCP_MIN_SND_MSS). */
const MIN_SEND_MSS = 48;
const TIMESTAMP_OPTION_BYTES = 12;
/** Timeouts in a row of a full-sized segment after which its size is suspected. */
const BLACK_HOLE_RETRIES = 2;
/** Payload octets that get through where anything does (Linux' tcp_base_mss), and below it. */
const PROBED_MSS = 1024;
/** What 576 octets leave with all headers and options (Linux' floor for IPv4); IPv6 has 1280. */
const MSS_FLOOR = 512;
/** RFC 7323, section 2.3. */
const WINDOW_SHIFT_MAX = 14;
/** RFC 6298 says one second; Linux has used 200 ms for decades, and so do the recorded clients. */
const RTO_NS_MIN = 200 * NS_PER_MS;
const RTO_NS_INITIAL = NS_PER_SECOND;
const RTO_NS_MAX = 60 * NS_PER_SECOND;
const BACKOFF_SHIFT_MAX = 8;
/** Clock granularity G of RFC 6298. */
const RTT_GRANULARITY_US = 1_000;
/** RFC 1122, 4.2.3.2 allows 500 ms; Linux waits 40. */
const DELAYED_ACK_NS = 40 * NS_PER_MS;
/** Soon, so that the peer has read our RST before the SYN comes again. */
const SYN_AGAIN_NS = NS_PER_MS;
const DUPLICATE_ACKS = 3;
const CWND_UNIT = 16;
const CWND_INITIAL = 10 * CWND_UNIT;
const CWND_MAX = 4_000 * CWND_UNIT;
/**
 * Challenge acknowledgements in a second, all users together (RFC 5961, section 7): without a limit
 * two confused ends could answer each other for ever.
 */
const CHALLENGE_ACKS_PER_SECOND = 10_000;

export class TcpClient {
  /** In-order octets that the last `onSegment` delivered. */
  deliveredBytes = 0;
  /** Whether they ended with the sender's push flag. */
  deliveredPush = false;

  readonly #users: UserTable;
  readonly #output: SegmentOutput;
  readonly #source: StreamSource;
  readonly #settings: TcpSettings;
  readonly #defaultSendMss: number;
  readonly #mssFloor: number;
  #challengeSecond = -1;
  #challenges = 0;

  constructor(
    users: UserTable,
    source: StreamSource,
    output: SegmentOutput,
    settings: TcpSettings,
    family: 4 | 6,
  ) {
    this.#users = users;
    this.#source = source;
    this.#output = output;
    this.#settings = settings;
    this.#defaultSendMss = family === 4 ? DEFAULT_SEND_MSS : DEFAULT_SEND_MSS_IPV6;
    this.#mssFloor = family === 4 ? MSS_FLOOR : PROBED_MSS;
  }

  /** Open a connection: CLOSED to SYN-SENT (RFC 9293, section 3.10.1). */
  open(user: number, iss: Seq, nowNs: number): void {
    const users = this.#users;
    users.state[user] = State.SYN_SENT;
    users.flags[user] = 0;
    users.iss[user] = iss;
    users.sndUna[user] = iss;
    users.sndNxt[user] = seqAdd(iss, 1);
    users.sndMax[user] = seqAdd(iss, 1);
    users.sndWnd[user] = 0;
    users.rcvNxt[user] = 0;
    users.outOfOrderFrom[user] = 0;
    users.outOfOrderTo[user] = 0;
    users.tsRecent[user] = 0;
    users.srttUs[user] = 0;
    users.rttvarUs[user] = 0;
    users.retries[user] = 0;
    users.duplicateAcks[user] = 0;
    users.sndWndShift[user] = 0;
    users.sendMss[user] = 0;
    users.cwnd[user] = CWND_INITIAL;
    users.ssthresh[user] = CWND_MAX;
    users.dueNs[user] = nowNs + this.#settings.synRtoNs;
    this.#output.emitSegment(user, iss, 0, SYN, 0, 0, nowNs);
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
  abort(user: number, nowNs: number): void {
    const users = this.#users;
    const state = users.state[user];
    if (state !== State.CLOSED && state !== State.SYN_SENT && state !== State.TIME_WAIT) {
      // RST,ACK at the sequence number the peer expects next, so that RFC 5961 accepts it at once.
      const { sndMax, rcvNxt } = users;
      this.#output.emitSegment(user, sndMax[user], rcvNxt[user], RST | ACK, 0, 0, nowNs);
    } else if (state === State.SYN_SENT) {
      // A half-open peer, if there is one, is rid of us; without ACK since we have seen none.
      this.#output.emitSegment(user, users.sndNxt[user], 0, RST, 0, 0, nowNs);
    }
    this.#close(user);
  }

  /** Whether something of ours is not acknowledged yet (data, SYN or FIN). */
  isOutstanding(user: number): boolean {
    return this.#users.sndUna[user] !== this.#users.sndMax[user];
  }

  /**
   * Whether octets of ours (or our FIN) are not acknowledged although they were sent again: who
   * gives the user up now gives it up for want of an acknowledgement, not of an answer.
   */
  isRetransmitting(user: number): boolean {
    const { state, retries } = this.#users;
    return state[user] !== State.SYN_SENT && retries[user] > 0 && this.isOutstanding(user);
  }

  /** Whether something of the peer's is kept that lies behind a hole: there is more to come. */
  hasHole(user: number): boolean {
    const { outOfOrderFrom, outOfOrderTo } = this.#users;
    return outOfOrderFrom[user] !== outOfOrderTo[user];
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
  onPathMtu(user: number, seq: Seq, mss: number, nowNs: number): boolean {
    const users = this.#users;
    const state = users.state[user];
    if (state === State.CLOSED || state === State.SYN_SENT) return false;
    if (seqBefore(seq, users.sndUna[user]) || !seqBefore(seq, users.sndMax[user])) return false;
    const hasTimestamps = (users.flags[user] & UserFlag.TIMESTAMPS) !== 0;
    const payloadMss = hasTimestamps ? mss - TIMESTAMP_OPTION_BYTES : mss;
    if (payloadMss >= users.sendMss[user]) return false;
    users.sendMss[user] = Math.max(payloadMss, MIN_SEND_MSS);
    users.sndNxt[user] = users.sndUna[user];
    users.dueNs[user] = nowNs + this.#rtoNs(user);
    this.emit(user, nowNs);
    return true;
  }

  /**
   * A segment has come in; its view has passed `check`, its options are parsed.
   * Call `emit` afterwards: an acknowledgement may be owed, the window may have opened.
   * @returns bits of TcpEvent
   */
  onSegment(
    user: number,
    segment: TcpView,
    options: TcpOptions,
    payloadBytes: number,
    nowNs: number,
  ): number {
    this.deliveredBytes = 0;
    this.deliveredPush = false;
    const state = this.#users.state[user];
    if (state === State.CLOSED) return TcpEvent.NONE;
    if (state === State.SYN_SENT) return this.#onSegmentSynSent(user, segment, options, nowNs);
    return this.#onSegmentSynchronised(user, segment, options, payloadBytes, nowNs);
  }

  /** RFC 9293, section 3.10.7.3. */
  #onSegmentSynSent(user: number, segment: TcpView, options: TcpOptions, nowNs: number): number {
    const users = this.#users;
    const flags = segment.flags;
    const acked = (flags & ACK) !== 0;
    const acceptable = acked && segment.ack === users.sndNxt[user];
    if (acked && !acceptable) {
      if (flags & RST) return TcpEvent.OUT_OF_WINDOW;
      // The peer remembers an older connection of these ports: end that one, then ask again.
      this.#output.emitSegment(user, segment.ack, 0, RST, 0, 0, nowNs);
      users.dueNs[user] = Math.min(users.dueNs[user], nowNs + SYN_AGAIN_NS);
      return TcpEvent.OUT_OF_WINDOW;
    }
    if (flags & RST) {
      if (!acceptable) return TcpEvent.OUT_OF_WINDOW;
      this.#close(user);
      return TcpEvent.REFUSED;
    }
    // A simultaneous open (SYN without ACK) cannot come from a replayed server: drop it.
    if (!(flags & SYN) || !acceptable) return TcpEvent.OUT_OF_WINDOW;

    users.rcvNxt[user] = seqAdd(segment.seq, 1);
    users.outOfOrderFrom[user] = users.rcvNxt[user];
    users.outOfOrderTo[user] = users.rcvNxt[user];
    users.sndUna[user] = segment.ack;
    // The window of a SYN is never scaled (RFC 7323, section 2.2).
    users.sndWnd[user] = segment.window;
    this.#agreeOptions(user, options);
    if (users.retries[user] === 0) {
      this.#measureRtt(user, nowNs - (users.dueNs[user] - this.#settings.synRtoNs));
    } else {
      // RFC 6298, section 5.7: a lost SYN says that the path is bad; begin with one segment.
      users.cwnd[user] = CWND_UNIT;
    }
    users.retries[user] = 0;
    users.dueNs[user] = NEVER_NS;
    users.state[user] = State.ESTABLISHED;
    users.flags[user] |= UserFlag.ACK_NOW;
    return TcpEvent.CONNECTED;
  }

  #agreeOptions(user: number, options: TcpOptions): void {
    const users = this.#users;
    const { mss, timestamps } = this.#settings;
    let sendMss = Math.max(options.mss === 0 ? this.#defaultSendMss : options.mss, MIN_SEND_MSS);
    sendMss = Math.min(sendMss, mss);
    if (options.windowScale >= 0) {
      users.sndWndShift[user] = Math.min(options.windowScale, WINDOW_SHIFT_MAX);
      users.flags[user] |= UserFlag.SCALED;
    }
    if (timestamps && options.hasTimestamps) {
      users.flags[user] |= UserFlag.TIMESTAMPS;
      users.tsRecent[user] = options.tsVal;
      sendMss -= TIMESTAMP_OPTION_BYTES;
    }
    users.sendMss[user] = sendMss;
  }

  /** RFC 9293, section 3.10.7.4, in its order: sequence, RST, SYN, ACK, payload, FIN. */
  #onSegmentSynchronised(
    user: number,
    segment: TcpView,
    options: TcpOptions,
    payloadBytes: number,
    nowNs: number,
  ): number {
    const users = this.#users;
    const flags = segment.flags;
    const seq = segment.seq;
    const segLen = payloadBytes + (flags & FIN ? 1 : 0) + (flags & SYN ? 1 : 0);

    if (this.#isTooOld(user, options, flags) || !this.#isInWindow(user, seq, segLen)) {
      if (!(flags & RST)) this.#challenge(user, nowNs);
      return TcpEvent.OUT_OF_WINDOW;
    }
    if (flags & RST) {
      // RFC 5961, section 3: only the exact number is believed, others are asked about.
      if (seq !== users.rcvNxt[user]) {
        this.#challenge(user, nowNs);
        return TcpEvent.OUT_OF_WINDOW;
      }
      const wasDone = users.state[user] === State.TIME_WAIT;
      this.#close(user);
      return wasDone ? TcpEvent.NONE : TcpEvent.RESET;
    }
    if (flags & SYN) {
      this.#challenge(user, nowNs);
      return TcpEvent.OUT_OF_WINDOW;
    }
    if (!(flags & ACK)) return TcpEvent.OUT_OF_WINDOW;

    let events = this.#onAck(user, segment, segLen, nowNs);
    if (events & TcpEvent.OUT_OF_WINDOW) return events;
    // TS.Recent follows what we have acknowledged (RFC 7323, section 4.3).
    if (options.hasTimestamps && !seqAfter(seq, users.rcvNxt[user])) {
      users.tsRecent[user] = options.tsVal;
    }
    if (segLen > 0) events |= this.#onText(user, seq, payloadBytes, flags);
    return events;
  }

  /** PAWS: RFC 7323, section 5.3. An RST is never judged by its timestamp. */
  #isTooOld(user: number, options: TcpOptions, flags: number): boolean {
    if (!options.hasTimestamps || flags & RST) return false;
    if ((this.#users.flags[user] & UserFlag.TIMESTAMPS) === 0) return false;
    return seqBefore(options.tsVal, this.#users.tsRecent[user]);
  }

  /** RFC 9293, section 3.4, the four cases; our window is never zero. */
  #isInWindow(user: number, seq: Seq, segLen: number): boolean {
    const before = seqDiff(seq, this.#users.rcvNxt[user]);
    const windowBytes = this.#settings.windowBytes;
    if (segLen === 0) return before >= 0 && before < windowBytes;
    return before < windowBytes && before + segLen > 0;
  }

  #challenge(user: number, nowNs: number): void {
    const second = Math.floor(nowNs / NS_PER_SECOND);
    if (second !== this.#challengeSecond) {
      this.#challengeSecond = second;
      this.#challenges = 0;
    }
    if (this.#challenges >= CHALLENGE_ACKS_PER_SECOND) return;
    this.#challenges += 1;
    this.#users.flags[user] |= UserFlag.ACK_NOW;
  }

  #onAck(user: number, segment: TcpView, segLen: number, nowNs: number): number {
    const users = this.#users;
    const ack = segment.ack;
    if (seqAfter(ack, users.sndMax[user])) {
      this.#challenge(user, nowNs);
      return TcpEvent.OUT_OF_WINDOW;
    }
    const advance = seqDiff(ack, users.sndUna[user]);
    if (advance < 0) return TcpEvent.NONE;
    const sndWnd = segment.window << users.sndWndShift[user];
    const sameWindow = sndWnd === users.sndWnd[user];
    // A shut window has opened: the probe's octet was not taken, begin with it.
    if (users.sndWnd[user] === 0 && sndWnd > 0) users.sndNxt[user] = users.sndUna[user];
    users.sndWnd[user] = sndWnd;
    if (advance > 0) return this.#onNewAck(user, ack, advance, nowNs);
    if (segLen === 0 && sameWindow && this.isOutstanding(user)) this.#onDuplicateAck(user, nowNs);
    return TcpEvent.NONE;
  }

  #onNewAck(user: number, ack: Seq, advance: number, nowNs: number): number {
    const users = this.#users;
    // Karn: octets sent twice say nothing about the round trip.
    if (users.retries[user] === 0 && !(users.flags[user] & UserFlag.RECOVERY)) {
      this.#measureRtt(user, nowNs - (users.dueNs[user] - this.#rtoNs(user)));
    }
    const isPartial = ack !== users.sndMax[user];
    users.sndUna[user] = ack;
    if (seqBefore(users.sndNxt[user], ack)) users.sndNxt[user] = ack;
    users.retries[user] = 0;
    users.duplicateAcks[user] = 0;
    users.dueNs[user] = isPartial ? nowNs + this.#rtoNs(user) : NEVER_NS;
    if (users.flags[user] & UserFlag.RECOVERY) {
      // A partial acknowledgement points at the next hole (RFC 6582, section 3.2, step 3).
      if (isPartial) this.#retransmitFirst(user, nowNs);
      else users.flags[user] &= ~UserFlag.RECOVERY;
    } else {
      this.#growCwnd(user, advance);
    }
    return TcpEvent.ACKED | (isPartial ? 0 : this.#onAllAcked(user));
  }

  #growCwnd(user: number, advance: number): void {
    const users = this.#users;
    const cwnd = users.cwnd[user];
    const segments = Math.min(2, Math.ceil(advance / Math.max(1, users.sendMss[user])));
    const grown =
      cwnd < users.ssthresh[user]
        ? cwnd + segments * CWND_UNIT
        : cwnd + Math.max(1, Math.floor((CWND_UNIT * CWND_UNIT) / cwnd));
    users.cwnd[user] = Math.min(grown, CWND_MAX);
  }

  /** Everything sent is acknowledged; if that includes our FIN, the state moves on. */
  #onAllAcked(user: number): number {
    const users = this.#users;
    switch (users.state[user]) {
      case State.FIN_WAIT_1:
        users.state[user] = State.FIN_WAIT_2;
        return TcpEvent.NONE;
      case State.CLOSING:
        users.state[user] = State.TIME_WAIT;
        return TcpEvent.CLOSED;
      case State.LAST_ACK:
        this.#close(user);
        return TcpEvent.CLOSED;
      default:
        return TcpEvent.NONE;
    }
  }

  #onDuplicateAck(user: number, nowNs: number): void {
    const users = this.#users;
    const count = users.duplicateAcks[user] + 1;
    users.duplicateAcks[user] = Math.min(count, 255);
    if (count !== DUPLICATE_ACKS || users.flags[user] & UserFlag.RECOVERY) return;
    users.flags[user] |= UserFlag.RECOVERY;
    this.#halveCwnd(user);
    users.cwnd[user] = users.ssthresh[user];
    this.#retransmitFirst(user, nowNs);
  }

  #halveCwnd(user: number): void {
    const users = this.#users;
    const flight = seqDiff(users.sndMax[user], users.sndUna[user]);
    const half = Math.floor((flight * CWND_UNIT) / (2 * Math.max(1, users.sendMss[user])));
    users.ssthresh[user] = Math.min(Math.max(half, 2 * CWND_UNIT), CWND_MAX);
  }

  /** Send again what the peer waits for, whatever `sndNxt` is. */
  #retransmitFirst(user: number, nowNs: number): void {
    const users = this.#users;
    const offset = this.#offsetOf(user, users.sndUna[user]);
    if (offset >= this.#source.streamLimit(user)) {
      this.#emitFin(user, users.sndUna[user], nowNs);
    } else {
      this.#emitData(
        user,
        offset,
        this.#source.segmentEnd(user, offset, users.sendMss[user]),
        nowNs,
      );
    }
    users.dueNs[user] = nowNs + this.#rtoNs(user);
  }

  /** Payload and FIN: RFC 9293, section 3.10.7.4, seventh and eighth. */
  #onText(user: number, seq: Seq, payloadBytes: number, flags: number): number {
    const users = this.#users;
    const state = users.state[user];
    const isReceiving =
      state === State.ESTABLISHED || state === State.FIN_WAIT_1 || state === State.FIN_WAIT_2;
    users.flags[user] |= UserFlag.ACK_NOW;
    // After the peer's FIN nothing new can come: acknowledge the repetition.
    if (!isReceiving) return TcpEvent.NONE;

    const rcvNxt = users.rcvNxt[user];
    const hasFin = (flags & FIN) !== 0;
    const end = seqAdd(seq, payloadBytes);
    if (seqAfter(seq, rcvNxt)) return this.#keepOutOfOrder(user, seq, end, flags);

    let reached = seqAfter(end, rcvNxt) ? end : rcvNxt;
    let finReached = hasFin && end === reached;
    const { outOfOrderFrom, outOfOrderTo } = users;
    const hadInterval = outOfOrderFrom[user] !== outOfOrderTo[user];
    const intervalFin = (users.flags[user] & UserFlag.OUT_OF_ORDER_FIN) !== 0;
    let filled = false;
    let isPushed = (flags & PSH) !== 0;
    if ((hadInterval || intervalFin) && !seqAfter(outOfOrderFrom[user], reached)) {
      filled = hadInterval;
      if (!seqBefore(outOfOrderTo[user], reached)) {
        reached = outOfOrderTo[user];
        finReached = finReached || intervalFin;
        isPushed = (users.flags[user] & UserFlag.OUT_OF_ORDER_PUSH) !== 0;
      }
      users.flags[user] &= ~(UserFlag.OUT_OF_ORDER_FIN | UserFlag.OUT_OF_ORDER_PUSH);
      outOfOrderFrom[user] = reached;
      outOfOrderTo[user] = reached;
    }
    this.deliveredBytes = seqDiff(reached, rcvNxt);
    this.deliveredPush = isPushed;
    users.rcvNxt[user] = reached;
    if (this.deliveredBytes > 0 && !filled && !finReached) this.#owe(user);
    const events = this.deliveredBytes > 0 ? TcpEvent.DATA : TcpEvent.NONE;
    return finReached ? events | this.#onFin(user) : events;
  }

  /**
   * In-order data may wait for its acknowledgement, but not two full segments of it (RFC 9293,
   * section 3.8.6.3); a pending acknowledgement makes the next one immediate.
   */
  #owe(user: number): void {
    const users = this.#users;
    const flags = users.flags[user] & ~UserFlag.ACK_NOW;
    const isSecond = (flags & UserFlag.ACK_OWED) !== 0;
    const isLarge = this.deliveredBytes >= 2 * users.sendMss[user];
    users.flags[user] = flags | (isSecond || isLarge ? UserFlag.ACK_NOW : UserFlag.ACK_OWED);
  }

  #keepOutOfOrder(user: number, seq: Seq, end: Seq, flags: number): number {
    const users = this.#users;
    const from = users.outOfOrderFrom[user];
    const to = users.outOfOrderTo[user];
    const isEmpty = from === to && !(users.flags[user] & UserFlag.OUT_OF_ORDER_FIN);
    if (isEmpty) {
      users.outOfOrderFrom[user] = seq;
      users.outOfOrderTo[user] = end;
    } else if (seqAfter(seq, to) || seqBefore(end, from)) {
      return TcpEvent.OUT_OF_ORDER_LOST;
    } else {
      if (seqBefore(seq, from)) users.outOfOrderFrom[user] = seq;
      if (seqAfter(end, to)) users.outOfOrderTo[user] = end;
    }
    if (flags & FIN) users.flags[user] |= UserFlag.OUT_OF_ORDER_FIN;
    if (end === users.outOfOrderTo[user]) {
      const others = users.flags[user] & ~UserFlag.OUT_OF_ORDER_PUSH;
      users.flags[user] = flags & PSH ? others | UserFlag.OUT_OF_ORDER_PUSH : others;
    }
    return TcpEvent.NONE;
  }

  #onFin(user: number): number {
    const users = this.#users;
    users.rcvNxt[user] = seqAdd(users.rcvNxt[user], 1);
    users.flags[user] |= UserFlag.ACK_NOW;
    switch (users.state[user]) {
      case State.ESTABLISHED:
        users.state[user] = State.CLOSE_WAIT;
        return TcpEvent.PEER_FIN;
      case State.FIN_WAIT_1:
        users.state[user] = State.CLOSING;
        return TcpEvent.PEER_FIN;
      default:
        users.state[user] = State.TIME_WAIT;
        users.dueNs[user] = NEVER_NS;
        return TcpEvent.PEER_FIN | TcpEvent.CLOSED;
    }
  }

  /**
   * The user's timer is due.
   * @returns bits of TcpEvent: NONE, MSS_LOWERED or GAVE_UP (then the user is to be ended; `abort`
   *   says goodbye)
   */
  onTimeout(user: number, nowNs: number): number {
    const users = this.#users;
    if (nowNs < users.dueNs[user]) return TcpEvent.NONE;
    if (users.state[user] === State.SYN_SENT) return this.#onSynTimeout(user, nowNs);
    if (this.isOutstanding(user)) return this.#onRetransmissionTimeout(user, nowNs);
    users.dueNs[user] = NEVER_NS;
    if (users.flags[user] & UserFlag.ACK_OWED) {
      users.flags[user] |= UserFlag.ACK_NOW;
      this.emit(user, nowNs);
    } else if (this.#isBlockedByWindow(user)) {
      this.#probe(user, nowNs);
    }
    return TcpEvent.NONE;
  }

  #onSynTimeout(user: number, nowNs: number): number {
    const users = this.#users;
    const { synRtoNs, synRetriesMax } = this.#settings;
    if (users.retries[user] >= synRetriesMax) return TcpEvent.GAVE_UP;
    users.retries[user] += 1;
    users.dueNs[user] = nowNs + synRtoNs * 2 ** users.retries[user];
    this.#output.emitSegment(user, users.iss[user], 0, SYN, 0, 0, nowNs);
    return TcpEvent.NONE;
  }

  /** RFC 6298, section 5.4 to 5.6; with a zero window this is the probe's repetition. */
  #onRetransmissionTimeout(user: number, nowNs: number): number {
    const users = this.#users;
    const isProbe = users.sndWnd[user] === 0;
    // RFC 9293, section 3.8.6.1: a window that stays shut is no reason to give up.
    if (users.retries[user] >= this.#settings.dataRetriesMax && !isProbe) return TcpEvent.GAVE_UP;
    if (users.retries[user] === 0) this.#halveCwnd(user);
    users.retries[user] = Math.min(users.retries[user] + 1, 255);
    users.cwnd[user] = CWND_UNIT;
    users.duplicateAcks[user] = 0;
    users.flags[user] &= ~UserFlag.RECOVERY;
    users.sndNxt[user] = users.sndUna[user];
    users.dueNs[user] = nowNs + this.#rtoNs(user);
    const offset = this.#offsetOf(user, users.sndUna[user]);
    if (isProbe && offset < this.#source.streamLimit(user)) {
      this.#probe(user, nowNs);
      return TcpEvent.NONE;
    }
    const isLowered = this.#suspectBlackHole(user, offset);
    this.emit(user, nowNs);
    return isLowered ? TcpEvent.MSS_LOWERED : TcpEvent.NONE;
  }

  /**
   * RFC 4821, section 7.7, in the form of Linux' tcp_mtu_probing = 1: a full-sized segment that is
   * lost twice in a row may be too large for the path, and the message that would say so filtered.
   * @returns whether segments are smaller now
   */
  #suspectBlackHole(user: number, offset: number): boolean {
    const users = this.#users;
    const sendMss = users.sendMss[user];
    const lowered = sendMss > PROBED_MSS ? PROBED_MSS : this.#mssFloor;
    if (users.retries[user] < BLACK_HOLE_RETRIES || lowered >= sendMss) return false;
    if (offset >= this.#source.streamLimit(user)) return false;
    if (this.#source.segmentEnd(user, offset, sendMss) - offset <= lowered) return false;
    users.sendMss[user] = lowered;
    return true;
  }

  /** One octet into a window that does not admit it: its acknowledgement tells the window now. */
  #probe(user: number, nowNs: number): void {
    const users = this.#users;
    const offset = this.#offsetOf(user, users.sndNxt[user]);
    this.#emitData(user, offset, offset + 1, nowNs);
    users.dueNs[user] = nowNs + this.#rtoNs(user);
  }

  #isBlockedByWindow(user: number): boolean {
    const users = this.#users;
    const state = users.state[user];
    if (state !== State.ESTABLISHED && state !== State.CLOSE_WAIT) return false;
    return this.#offsetOf(user, users.sndNxt[user]) < this.#source.streamLimit(user);
  }

  /** Send what may be sent now: data within the windows, the FIN after it, an owed acknowledgement. */
  emit(user: number, nowNs: number): void {
    const users = this.#users;
    const state = users.state[user];
    if (state === State.CLOSED || state === State.SYN_SENT) return;
    const wasOutstanding = this.isOutstanding(user);
    let sent = false;
    if (state !== State.TIME_WAIT && state !== State.FIN_WAIT_2)
      sent = this.#emitStream(user, nowNs);
    if (!sent && users.flags[user] & UserFlag.ACK_NOW) {
      this.#emitAck(user, nowNs);
    }
    this.#setTimer(user, wasOutstanding, nowNs);
  }

  #setTimer(user: number, wasOutstanding: boolean, nowNs: number): void {
    const users = this.#users;
    if (this.isOutstanding(user)) {
      if (!wasOutstanding) users.dueNs[user] = nowNs + this.#rtoNs(user);
      // One timer serves all: while it counts for retransmission nothing waits for an ACK.
      if (users.flags[user] & UserFlag.ACK_OWED) this.#emitAck(user, nowNs);
      return;
    }
    if (users.flags[user] & UserFlag.ACK_OWED) {
      if (users.dueNs[user] === NEVER_NS) users.dueNs[user] = nowNs + DELAYED_ACK_NS;
      return;
    }
    if (!this.#isBlockedByWindow(user)) users.dueNs[user] = NEVER_NS;
    else if (users.dueNs[user] === NEVER_NS) users.dueNs[user] = nowNs + this.#rtoNs(user);
  }

  /** @returns whether a segment left, which carries the acknowledgement too */
  #emitStream(user: number, nowNs: number): boolean {
    const users = this.#users;
    const limit = this.#source.streamLimit(user);
    const sendMss = users.sendMss[user];
    const cwndBytes = Math.floor((users.cwnd[user] * sendMss) / CWND_UNIT);
    const usableBytes = Math.min(users.sndWnd[user], Math.max(cwndBytes, sendMss));
    const firstOffset = this.#offsetOf(user, users.sndUna[user]);
    let offset = this.#offsetOf(user, users.sndNxt[user]);
    let sent = false;
    while (offset < limit) {
      let end = this.#source.segmentEnd(user, offset, sendMss);
      const room = firstOffset + usableBytes - offset;
      if (end - offset > room) {
        // A piece of a segment is only sent when nothing is in flight (silly window avoidance).
        if (offset !== firstOffset || room <= 0) break;
        end = offset + room;
      }
      this.#emitData(user, offset, end, nowNs);
      offset = end;
      sent = true;
    }
    if (offset === limit && this.#mayEmitFin(user)) {
      this.#emitFin(user, users.sndNxt[user], nowNs);
      sent = true;
    }
    return sent;
  }

  #mayEmitFin(user: number): boolean {
    const users = this.#users;
    if (!(users.flags[user] & UserFlag.FIN_QUEUED)) return false;
    const state = users.state[user];
    if (state === State.ESTABLISHED || state === State.CLOSE_WAIT) return true;
    // Sent before: only again when a timeout has put sndNxt back in front of it.
    return users.sndNxt[user] !== users.sndMax[user];
  }

  #emitData(user: number, offset: number, end: number, nowNs: number): void {
    const users = this.#users;
    const seq = seqAdd(users.iss[user], offset + 1);
    const flags = end === this.#source.streamLimit(user) ? ACK | PSH : ACK;
    users.flags[user] &= ~(UserFlag.ACK_NOW | UserFlag.ACK_OWED);
    this.#output.emitSegment(user, seq, users.rcvNxt[user], flags, offset, end - offset, nowNs);
    this.#advanceSndNxt(user, seq, end - offset);
  }

  #emitFin(user: number, seq: Seq, nowNs: number): void {
    const users = this.#users;
    users.flags[user] &= ~(UserFlag.ACK_NOW | UserFlag.ACK_OWED);
    this.#output.emitSegment(user, seq, users.rcvNxt[user], FIN | ACK, 0, 0, nowNs);
    this.#advanceSndNxt(user, seq, 1);
    if (users.state[user] === State.ESTABLISHED) users.state[user] = State.FIN_WAIT_1;
    else if (users.state[user] === State.CLOSE_WAIT) users.state[user] = State.LAST_ACK;
  }

  /** Sequence space `[seq, seq + octets)` has been sent. */
  #advanceSndNxt(user: number, seq: Seq, octets: number): void {
    const users = this.#users;
    const end = seqAdd(seq, octets);
    if (seq === users.sndNxt[user]) users.sndNxt[user] = end;
    if (seqAfter(end, users.sndMax[user])) users.sndMax[user] = end;
  }

  #emitAck(user: number, nowNs: number): void {
    const users = this.#users;
    users.flags[user] &= ~(UserFlag.ACK_NOW | UserFlag.ACK_OWED);
    this.#output.emitSegment(user, users.sndMax[user], users.rcvNxt[user], ACK, 0, 0, nowNs);
  }

  #offsetOf(user: number, seq: Seq): number {
    return seqAdd(seq, -this.#users.iss[user] - 1);
  }

  /** RFC 6298, section 2, with a sample that began when the timer was last set. */
  #measureRtt(user: number, rttNs: number): void {
    const users = this.#users;
    if (!(rttNs >= 0) || rttNs === NEVER_NS) return;
    const sampleUs = Math.min(Math.round(rttNs / NS_PER_US), 0x7fff_ffff);
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

  #rtoNs(user: number): number {
    const users = this.#users;
    let rtoNs = RTO_NS_INITIAL;
    if (users.flags[user] & UserFlag.RTT_KNOWN) {
      const variationUs = Math.max(RTT_GRANULARITY_US, 4 * users.rttvarUs[user]);
      rtoNs = Math.max(RTO_NS_MIN, (users.srttUs[user] + variationUs) * NS_PER_US);
    }
    const shift = Math.min(users.retries[user], BACKOFF_SHIFT_MAX);
    return Math.min(rtoNs * 2 ** shift, RTO_NS_MAX);
  }

  #close(user: number): void {
    this.#users.state[user] = State.CLOSED;
    this.#users.dueNs[user] = NEVER_NS;
  }
}
