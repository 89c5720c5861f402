/**
 * The server half of TCP (RFC 9293) for all connections, without a clock: it listens on every
 * address and port that a known client knocks on, plays the recorded server's script, and keeps to
 * the standard in what it accepts and repeats.
 *
 * Three verbs: `onSegment` (something came in), `onTimeout` (a timer is due), `emit` (write the next
 * packet). A connection that has something to send stands in a queue, once; what it sends is made
 * out of its columns when it is asked for, so that nothing is stored for packets in flight.
 *
 * It retransmits by a timer of one second that doubles, and on three duplicate acknowledgements. It
 * has no congestion window: between it and its clients there is no network that could be congested.
 * It keeps one out-of-order interval. It acknowledges every second segment at once, and a single one
 * together with the answer when that is due within 40 ms.
 */
import { hash32 } from '../base/prng.ts';
import { type Seq, seqAdd, seqAfter, seqBefore, seqDiff } from '../base/seq.ts';
import { NEVER_NS, NS_PER_MS, NS_PER_SECOND } from '../base/time.ts';
import { TimingWheel } from '../schedule/timing-wheel.ts';
import { ACK, FIN, PSH, RST, SYN, type TcpView } from '../wire/tcp.ts';
import type { TcpOptions } from '../wire/tcp-options.ts';
import { type ConnectionTable, Flag, ServerState } from './connection-table.ts';
import type { Reply } from './reply-writer.ts';
import type { ServerScript } from './server-script.ts';

/** What the server offers and keeps to. */
export interface ServerTcpSettings {
  /** Largest segment it announces, and sends where the client takes it. */
  readonly mss: number;
  /** Its receive window in octets; it reads everything at once, so that the window never closes. */
  readonly windowBytes: number;
  /**
   * Payload octets of one packet handed over: several segments merged, as a receiver's kernel does
   * (GRO); with less than two segments' worth each segment comes by itself.
   */
  readonly mergedBytesMax: number;
  readonly seed: number;
}

/** Compares payload with the recorded stream. */
export interface PayloadCheck {
  /**
   * How many octets of the present segment's payload, from `from` up to `to`, are not those of the
   * session's client stream from `streamOffset`.
   */
  mismatches(session: number, streamOffset: number, from: number, to: number): number;
  /** This many octets came in order and were right, this many came and were wrong. */
  onChecked(right: number, wrong: number): void;
}

const RTO_NS_MIN = NS_PER_SECOND;
const RTO_NS_MAX = 60 * NS_PER_SECOND;
/** Linux' tcp_synack_retries and tcp_retries2. */
const SYN_ACK_RETRIES_MAX = 5;
const RETRIES_MAX = 15;
const DUPLICATE_ACKS = 3;
const DELAYED_ACK_NS = 40 * NS_PER_MS;
/** RFC 9293, section 3.7.1: assumed of a client whose SYN has no MSS option. */
const MSS_DEFAULT = 536;
const MSS_MIN = 48;
const TIMESTAMP_OPTION_BYTES = 12;
const WINDOW_FIELD_MAX = 0xffff;
const WINDOW_SHIFT_MAX = 14;

export class ServerTcp {
  readonly #table: ConnectionTable;
  readonly #script: ServerScript;
  readonly #check: PayloadCheck;
  readonly #settings: ServerTcpSettings;
  readonly #wheel: TimingWheel;
  readonly #windowShift: number;
  /** Connections with something to send: a ring in which each stands at most once. */
  readonly #queue: Uint32Array;
  #queueFirst = 0;
  #queued = 0;
  #nowNs = 0;

  constructor(
    users: number,
    table: ConnectionTable,
    script: ServerScript,
    check: PayloadCheck,
    settings: ServerTcpSettings,
  ) {
    this.#table = table;
    this.#script = script;
    this.#check = check;
    this.#settings = settings;
    this.#wheel = new TimingWheel(users);
    this.#queue = new Uint32Array(users);
    this.#windowShift = windowShiftOf(settings.windowBytes);
  }

  /** Whether a connection has something to send now. */
  get isQueued(): boolean {
    return this.#queued > 0;
  }

  /** When `onTimeout` has something to do. */
  nextDueNs(): number {
    return this.#wheel.nextDueNs();
  }

  /** Runs at most `limit` timers that are due. */
  onTimeout(nowNs: number, limit: number): void {
    this.#nowNs = nowNs;
    this.#wheel.advance(nowNs, limit, this);
  }

  /** The wheel says that something of the connection's is due; nobody else calls this. */
  onDue(user: number): void {
    const table = this.#table;
    const nowNs = this.#nowNs;
    const scriptDueNs = table.scriptDueNs[user];
    if (scriptDueNs <= nowNs) this.#onScriptDue(user, scriptDueNs);
    if (table.retransmitDueNs[user] <= nowNs) this.#onRetransmitDue(user, nowNs);
    this.#arm(user);
  }

  /** Whether a connection of the user's is open to this client address and port. */
  isOpen(user: number, clientLow32: number, clientPort: number): boolean {
    const table = this.#table;
    return (
      table.state[user] !== ServerState.CLOSED &&
      table.clientPort[user] === clientPort &&
      table.clientLow32[user] === clientLow32
    );
  }

  /** Whether the user has no connection at all. */
  isClosed(user: number): boolean {
    return this.#table.state[user] === ServerState.CLOSED;
  }

  /**
   * A SYN for a connection that is not open: LISTEN to SYN-RECEIVED (RFC 9293, section 3.10.7.2).
   * What the user had open before is forgotten. The SYN-ACK is due after the recorded delay.
   */
  listen(
    user: number,
    session: number,
    path: number,
    clientLow32: number,
    segment: TcpView,
    options: TcpOptions,
    nowNs: number,
  ): void {
    const table = this.#table;
    this.#nowNs = nowNs;
    const port = segment.srcPort;
    const iss = (hash32(clientLow32, this.#settings.seed) + hash32(port, user)) >>> 0;
    table.state[user] = ServerState.SYN_RECEIVED;
    table.flags[user] &= Flag.QUEUED;
    table.clientLow32[user] = clientLow32;
    table.clientPort[user] = port;
    table.path[user] = path;
    table.irs[user] = segment.seq;
    table.rcvNxt[user] = seqAdd(segment.seq, 1);
    table.outOfOrderFrom[user] = 0;
    table.outOfOrderTo[user] = 0;
    table.iss[user] = iss;
    table.sndUna[user] = iss;
    table.sndNxt[user] = iss;
    table.sndMax[user] = iss;
    table.sndWnd[user] = segment.window;
    table.retries[user] = 0;
    table.duplicateAcks[user] = 0;
    table.retransmitDueNs[user] = NEVER_NS;
    this.#agreeOptions(user, options);
    this.#script.begin(user, session);
    table.scriptDueNs[user] = nowNs + this.#script.connectNs(session);
    this.#takeDueSteps(user, nowNs);
    this.#arm(user);
  }

  /** A segment for no connection: an RST goes back (RFC 9293, section 3.10.7.1). */
  reject(
    user: number,
    path: number,
    clientLow32: number,
    segment: TcpView,
    payloadBytes: number,
    nowNs: number,
  ): void {
    const { flags } = segment;
    if (flags & RST) return;
    const table = this.#table;
    const segLen = payloadBytes + (flags & SYN ? 1 : 0) + (flags & FIN ? 1 : 0);
    table.path[user] = path;
    table.clientLow32[user] = clientLow32;
    table.clientPort[user] = segment.srcPort;
    table.rcvNxt[user] = seqAdd(segment.seq, segLen);
    table.sndNxt[user] = flags & ACK ? segment.ack : 0;
    table.flags[user] = (table.flags[user] & Flag.QUEUED) | Flag.RST_QUEUED;
    this.#enqueue(user, nowNs);
  }

  /** A segment for an open connection (`isOpen`); RFC 9293, section 3.10.7.4, in its order. */
  onSegment(
    user: number,
    segment: TcpView,
    options: TcpOptions,
    payloadBytes: number,
    nowNs: number,
  ): void {
    const table = this.#table;
    this.#nowNs = nowNs;
    const { flags, seq } = segment;
    if (table.state[user] === ServerState.SYN_RECEIVED && !this.#onHandshake(user, segment)) {
      this.#arm(user);
      return;
    }
    const segLen = payloadBytes + (flags & FIN ? 1 : 0) + (flags & SYN ? 1 : 0);
    if (this.#isTooOld(user, options, flags) || !this.#isInWindow(user, seq, segLen)) {
      if (!(flags & RST)) this.#acknowledgeNow(user, nowNs);
      return;
    }
    if (flags & RST) {
      // RFC 5961, section 3: only the exact number is believed.
      if (seq === table.rcvNxt[user]) this.#close(user);
      else this.#acknowledgeNow(user, nowNs);
      return;
    }
    if (flags & SYN) {
      this.#acknowledgeNow(user, nowNs);
      return;
    }
    if (!(flags & ACK) || !this.#onAck(user, segment, segLen, nowNs)) return;
    if (options.hasTimestamps && !seqAfter(seq, table.rcvNxt[user])) {
      table.tsRecent[user] = options.tsVal;
    }
    if (segLen > 0) this.#onText(user, seq, payloadBytes, (flags & FIN) !== 0, nowNs);
    if (table.state[user] !== ServerState.CLOSED) this.#arm(user);
  }

  /**
   * Fills `reply` with the next packet.
   * @returns the user it belongs to, or -1 when there is nothing to send
   */
  emit(reply: Reply): number {
    while (this.#queued > 0) {
      const user = this.#queue[this.#queueFirst];
      if (this.#emitOne(user, reply)) return user;
      this.#table.flags[user] &= ~Flag.QUEUED;
      this.#queueFirst = this.#queueFirst + 1 === this.#queue.length ? 0 : this.#queueFirst + 1;
      this.#queued--;
    }
    return -1;
  }

  // ---- what comes in ----------------------------------------------------------------------

  /** In SYN-RECEIVED. @returns whether the segment is to be looked at further: we are connected */
  #onHandshake(user: number, segment: TcpView): boolean {
    const table = this.#table;
    const { flags } = segment;
    const isAnswered = table.sndMax[user] !== table.iss[user];
    if (flags & SYN) {
      if (isAnswered && segment.seq === table.irs[user]) this.#queueSynAck(user, this.#nowNs);
      return false;
    }
    if (flags & RST) {
      if (segment.seq === table.rcvNxt[user]) this.#close(user);
      return false;
    }
    // Whatever does not acknowledge our SYN belongs to an older connection of these ports.
    return (flags & ACK) !== 0 && isAnswered && segment.ack === table.sndMax[user];
  }

  #agreeOptions(user: number, options: TcpOptions): void {
    const table = this.#table;
    const offered = options.mss === 0 ? MSS_DEFAULT : Math.max(options.mss, MSS_MIN);
    let sendMss = Math.min(offered, this.#settings.mss);
    table.sndWndShift[user] = 0;
    if (options.windowScale >= 0) {
      table.flags[user] |= Flag.SCALED;
      table.sndWndShift[user] = Math.min(options.windowScale, WINDOW_SHIFT_MAX);
    }
    if (options.hasTimestamps) {
      table.flags[user] |= Flag.TIMESTAMPS;
      table.tsRecent[user] = options.tsVal;
      sendMss -= TIMESTAMP_OPTION_BYTES;
    }
    table.sendMss[user] = sendMss;
  }

  /** PAWS: RFC 7323, section 5.3. */
  #isTooOld(user: number, options: TcpOptions, flags: number): boolean {
    const table = this.#table;
    if (!options.hasTimestamps || (table.flags[user] & Flag.TIMESTAMPS) === 0) return false;
    return !(flags & RST) && seqBefore(options.tsVal, table.tsRecent[user]);
  }

  /** RFC 9293, section 3.4. */
  #isInWindow(user: number, seq: Seq, segLen: number): boolean {
    const before = seqDiff(seq, this.#table.rcvNxt[user]);
    const { windowBytes } = this.#settings;
    if (segLen === 0) return before >= 0 && before < windowBytes;
    return before < windowBytes && before + segLen > 0;
  }

  /** @returns whether the rest of the segment counts */
  #onAck(user: number, segment: TcpView, segLen: number, nowNs: number): boolean {
    const table = this.#table;
    const { ack } = segment;
    if (seqAfter(ack, table.sndMax[user])) {
      this.#acknowledgeNow(user, nowNs);
      return false;
    }
    const advance = seqDiff(ack, table.sndUna[user]);
    if (advance < 0) return true;
    const sndWnd = segment.window << table.sndWndShift[user];
    const isSameWindow = sndWnd === table.sndWnd[user];
    // A shut window has opened: begin with the probe's octet, which was not taken.
    if (table.sndWnd[user] === 0 && sndWnd > 0) table.sndNxt[user] = table.sndUna[user];
    // Who still answers that its window is shut is not given up.
    if (sndWnd === 0) table.retries[user] = 0;
    table.sndWnd[user] = sndWnd;
    if (advance > 0) {
      this.#onNewAck(user, ack, nowNs);
    } else if (segLen === 0 && isSameWindow && ack !== table.sndMax[user]) {
      table.duplicateAcks[user]++;
      if (table.duplicateAcks[user] === DUPLICATE_ACKS) {
        table.flags[user] |= Flag.RETRANSMIT_FIRST;
        this.#enqueue(user, nowNs);
      }
    }
    if (this.#hasUnsent(user)) this.#enqueue(user, nowNs);
    return table.state[user] !== ServerState.CLOSED;
  }

  #onNewAck(user: number, ack: Seq, nowNs: number): void {
    const table = this.#table;
    table.sndUna[user] = ack;
    if (seqBefore(table.sndNxt[user], ack)) table.sndNxt[user] = ack;
    table.retries[user] = 0;
    table.duplicateAcks[user] = 0;
    table.flags[user] &= ~(Flag.RETRANSMIT_FIRST | Flag.PROBE);
    const isAll = ack === table.sndMax[user];
    table.retransmitDueNs[user] = isAll ? NEVER_NS : nowNs + RTO_NS_MIN;
    if (table.state[user] === ServerState.SYN_RECEIVED) {
      table.state[user] = ServerState.ESTABLISHED;
      this.#wakeScript(user, nowNs);
    } else if (isAll && this.#hasSentFin(user)) {
      this.#onFinAcked(user);
    }
  }

  #onFinAcked(user: number): void {
    const table = this.#table;
    switch (table.state[user]) {
      case ServerState.FIN_WAIT_1:
        table.state[user] = ServerState.FIN_WAIT_2;
        break;
      case ServerState.CLOSING:
        // The 2 MSL are not counted: the slot is free for the user's next connection at once.
        table.state[user] = ServerState.TIME_WAIT;
        break;
      case ServerState.LAST_ACK:
        this.#close(user);
        break;
      default:
    }
  }

  /** Payload and FIN: RFC 9293, section 3.10.7.4, seventh and eighth. */
  #onText(user: number, seq: Seq, payloadBytes: number, hasFin: boolean, nowNs: number): void {
    const table = this.#table;
    if (table.flags[user] & Flag.PEER_FIN) {
      this.#acknowledgeNow(user, nowNs);
      return;
    }
    if (seqAfter(seq, table.rcvNxt[user])) {
      this.#onOutOfOrder(user, seq, payloadBytes);
      this.#acknowledgeNow(user, nowNs);
      return;
    }
    const skip = seqDiff(table.rcvNxt[user], seq);
    if (skip < payloadBytes) this.#take(user, seq, skip, payloadBytes);
    if (hasFin && table.rcvNxt[user] === seqAdd(seq, payloadBytes)) {
      this.#onFin(user);
      table.flags[user] |= Flag.ACK_NOW;
    }
    this.#wakeScript(user, nowNs);
    this.#acknowledge(user, nowNs);
  }

  /** In-order payload, of which the first `skip` octets are known already. */
  #take(user: number, seq: Seq, skip: number, payloadBytes: number): void {
    const table = this.#table;
    const end = seqAdd(seq, payloadBytes);
    const offset = table.receivedBytes(user);
    const wrong = this.#check.mismatches(table.session[user], offset, skip, payloadBytes);
    let right = payloadBytes - skip - wrong;
    table.rcvNxt[user] = end;
    const to = table.outOfOrderTo[user];
    if (table.outOfOrderFrom[user] !== to && !seqAfter(table.outOfOrderFrom[user], end)) {
      if (seqAfter(to, end)) {
        right += seqDiff(to, end);
        table.rcvNxt[user] = to;
      }
      table.outOfOrderFrom[user] = to;
      table.flags[user] |= Flag.ACK_NOW;
    }
    this.#check.onChecked(right, wrong);
    table.flags[user] |= table.flags[user] & Flag.ACK_OWED ? Flag.ACK_NOW : Flag.ACK_OWED;
  }

  /** Keeps the interval when it is right and touches what is kept; else it must come again. */
  #onOutOfOrder(user: number, seq: Seq, payloadBytes: number): void {
    if (payloadBytes === 0) return;
    const table = this.#table;
    const offset = seqDiff(seq, table.irs[user]) - 1;
    const wrong = this.#check.mismatches(table.session[user], offset >>> 0, 0, payloadBytes);
    if (wrong > 0) {
      this.#check.onChecked(0, wrong);
      return;
    }
    const end = seqAdd(seq, payloadBytes);
    const from = table.outOfOrderFrom[user];
    const to = table.outOfOrderTo[user];
    if (from === to) {
      table.outOfOrderFrom[user] = seq;
      table.outOfOrderTo[user] = end;
    } else if (!seqAfter(seq, to) && !seqBefore(end, from)) {
      if (seqBefore(seq, from)) table.outOfOrderFrom[user] = seq;
      if (seqAfter(end, to)) table.outOfOrderTo[user] = end;
    }
  }

  #onFin(user: number): void {
    const table = this.#table;
    table.rcvNxt[user] = seqAdd(table.rcvNxt[user], 1);
    table.flags[user] |= Flag.PEER_FIN;
    switch (table.state[user]) {
      case ServerState.ESTABLISHED:
        table.state[user] = ServerState.CLOSE_WAIT;
        break;
      case ServerState.FIN_WAIT_1:
        table.state[user] = ServerState.CLOSING;
        break;
      case ServerState.FIN_WAIT_2:
        table.state[user] = ServerState.TIME_WAIT;
        break;
      default:
    }
  }

  // ---- time -------------------------------------------------------------------------------

  /** Something that the script may wait for has come in. */
  #wakeScript(user: number, nowNs: number): void {
    const table = this.#table;
    if (table.scriptDueNs[user] !== NEVER_NS) return;
    table.scriptDueNs[user] = this.#script.dueNs(user, nowNs);
    this.#takeDueSteps(user, nowNs);
  }

  #takeDueSteps(user: number, nowNs: number): void {
    const dueNs = this.#table.scriptDueNs[user];
    if (dueNs <= nowNs) this.#onScriptDue(user, dueNs);
  }

  /** The SYN-ACK, or the script's next step and those that follow it without a pause. */
  #onScriptDue(user: number, dueNs: number): void {
    const table = this.#table;
    if (table.state[user] === ServerState.SYN_RECEIVED) {
      table.scriptDueNs[user] = NEVER_NS;
      this.#queueSynAck(user, dueNs);
      return;
    }
    let stepNs = dueNs;
    // Each step's think time counts from when the one before was due, not from when it was seen.
    while (stepNs <= this.#nowNs) {
      this.#script.step(user);
      this.#enqueue(user, stepNs);
      stepNs = this.#script.dueNs(user, stepNs);
    }
    table.scriptDueNs[user] = stepNs;
    if (table.flags[user] & Flag.ACK_OWED) table.flags[user] |= Flag.ACK_NOW;
  }

  #onRetransmitDue(user: number, nowNs: number): void {
    const table = this.#table;
    table.retransmitDueNs[user] = NEVER_NS;
    const isHandshake = table.state[user] === ServerState.SYN_RECEIVED;
    if (table.retries[user] >= (isHandshake ? SYN_ACK_RETRIES_MAX : RETRIES_MAX)) {
      this.#close(user);
      return;
    }
    table.retries[user]++;
    table.duplicateAcks[user] = 0;
    if (isHandshake) {
      this.#queueSynAck(user, nowNs);
      return;
    }
    table.sndNxt[user] = table.sndUna[user];
    if (table.sndWnd[user] === 0) table.flags[user] |= Flag.PROBE;
    this.#enqueue(user, nowNs);
  }

  /** Sets the wheel to the earlier of the connection's two timers. */
  #arm(user: number): void {
    const { scriptDueNs, retransmitDueNs } = this.#table;
    this.#wheel.arm(user, Math.min(scriptDueNs[user], retransmitDueNs[user]));
  }

  #startRetransmitTimer(user: number, nowNs: number): void {
    const table = this.#table;
    if (table.retransmitDueNs[user] !== NEVER_NS) return;
    const rtoNs = Math.min(RTO_NS_MIN * 2 ** table.retries[user], RTO_NS_MAX);
    table.retransmitDueNs[user] = nowNs + rtoNs;
    this.#arm(user);
  }

  #close(user: number): void {
    const table = this.#table;
    table.state[user] = ServerState.CLOSED;
    table.flags[user] &= Flag.QUEUED;
    table.scriptDueNs[user] = NEVER_NS;
    table.retransmitDueNs[user] = NEVER_NS;
    this.#wheel.cancel(user);
  }

  // ---- what goes out ----------------------------------------------------------------------

  #enqueue(user: number, readyNs: number): void {
    const table = this.#table;
    if (table.flags[user] & Flag.QUEUED) {
      table.readyNs[user] = Math.max(table.readyNs[user], readyNs);
      return;
    }
    table.flags[user] |= Flag.QUEUED;
    table.readyNs[user] = readyNs;
    const last = this.#queueFirst + this.#queued++;
    this.#queue[last < this.#queue.length ? last : last - this.#queue.length] = user;
  }

  #queueSynAck(user: number, nowNs: number): void {
    this.#table.flags[user] |= Flag.SYN_ACK_NOW;
    this.#enqueue(user, nowNs);
  }

  #acknowledgeNow(user: number, nowNs: number): void {
    this.#table.flags[user] |= Flag.ACK_NOW;
    this.#enqueue(user, nowNs);
  }

  /** Owed acknowledgements wait for the answer when it comes soon. */
  #acknowledge(user: number, nowNs: number): void {
    const table = this.#table;
    const flags = table.flags[user];
    if (flags & Flag.ACK_OWED && table.scriptDueNs[user] > nowNs + DELAYED_ACK_NS) {
      table.flags[user] |= Flag.ACK_NOW;
    }
    if (table.flags[user] & Flag.ACK_NOW) this.#enqueue(user, nowNs);
  }

  /** Whether something is written, or queued as the end, that lies at or after SND.NXT. */
  #hasUnsent(user: number): boolean {
    const table = this.#table;
    if (table.flags[user] & Flag.RST_QUEUED) return true;
    const end = table.writtenSeq(user) + (table.flags[user] & Flag.FIN_QUEUED ? 1 : 0);
    return seqBefore(table.sndNxt[user], end);
  }

  /** Whether our FIN has been sent at least once. */
  #hasSentFin(user: number): boolean {
    const table = this.#table;
    const isQueued = (table.flags[user] & Flag.FIN_QUEUED) !== 0;
    return isQueued && seqAfter(table.sndMax[user], table.writtenSeq(user));
  }

  /** The connection's next packet. @returns whether there is one */
  #emitOne(user: number, reply: Reply): boolean {
    const table = this.#table;
    const flags = table.flags[user];
    reply.payloadBytes = 0;
    if (table.state[user] === ServerState.CLOSED) {
      if ((flags & Flag.RST_QUEUED) === 0) return false;
      this.#emitReset(user, reply);
      return true;
    }
    if (table.state[user] === ServerState.SYN_RECEIVED) {
      if ((flags & Flag.SYN_ACK_NOW) === 0) return false;
      this.#emitSynAck(user, reply);
      return true;
    }
    if (flags & Flag.RETRANSMIT_FIRST) {
      table.flags[user] &= ~Flag.RETRANSMIT_FIRST;
      const una = table.sndUna[user];
      const inFlight = Math.min(this.#writtenAfter(user, una), seqDiff(table.sndMax[user], una));
      this.#emitData(user, reply, una, Math.min(inFlight, table.sendMss[user]));
      return true;
    }
    const bytes = this.#sendableBytes(user);
    const isFin = flags & Flag.FIN_QUEUED && this.#isFinNext(user, bytes);
    if (bytes > 0 || isFin) {
      this.#emitData(user, reply, table.sndNxt[user], bytes);
      return true;
    }
    if (flags & Flag.RST_QUEUED && this.#writtenAfter(user, table.sndNxt[user]) === 0) {
      this.#emitReset(user, reply);
      this.#close(user);
      return true;
    }
    if ((flags & Flag.ACK_NOW) === 0) return false;
    this.#fill(user, reply, table.sndNxt[user], ACK);
    return true;
  }

  /** Octets written from `seq` on; -1 behind a FIN. */
  #writtenAfter(user: number, seq: Seq): number {
    return seqDiff(this.#table.writtenSeq(user), seq);
  }

  /** Payload of the next packet: what is written, the window allows, and one packet takes. */
  #sendableBytes(user: number): number {
    const table = this.#table;
    const unsent = this.#writtenAfter(user, table.sndNxt[user]);
    if (unsent <= 0) return 0;
    const inFlight = seqDiff(table.sndNxt[user], table.sndUna[user]);
    const open = table.sndWnd[user] - inFlight;
    if (open <= 0) {
      // A shut window is asked about by a timer, in case the news of its opening is lost.
      if (inFlight === 0 && (table.flags[user] & Flag.PROBE) === 0) {
        this.#startRetransmitTimer(user, this.#nowNs);
      }
      const isProbe = (table.flags[user] & Flag.PROBE) !== 0;
      table.flags[user] &= ~Flag.PROBE;
      return isProbe ? 1 : 0;
    }
    const mss = table.sendMss[user];
    const segments = Math.max(1, Math.floor(this.#settings.mergedBytesMax / mss));
    return Math.min(unsent, open, segments * mss);
  }

  /** Whether the stream ends just behind the next `bytes` octets. */
  #isFinNext(user: number, bytes: number): boolean {
    const table = this.#table;
    return seqAdd(table.sndNxt[user], bytes) === table.writtenSeq(user);
  }

  #emitSynAck(user: number, reply: Reply): void {
    const table = this.#table;
    const { iss } = table;
    table.flags[user] &= ~Flag.SYN_ACK_NOW;
    this.#fill(user, reply, iss[user], SYN | ACK);
    // The window of a SYN is never scaled (RFC 7323, section 2.2).
    reply.window = Math.min(this.#settings.windowBytes, WINDOW_FIELD_MAX);
    reply.mss = this.#settings.mss;
    reply.windowScale = table.flags[user] & Flag.SCALED ? this.#windowShift : -1;
    table.sndNxt[user] = seqAdd(iss[user], 1);
    table.sndMax[user] = table.sndNxt[user];
    this.#startRetransmitTimer(user, this.#nowNs);
  }

  /** A segment with `bytes` octets from `seq`, and the FIN where the stream ends there. */
  #emitData(user: number, reply: Reply, seq: Seq, bytes: number): void {
    const table = this.#table;
    const end = seqAdd(seq, bytes);
    const isLast = end === table.writtenSeq(user);
    const hasFin = isLast && (table.flags[user] & Flag.FIN_QUEUED) !== 0;
    this.#fill(user, reply, seq, ACK | (isLast && bytes > 0 ? PSH : 0) | (hasFin ? FIN : 0));
    reply.payloadBytes = bytes;
    const next = hasFin ? seqAdd(end, 1) : end;
    if (seqAfter(next, table.sndNxt[user])) table.sndNxt[user] = next;
    if (seqAfter(next, table.sndMax[user])) table.sndMax[user] = next;
    if (hasFin) this.#onFinSent(user);
    this.#startRetransmitTimer(user, this.#nowNs);
  }

  #onFinSent(user: number): void {
    const { state } = this.#table;
    if (state[user] === ServerState.ESTABLISHED) state[user] = ServerState.FIN_WAIT_1;
    else if (state[user] === ServerState.CLOSE_WAIT) state[user] = ServerState.LAST_ACK;
  }

  #emitReset(user: number, reply: Reply): void {
    const table = this.#table;
    table.flags[user] &= ~Flag.RST_QUEUED;
    this.#fill(user, reply, table.sndNxt[user], RST | ACK);
    reply.hasTimestamps = false;
    reply.window = 0;
  }

  #fill(user: number, reply: Reply, seq: Seq, flags: number): void {
    const table = this.#table;
    table.flags[user] &= ~(Flag.ACK_NOW | Flag.ACK_OWED);
    reply.path = table.path[user];
    reply.clientLow32 = table.clientLow32[user];
    reply.clientPort = table.clientPort[user];
    reply.seq = seq;
    reply.ack = table.rcvNxt[user];
    reply.flags = flags;
    const shift = table.flags[user] & Flag.SCALED ? this.#windowShift : 0;
    reply.window = Math.min(this.#settings.windowBytes >>> shift, WINDOW_FIELD_MAX);
    reply.hasTimestamps = (table.flags[user] & Flag.TIMESTAMPS) !== 0;
    reply.tsVal = (Math.floor(this.#nowNs / NS_PER_MS) + table.iss[user]) >>> 0;
    reply.tsEcr = table.tsRecent[user];
  }
}

/** The smallest shift with which the window fits its field. */
function windowShiftOf(windowBytes: number): number {
  let shift = 0;
  while (shift < WINDOW_SHIFT_MAX && windowBytes >>> shift > WINDOW_FIELD_MAX) shift++;
  return shift;
}
