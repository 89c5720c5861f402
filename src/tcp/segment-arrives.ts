/** What comes in: RFC 9293, section 3.10.7, for the states that a client can be in. */
import { type Seq, seqAdd, seqAfter, seqBefore, seqDiff } from '../base/seq.ts';
import { NEVER_NS, NS_PER_MS } from '../base/time.ts';
import { ACK, FIN, PSH, RST, SYN, type TcpView } from '../wire/tcp.ts';
import type { TcpOptions } from '../wire/tcp-options.ts';
import { Challenges, oweAck } from './ack-policy.ts';
import { CWND_UNIT, growCwnd } from './congestion.ts';
import type { LossRecovery } from './loss-recovery.ts';
import { MIN_SEND_MSS, TIMESTAMP_OPTION_BYTES } from './path-mtu.ts';
import type { SegmentOutput, TcpSettings } from './ports.ts';
import { measureRtt, rtoNs } from './round-trip.ts';
import { TcpEvent } from './tcp-event.ts';
import type { Transmitter } from './transmitter.ts';
import { closeUser, State, UserFlag, type UserTable } from './user-table.ts';

/** RFC 9293, section 3.7.1: assumed when the peer's SYN has no MSS option. */
const DEFAULT_SEND_MSS = 536;
const DEFAULT_SEND_MSS_IPV6 = 1220;
/** RFC 7323, section 2.3. */
const WINDOW_SHIFT_MAX = 14;
/** Soon, so that the peer has read our RST before the SYN comes again. */
const SYN_AGAIN_NS = NS_PER_MS;

export class SegmentArrives {
  /** In-order octets that the last `onSegment` delivered. */
  deliveredBytes = 0;
  /** Whether they ended with the sender's push flag. */
  deliveredPush = false;

  readonly #users: UserTable;
  readonly #output: SegmentOutput;
  readonly #transmitter: Transmitter;
  readonly #lossRecovery: LossRecovery;
  readonly #challenges: Challenges;
  readonly #settings: TcpSettings;
  readonly #defaultSendMss: number;

  constructor(
    users: UserTable,
    output: SegmentOutput,
    transmitter: Transmitter,
    lossRecovery: LossRecovery,
    settings: TcpSettings,
    family: 4 | 6,
  ) {
    this.#users = users;
    this.#output = output;
    this.#transmitter = transmitter;
    this.#lossRecovery = lossRecovery;
    this.#challenges = new Challenges(users);
    this.#settings = settings;
    this.#defaultSendMss = family === 4 ? DEFAULT_SEND_MSS : DEFAULT_SEND_MSS_IPV6;
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
      closeUser(users, user);
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
      measureRtt(users, user, nowNs - (users.dueNs[user] - this.#settings.synRtoNs));
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
      if (!(flags & RST)) this.#challenges.challenge(user, nowNs);
      return TcpEvent.OUT_OF_WINDOW;
    }
    if (flags & RST) {
      // RFC 5961, section 3: only the exact number is believed, others are asked about.
      if (seq !== users.rcvNxt[user]) {
        this.#challenges.challenge(user, nowNs);
        return TcpEvent.OUT_OF_WINDOW;
      }
      const wasDone = users.state[user] === State.TIME_WAIT;
      closeUser(users, user);
      return wasDone ? TcpEvent.NONE : TcpEvent.RESET;
    }
    if (flags & SYN) {
      this.#challenges.challenge(user, nowNs);
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

  #onAck(user: number, segment: TcpView, segLen: number, nowNs: number): number {
    const users = this.#users;
    const ack = segment.ack;
    if (seqAfter(ack, users.sndMax[user])) {
      this.#challenges.challenge(user, nowNs);
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
    if (segLen === 0 && sameWindow && this.#transmitter.isOutstanding(user))
      this.#lossRecovery.onDuplicateAck(user, nowNs);
    return TcpEvent.NONE;
  }

  #onNewAck(user: number, ack: Seq, advance: number, nowNs: number): number {
    const users = this.#users;
    // Karn: octets sent twice say nothing about the round trip.
    if (users.retries[user] === 0 && !(users.flags[user] & UserFlag.RECOVERY)) {
      measureRtt(users, user, nowNs - (users.dueNs[user] - rtoNs(users, user)));
    }
    const isPartial = ack !== users.sndMax[user];
    users.sndUna[user] = ack;
    if (seqBefore(users.sndNxt[user], ack)) users.sndNxt[user] = ack;
    users.retries[user] = 0;
    users.duplicateAcks[user] = 0;
    users.dueNs[user] = isPartial ? nowNs + rtoNs(users, user) : NEVER_NS;
    if (users.flags[user] & UserFlag.RECOVERY) {
      // A partial acknowledgement points at the next hole (RFC 6582, section 3.2, step 3).
      if (isPartial) this.#transmitter.retransmitFirst(user, nowNs);
      else users.flags[user] &= ~UserFlag.RECOVERY;
    } else {
      growCwnd(users, user, advance);
    }
    return TcpEvent.ACKED | (isPartial ? 0 : this.#onAllAcked(user));
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
        closeUser(users, user);
        return TcpEvent.CLOSED;
      default:
        return TcpEvent.NONE;
    }
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
    if (this.deliveredBytes > 0 && !filled && !finReached) oweAck(users, user, this.deliveredBytes);
    const events = this.deliveredBytes > 0 ? TcpEvent.DATA : TcpEvent.NONE;
    return finReached ? events | this.#onFin(user) : events;
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
}
