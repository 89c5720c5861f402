/** What comes in: RFC 9293, section 3.10.7, for the states that a client can be in. */
import { type Seq, seqAdd, seqAfter, seqBefore, seqDiff } from '../base/seq.ts';
import { NEVER_NS, NS_PER_MS, NS_PER_US } from '../base/time.ts';
import { ACK, FIN, PSH, RST, SYN, type TcpView } from '../wire/tcp.ts';
import type { TcpOptions } from '../wire/tcp-options.ts';
import { Challenges, oweAck } from './ack-policy.ts';
import { agreeOptions } from './agreed-options.ts';
import { CWND_UNIT, growCwnd, onAllAcked } from './congestion.ts';
import type { LossRecovery } from './loss-recovery.ts';
import type { SegmentOutput, TcpSettings } from './ports.ts';
import type { Reassembly } from './reassembly.ts';
import { echoedUs, measureRtt, NO_SAMPLE, onProbeAcked, onTimedAck, waitNs } from './round-trip.ts';
import type { SackRecovery } from './sack-recovery.ts';
import { TcpEvent } from './tcp-event.ts';
import type { Transmitter } from './transmitter.ts';
import { ACKED_BITS, Count, State, UserFlag, type UserTable } from './user-table.ts';

/** Soon, so that the peer has read our RST before the SYN comes again. */
const SYN_AGAIN_NS = NS_PER_MS;
/** Timestamps are in milliseconds. */
const TIMESTAMP_UNIT_US = 1_000;
/** With one of these an acknowledgement of something new is not all that there is to it. */
const UNUSUAL = UserFlag.RECOVERY | UserFlag.LOSS | UserFlag.SCOREBOARD | UserFlag.TAIL_PROBED;

/** SEGMENT ARRIVES (RFC 9293, section 3.10.7): what each state does with what comes in. */
export class SegmentArrives {
  /** In-order octets that the last `onSegment` delivered. */
  deliveredBytes = 0;
  /** Their first one's sequence number; octets of the segment's payload that had come before it. */
  deliveredFrom: Seq = 0;
  repeatedBytes = 0;
  /** Whether that segment's payload lies behind a hole, and was taken. */
  isKept = false;
  /** Whether they ended with the sender's push flag. */
  deliveredPush = false;

  readonly #users: UserTable;
  readonly #output: SegmentOutput;
  readonly #transmitter: Transmitter;
  readonly #lossRecovery: LossRecovery;
  readonly #sackRecovery: SackRecovery;
  readonly #reassembly: Reassembly;
  readonly #challenges: Challenges;
  readonly #settings: TcpSettings;
  readonly #family: 4 | 6;

  constructor(
    users: UserTable,
    output: SegmentOutput,
    transmitter: Transmitter,
    lossRecovery: LossRecovery,
    sackRecovery: SackRecovery,
    reassembly: Reassembly,
    settings: TcpSettings,
    family: 4 | 6,
  ) {
    this.#users = users;
    this.#output = output;
    this.#transmitter = transmitter;
    this.#lossRecovery = lossRecovery;
    this.#sackRecovery = sackRecovery;
    this.#reassembly = reassembly;
    this.#challenges = new Challenges(users);
    this.#settings = settings;
    this.#family = family;
  }

  /**
   * A segment has come in; its view has passed `check`, its options are parsed.
   * Call `emit` afterwards: an acknowledgement may be owed, the window may have opened.
   * @returns bits of TcpEvent
   */
  onSegment(user: number, segment: TcpView, options: TcpOptions, payloadBytes: number): number {
    this.deliveredBytes = 0;
    this.deliveredPush = false;
    this.isKept = false;
    const state = this.#users.state[user];
    if (state === State.CLOSED) return TcpEvent.NONE;
    if (state === State.SYN_SENT) return this.#onSegmentSynSent(user, segment, options);
    return this.#onSegmentSynchronised(user, segment, options, payloadBytes);
  }

  /** The connection is gone: CLOSED, with no timer. */
  close(user: number): void {
    const users = this.#users;
    users.state[user] = State.CLOSED;
    users.dueNs[user] = NEVER_NS;
    this.#sackRecovery.end(user);
    if (users.flags[user] & UserFlag.HOLE) this.#reassembly.forget(user);
    users.flags[user] &= ~(UserFlag.HOLE | UserFlag.FIN_QUEUED);
  }

  /** RFC 9293, section 3.10.7.3. */
  #onSegmentSynSent(user: number, segment: TcpView, options: TcpOptions): number {
    const users = this.#users;
    const flags = segment.flags;
    const acked = (flags & ACK) !== 0;
    const acceptable = acked && segment.ack === users.sndNxt[user];
    if (acked && !acceptable) {
      return flags & RST ? TcpEvent.OUT_OF_WINDOW : this.#onOldConnection(user, segment.ack);
    }
    if (flags & RST) {
      if (!acceptable) return TcpEvent.OUT_OF_WINDOW;
      this.close(user);
      return TcpEvent.REFUSED;
    }
    // A simultaneous open (SYN without ACK) cannot come from a replayed server: drop it.
    if (!(flags & SYN) || !acceptable) return TcpEvent.OUT_OF_WINDOW;

    users.rcvNxt[user] = seqAdd(segment.seq, 1);
    users.sndUna[user] = segment.ack;
    // The window of a SYN is never scaled (RFC 7323, section 2.2).
    users.sndWnd[user] = segment.window;
    users.sndWl1[user] = segment.seq;
    agreeOptions(users, user, options, this.#settings, this.#family);
    this.#onSynAcked(user, options);
    users.dueNs[user] = NEVER_NS;
    users.state[user] = State.ESTABLISHED;
    users.flags[user] = (users.flags[user] & ~UserFlag.OLD_CONNECTION) | UserFlag.ACK_NOW;
    return TcpEvent.CONNECTED;
  }

  /**
   * The peer remembers an older connection of these ports: end that one, and ask again at once, once.
   * A peer that does not listen to resets in TIME-WAIT (RFC 1337) is asked as often as any other.
   */
  #onOldConnection(user: number, ack: Seq): number {
    const users = this.#users;
    if (this.#challenges.mayAnswer()) {
      this.#output.emitSegment(user, ack, 0, RST, 0, 0);
    }
    if (users.flags[user] & UserFlag.OLD_CONNECTION) return TcpEvent.OUT_OF_WINDOW;
    users.flags[user] |= UserFlag.OLD_CONNECTION;
    users.dueNs[user] = Math.min(users.dueNs[user], users.now.ns + SYN_AGAIN_NS);
    return TcpEvent.OUT_OF_WINDOW | TcpEvent.OLD_CONNECTION;
  }

  /** The first round trip; and if the SYN was lost the path is bad: begin with one segment. */
  #onSynAcked(user: number, options: TcpOptions): void {
    const users = this.#users;
    const retries = users.count(user, Count.RETRIES);
    const backOff = retries === 0 ? 1 : 2 ** retries;
    const lastSynNs = users.dueNs[user] - this.#settings.synRtoNs * backOff;
    const sinceLastUs = Math.max(0, (users.now.ns - lastSynNs) / NS_PER_US);
    // The SYN after a reset is the first that counts: the one before it was answered.
    const firsts = users.flags[user] & UserFlag.OLD_CONNECTION ? 1 : 0;
    users.setCount(user, Count.RETRIES, 0);
    if (retries <= firsts) {
      measureRtt(users, user, sinceLastUs);
      return;
    }
    const hasTimestamps = (users.flags[user] & UserFlag.TIMESTAMPS) !== 0;
    const sampleUs = hasTimestamps ? echoedUs(this.#output, user, options) : NO_SAMPLE;
    if (sampleUs !== NO_SAMPLE) measureRtt(users, user, sampleUs);
    // The answer to an earlier SYN: none was lost, the path is only longer than a second.
    if (sampleUs > sinceLastUs + TIMESTAMP_UNIT_US) return;
    users.cwnd[user] = CWND_UNIT;
  }

  /** RFC 9293, section 3.10.7.4, in its order: sequence, RST, SYN, ACK, payload, FIN. */
  #onSegmentSynchronised(
    user: number,
    segment: TcpView,
    options: TcpOptions,
    payloadBytes: number,
  ): number {
    const users = this.#users;
    const flags = segment.flags;
    const seq = segment.seq;
    const segLen = payloadBytes + (flags & FIN ? 1 : 0) + (flags & SYN ? 1 : 0);

    if (this.#isTooOld(user, options, flags) || !this.#isInWindow(user, seq, segLen)) {
      const bearsText = segLen > 0 && (flags & SYN) === 0;
      if (!(flags & RST)) this.#challenges.challenge(user, bearsText);
      this.#noteTwice(user, seq, seqAdd(seq, payloadBytes));
      return TcpEvent.OUT_OF_WINDOW;
    }
    if (flags & RST) {
      // RFC 5961, section 3: only the exact number is believed, others are asked about.
      if (seq !== users.rcvNxt[user]) {
        this.#challenges.challenge(user, false);
        return TcpEvent.OUT_OF_WINDOW;
      }
      const wasDone = users.state[user] === State.TIME_WAIT;
      this.close(user);
      return wasDone ? TcpEvent.NONE : TcpEvent.RESET;
    }
    if (flags & SYN) {
      this.#challenges.challenge(user, false);
      return TcpEvent.OUT_OF_WINDOW;
    }
    if (!(flags & ACK)) return TcpEvent.OUT_OF_WINDOW;

    let events = this.#onAck(user, segment, options, segLen);
    if (events & TcpEvent.OUT_OF_WINDOW) return events;
    if (options.hasTimestamps && this.#isAtLastAckSent(user, seq)) {
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

  /**
   * TS.Recent is taken from segments that begin at or before Last.ACK.sent (RFC 7323, section 4.3).
   * That is RCV.NXT unless an acknowledgement is owed; then it lies before, and what is new begins
   * behind it: so the peer's measurement includes how long the acknowledgement was delayed.
   */
  #isAtLastAckSent(user: number, seq: Seq): boolean {
    const users = this.#users;
    const wanted = UserFlag.TIMESTAMPS;
    const owed = UserFlag.ACK_OWED | UserFlag.ACK_NOW;
    if ((users.flags[user] & (wanted | owed)) !== wanted) return false;
    return !seqAfter(seq, users.rcvNxt[user]);
  }

  /** RFC 9293, section 3.4, the four cases; our window is never zero. */
  #isInWindow(user: number, seq: Seq, segLen: number): boolean {
    const before = seqDiff(seq, this.#users.rcvNxt[user]);
    const windowBytes = this.#settings.windowBytes;
    if (segLen === 0) return before >= 0 && before < windowBytes;
    return before < windowBytes && before + segLen > 0;
  }

  #onAck(user: number, segment: TcpView, options: TcpOptions, segLen: number): number {
    const users = this.#users;
    const ack = segment.ack;
    if (seqAfter(ack, users.sndMax[user])) {
      this.#challenges.challenge(user, segLen > 0);
      return TcpEvent.OUT_OF_WINDOW;
    }
    const advance = seqDiff(ack, users.sndUna[user]);
    if (advance < 0) return TcpEvent.NONE;
    const sndWnd = segment.window << users.count(user, Count.WINDOW_SHIFT);
    const isSameWindow = sndWnd === users.sndWnd[user];
    if (advance > 0 || this.#isNewerWindow(user, segment.seq, sndWnd)) {
      if (users.sndWnd[user] === 0 && sndWnd > 0) {
        this.#sackRecovery.end(user);
        this.#transmitter.onWindowOpened(user);
      }
      users.sndWnd[user] = sndWnd;
      users.sndWl1[user] = segment.seq;
    }
    if (advance > 0) return this.#onNewAck(user, ack, advance, options);
    if (!this.#transmitter.isOutstanding(user)) return TcpEvent.NONE;
    if (this.#sackRecovery.onSack(user, options.sack)) return TcpEvent.NONE;
    const isDuplicate = segLen === 0 && isSameWindow && sndWnd > 0;
    if (isDuplicate) this.#lossRecovery.onDuplicateAck(user);
    return TcpEvent.NONE;
  }

  /**
   * SND.WL1 and SND.WL2 of RFC 9293: an older segment that was overtaken does not take a window back.
   * What acknowledges nothing new has SND.WL2's number; if it has SND.WL1's as well nobody can say which
   * of the two is newer, and only a larger window is believed (as by Linux' tcp_may_update_window).
   */
  #isNewerWindow(user: number, seq: Seq, sndWnd: number): boolean {
    const after = seqDiff(seq, this.#users.sndWl1[user]);
    return after > 0 || (after === 0 && sndWnd > this.#users.sndWnd[user]);
  }

  #onNewAck(user: number, ack: Seq, acked: number, options: TcpOptions): number {
    const users = this.#users;
    const isRoundOver = onTimedAck(users, this.#output, user, ack, options);
    const flight = seqDiff(users.sndMax[user], users.sndUna[user]);
    const isAll = acked === flight;
    users.sndUna[user] = ack;
    const flags = users.flags[user];
    users.flags[user] = flags & ~ACKED_BITS;
    users.dueNs[user] = isAll ? NEVER_NS : users.now.ns + waitNs(users, user);
    if ((flags & UNUSUAL) === 0 && options.sack.count === 0) {
      growCwnd(users, user, acked, flight, isRoundOver);
    } else {
      const wasProbed = (flags & UserFlag.TAIL_PROBED) !== 0;
      if (wasProbed) onProbeAcked(users, this.#output, user, options);
      const recovery = this.#sackRecovery;
      if (!recovery.onNewAck(user, options, acked, flight, isRoundOver, wasProbed)) {
        this.#lossRecovery.onNewAck(user, ack, acked, flight, isRoundOver);
      }
    }
    if (seqBefore(users.sndNxt[user], ack)) users.sndNxt[user] = ack;
    if (isAll) onAllAcked(users, user);
    return TcpEvent.ACKED | (isAll ? this.#onAllAcked(user) : 0);
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
        this.close(user);
        users.flags[user] |= UserFlag.FIN_QUEUED;
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
    if (seq !== rcvNxt) {
      if (seqAfter(seq, rcvNxt)) return this.#keepOutOfOrder(user, seq, end, flags);
      this.#noteTwice(user, seq, seqAfter(end, rcvNxt) ? rcvNxt : end);
    }

    let reached = seqAfter(end, rcvNxt) ? end : rcvNxt;
    let finReached = hasFin && end === reached;
    let isPushed = (flags & PSH) !== 0;
    const isFilling = (users.flags[user] & UserFlag.HOLE) !== 0;
    if (isFilling) {
      const reassembly = this.#reassembly;
      reached = reassembly.take(user, reached);
      isPushed = reassembly.isPushed ?? isPushed;
      finReached ||= reassembly.isFin;
      if (!reassembly.has(user)) users.flags[user] &= ~UserFlag.HOLE;
    }
    this.deliveredBytes = seqDiff(reached, rcvNxt);
    this.deliveredFrom = rcvNxt;
    this.repeatedBytes = seqDiff(rcvNxt, seq);
    this.deliveredPush = isPushed;
    users.rcvNxt[user] = reached;
    if (this.deliveredBytes > 0 && !isFilling && !finReached)
      oweAck(users, user, this.deliveredBytes);
    const events = this.deliveredBytes > 0 ? TcpEvent.DATA : TcpEvent.NONE;
    return finReached ? events | this.#onFin(user) : events;
  }

  /** `[from, to)`, if it lies before RCV.NXT, has come in before: with SACK the peer is told. */
  #noteTwice(user: number, from: Seq, to: Seq): void {
    const isTold = (this.#users.flags[user] & UserFlag.SACK) !== 0;
    const isBefore = seqBefore(from, to) && !seqAfter(to, this.#users.rcvNxt[user]);
    if (isTold && isBefore) this.#reassembly.noteTwice(user, from, to);
  }

  #keepOutOfOrder(user: number, seq: Seq, end: Seq, flags: number): number {
    const isPushed = (flags & PSH) !== 0;
    if (!this.#reassembly.keep(user, seq, end, isPushed, (flags & FIN) !== 0)) {
      return TcpEvent.OUT_OF_ORDER_LOST;
    }
    this.#users.flags[user] |= UserFlag.HOLE;
    this.isKept = true;
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
