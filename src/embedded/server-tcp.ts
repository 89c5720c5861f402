/**
 * The server half of TCP (RFC 9293) for all connections, without a clock: it listens on every
 * address and port that a known client knocks on, plays the recorded server's script, and keeps to
 * the standard in what it accepts and repeats.
 *
 * Three verbs: `onSegment` (something came in), `onTimeout` (a timer is due), `emit` (write the next
 * packet). A connection that has something to send stands in a queue, once; what it sends is made
 * out of its columns when it is asked for, so that nothing is stored for packets in flight.
 *
 * It retransmits by a timer of one second that doubles, and on three duplicate acknowledgements, or
 * what lies before what a client reports that it holds (SACK), and reports what it keeps itself. It
 * has no congestion window: between it and its clients there is no network that could be congested.
 * It keeps one out-of-order interval. It acknowledges every second segment at once, and a single one
 * together with the answer when that is due within 40 ms.
 */
import { hash32 } from '../base/prng.ts';
import { type Seq, seqAdd, seqAfter, seqBefore, seqDiff } from '../base/seq.ts';
import { NEVER_NS, NS_PER_MS } from '../base/time.ts';
import type { ClientTexts } from '../transport/ports.ts';
import { ACK, FIN, RST, SYN, type TcpView } from '../wire/tcp.ts';
import type { TcpOptions } from '../wire/tcp-options.ts';
import { type ConnectionTable, F64, Flag, ServerState, U8, U16, U32 } from './connection-table.ts';
import { ConnectionTimers } from './connection-timers.ts';
import { HeldIntervals } from './held-intervals.ts';
import { ReadyQueue } from './ready-queue.ts';
import { type PayloadCheck, ReceivedText } from './received-text.ts';
import type { Reply } from './reply-writer.ts';
import { agreeOptions, isInWindow, isTooOld, stateAfterFin } from './segment-rules.ts';
import { ServerOutput, type ServerTcpSettings } from './server-output.ts';
import type { ServerScript } from './server-script.ts';

/** Linux' tcp_synack_retries, and tcp_retries2: then a client is forgotten. */
const SYN_ACK_RETRIES_MAX = 5;
const RETRIES_MAX = 15;
const DUPLICATE_ACKS = 3;
const DELAYED_ACK_NS = 40 * NS_PER_MS;

/** The connections of all users: one a user. */
export class ServerTcp {
  readonly #table: ConnectionTable;
  readonly #script: ServerScript;
  readonly #text: ReceivedText;
  readonly #settings: ServerTcpSettings;
  readonly #timers: ConnectionTimers;
  readonly #queue: ReadyQueue;
  readonly #output: ServerOutput;
  readonly #held = new HeldIntervals();

  constructor(
    users: number,
    table: ConnectionTable,
    script: ServerScript,
    check: PayloadCheck,
    settings: ServerTcpSettings,
  ) {
    this.#table = table;
    this.#script = script;
    this.#text = new ReceivedText(table, check);
    this.#settings = settings;
    this.#timers = new ConnectionTimers(users, table);
    this.#queue = new ReadyQueue(users, table);
    this.#output = new ServerOutput(table, this.#timers, this.#held, settings);
  }

  /** What clients say may differ from the recording. */
  followTexts(texts: ClientTexts): void {
    this.#text.texts = texts;
  }

  /** Whether a connection has something to send now. */
  get isReady(): boolean {
    return !this.#queue.isEmpty;
  }

  /** When `onTimeout` has something to do. */
  nextDueNs(): number {
    return this.#timers.nextDueNs();
  }

  /** Runs at most `limit` timers that are due. */
  onTimeout(nowNs: number, limit: number): void {
    this.#timers.advance(nowNs, limit, this);
  }

  /** The wheel says that something of the connection's is due; nobody else calls this. */
  onDue(user: number): void {
    const table = this.#table;
    const { nowNs } = this.#timers;
    const scriptDueNs = table.scriptDueNs[user * F64];
    if (scriptDueNs <= nowNs) this.#onScriptDue(user, scriptDueNs);
    if (table.retransmitDueNs[user * F64] <= nowNs) this.#onRetransmitDue(user, nowNs);
    this.#timers.arm(user);
  }

  /** Whether a connection of the user's is open to this client address and port. */
  isOpen(user: number, clientLow32: number, clientPort: number): boolean {
    const table = this.#table;
    return (
      table.state[user * U8] !== ServerState.CLOSED &&
      table.clientPort[user * U16] === clientPort &&
      table.clientLow32[user * U32] === clientLow32
    );
  }

  /** Whether the user has no connection at all. */
  isClosed(user: number): boolean {
    return this.#table.state[user * U8] === ServerState.CLOSED;
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
    this.#timers.nowNs = nowNs;
    const port = segment.srcPort;
    const iss = (hash32(clientLow32, this.#settings.seed) + hash32(port, user)) | 0;
    this.#held.forget(user);
    table.clientLow32[user * U32] = clientLow32;
    table.clientPort[user * U16] = port;
    table.path[user * U16] = path;
    table.listen(user, iss, segment.seq, segment.window);
    agreeOptions(table, user, options, this.#settings.mss);
    this.#script.begin(user, session);
    table.scriptDueNs[user * F64] = nowNs + this.#script.connectNs(session);
    this.#takeDueSteps(user, nowNs);
    this.#timers.arm(user);
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
    table.path[user * U16] = path;
    table.clientLow32[user * U32] = clientLow32;
    table.clientPort[user * U16] = segment.srcPort;
    table.rcvNxt[user * U32] = seqAdd(segment.seq, segLen);
    table.sndNxt[user * U32] = flags & ACK ? segment.ack : 0;
    table.flags[user * U16] = (table.flags[user * U16] & Flag.QUEUED) | Flag.RST_QUEUED;
    this.#queue.add(user, nowNs);
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
    this.#timers.nowNs = nowNs;
    const { flags, seq } = segment;
    if (table.state[user * U8] === ServerState.SYN_RECEIVED && !this.#onHandshake(user, segment)) {
      this.#timers.arm(user);
      return;
    }
    const segLen = payloadBytes + (flags & FIN ? 1 : 0) + (flags & SYN ? 1 : 0);
    const { windowBytes } = this.#settings;
    const isIn = isInWindow(table.rcvNxt[user * U32], windowBytes, seq, segLen);
    if (!isIn || isTooOld(table, user, options, flags)) {
      if (!(flags & RST)) this.#acknowledgeNow(user, nowNs);
      return;
    }
    if (flags & RST) {
      // RFC 5961, section 3: only the exact number is believed.
      if (seq === table.rcvNxt[user * U32]) this.#timers.close(user);
      else this.#acknowledgeNow(user, nowNs);
      return;
    }
    if (flags & SYN) {
      this.#acknowledgeNow(user, nowNs);
      return;
    }
    if (!(flags & ACK) || !this.#onAck(user, segment, options, segLen, nowNs)) return;
    // Last.ACK.sent of RFC 7323, section 4.3, is RCV.NXT unless an acknowledgement is owed.
    const isOwed = (table.flags[user * U16] & (Flag.ACK_OWED | Flag.ACK_NOW)) !== 0;
    if (options.hasTimestamps && !isOwed && !seqAfter(seq, table.rcvNxt[user * U32])) {
      table.tsRecent[user * U32] = options.tsVal;
    }
    if (segLen > 0) this.#onText(user, seq, payloadBytes, (flags & FIN) !== 0, nowNs);
    if (table.state[user * U8] !== ServerState.CLOSED) this.#timers.arm(user);
  }

  /**
   * Fills `reply` with the next packet.
   * @returns the user it belongs to, or -1 when there is nothing to send
   */
  emit(reply: Reply): number {
    const queue = this.#queue;
    while (!queue.isEmpty) {
      const user = queue.first;
      if (this.#output.emit(user, reply)) return user;
      queue.removeFirst();
    }
    return -1;
  }

  /** In SYN-RECEIVED. @returns whether the segment is to be looked at further: we are connected */
  #onHandshake(user: number, segment: TcpView): boolean {
    const table = this.#table;
    const { flags } = segment;
    const isAnswered = table.sndMax[user * U32] !== table.iss[user * U32];
    if (flags & SYN) {
      const isAgain = isAnswered && segment.seq === table.irs[user * U32];
      if (isAgain) this.#queueSynAck(user, this.#timers.nowNs);
      return false;
    }
    if (flags & RST) {
      if (segment.seq === table.rcvNxt[user * U32]) this.#timers.close(user);
      return false;
    }
    // Whatever does not acknowledge our SYN belongs to an older connection of these ports.
    return (flags & ACK) !== 0 && isAnswered && segment.ack === table.sndMax[user * U32];
  }

  /** @returns whether the rest of the segment counts */
  #onAck(
    user: number,
    segment: TcpView,
    options: TcpOptions,
    segLen: number,
    nowNs: number,
  ): boolean {
    const table = this.#table;
    const { ack } = segment;
    if (seqAfter(ack, table.sndMax[user * U32])) {
      this.#acknowledgeNow(user, nowNs);
      return false;
    }
    const advance = seqDiff(ack, table.sndUna[user * U32]);
    if (advance < 0) return true;
    const sndWnd = segment.window << table.sndWndShift[user * U8];
    const isSameWindow = sndWnd === table.sndWnd[user * U32];
    const { sndNxt, sndUna } = table;
    // A shut window has opened: begin with the probe's octet, which was not taken.
    if (table.sndWnd[user * U32] === 0 && sndWnd > 0) sndNxt[user * U32] = sndUna[user * U32];
    // Who still answers that its window is shut is not given up.
    if (sndWnd === 0) table.retries[user * U8] = 0;
    table.sndWnd[user * U32] = sndWnd;
    if (advance > 0) this.#onNewAck(user, ack, nowNs);
    const reports = table.flags[user * U16] & Flag.HELD || options.sack.count > 0;
    if (table.flags[user * U16] & Flag.SACK && reports) {
      this.#onSack(user, options, nowNs);
    } else if (advance === 0 && segLen === 0 && isSameWindow && ack !== table.sndMax[user * U32]) {
      table.duplicateAcks[user * U8]++;
      if (table.duplicateAcks[user * U8] === DUPLICATE_ACKS) {
        table.flags[user * U16] |= Flag.RETRANSMIT_FIRST;
        this.#queue.add(user, nowNs);
      }
    }
    if (table.hasUnsent(user)) this.#queue.add(user, nowNs);
    return table.state[user * U8] !== ServerState.CLOSED;
  }

  /** Holes of which the client holds enough behind are sent again, once before a timeout. */
  #onSack(user: number, { sack }: TcpOptions, nowNs: number): void {
    const table = this.#table;
    const { sndUna, sndMax, sendMss } = table;
    const isHeld = this.#held.note(user, sndUna[user * U32], sndMax[user * U32], sack);
    table.flags[user * U16] &= ~Flag.HELD;
    if (!isHeld) return;
    table.flags[user * U16] |= Flag.HELD;
    const enough = (DUPLICATE_ACKS - 1) * sendMss[user * U16];
    if (this.#held.nextLost(user, enough) !== null) this.#queue.add(user, nowNs);
  }

  #onNewAck(user: number, ack: Seq, nowNs: number): void {
    const table = this.#table;
    table.sndUna[user * U32] = ack;
    if (seqBefore(table.sndNxt[user * U32], ack)) table.sndNxt[user * U32] = ack;
    table.retries[user * U8] = 0;
    table.duplicateAcks[user * U8] = 0;
    table.flags[user * U16] &= ~(Flag.RETRANSMIT_FIRST | Flag.PROBE);
    const isAll = ack === table.sndMax[user * U32];
    if (isAll) table.retransmitDueNs[user * F64] = NEVER_NS;
    else this.#timers.restartRetransmit(user);
    if (table.state[user * U8] === ServerState.SYN_RECEIVED) {
      table.state[user * U8] = ServerState.ESTABLISHED;
      this.#wakeScript(user, nowNs);
    } else if (isAll && table.hasSentFin(user)) {
      const next = stateAfterFin(table.state[user * U8]);
      if (next === ServerState.CLOSED) this.#timers.close(user);
      else table.state[user * U8] = next;
    }
  }

  /** Payload and FIN: RFC 9293, section 3.10.7.4, seventh and eighth. */
  #onText(user: number, seq: Seq, payloadBytes: number, hasFin: boolean, nowNs: number): void {
    const table = this.#table;
    if (table.flags[user * U16] & Flag.PEER_FIN) {
      this.#acknowledgeNow(user, nowNs);
      return;
    }
    if (seqAfter(seq, table.rcvNxt[user * U32])) {
      this.#text.keep(user, seq, payloadBytes);
      this.#acknowledgeNow(user, nowNs);
      return;
    }
    const skip = seqDiff(table.rcvNxt[user * U32], seq);
    if (skip < payloadBytes) this.#text.take(user, seq, skip, payloadBytes);
    if (hasFin && table.rcvNxt[user * U32] === seqAdd(seq, payloadBytes)) {
      this.#text.onFin(user);
      table.flags[user * U16] |= Flag.ACK_NOW;
    }
    this.#wakeScript(user, nowNs);
    this.#acknowledge(user, nowNs);
  }

  /** Something that the script may wait for has come in. */
  #wakeScript(user: number, nowNs: number): void {
    const table = this.#table;
    if (table.scriptDueNs[user * F64] !== NEVER_NS) return;
    table.scriptDueNs[user * F64] = this.#script.dueNs(user, nowNs);
    this.#takeDueSteps(user, nowNs);
  }

  #takeDueSteps(user: number, nowNs: number): void {
    const dueNs = this.#table.scriptDueNs[user * F64];
    if (dueNs <= nowNs) this.#onScriptDue(user, dueNs);
  }

  /** The SYN-ACK, or the script's next step and those that follow it without a pause. */
  #onScriptDue(user: number, dueNs: number): void {
    const table = this.#table;
    if (table.state[user * U8] === ServerState.SYN_RECEIVED) {
      table.scriptDueNs[user * F64] = NEVER_NS;
      this.#queueSynAck(user, dueNs);
      return;
    }
    let stepNs = dueNs;
    // Each step's think time counts from when the one before was due, not from when it was seen.
    while (stepNs <= this.#timers.nowNs) {
      this.#script.step(user);
      this.#queue.add(user, stepNs);
      stepNs = this.#script.dueNs(user, stepNs);
    }
    table.scriptDueNs[user * F64] = stepNs;
    if (table.flags[user * U16] & Flag.ACK_OWED) table.flags[user * U16] |= Flag.ACK_NOW;
  }

  #onRetransmitDue(user: number, nowNs: number): void {
    const table = this.#table;
    table.retransmitDueNs[user * F64] = NEVER_NS;
    const isHandshake = table.state[user * U8] === ServerState.SYN_RECEIVED;
    if (table.retries[user * U8] >= (isHandshake ? SYN_ACK_RETRIES_MAX : RETRIES_MAX)) {
      this.#timers.close(user);
      return;
    }
    table.retries[user * U8]++;
    table.duplicateAcks[user * U8] = 0;
    if (isHandshake) {
      this.#queueSynAck(user, nowNs);
      return;
    }
    table.sndNxt[user * U32] = table.sndUna[user * U32];
    this.#held.repeated(user, table.sndUna[user * U32]);
    if (table.sndWnd[user * U32] === 0) table.flags[user * U16] |= Flag.PROBE;
    this.#queue.add(user, nowNs);
  }

  #queueSynAck(user: number, nowNs: number): void {
    this.#table.flags[user * U16] |= Flag.SYN_ACK_NOW;
    this.#queue.add(user, nowNs);
  }

  #acknowledgeNow(user: number, nowNs: number): void {
    this.#table.flags[user * U16] |= Flag.ACK_NOW;
    this.#queue.add(user, nowNs);
  }

  /** Owed acknowledgements wait for the answer when it comes soon. */
  #acknowledge(user: number, nowNs: number): void {
    const table = this.#table;
    const flags = table.flags[user * U16];
    if (flags & Flag.ACK_OWED && table.scriptDueNs[user * F64] > nowNs + DELAYED_ACK_NS) {
      table.flags[user * U16] |= Flag.ACK_NOW;
    }
    if (table.flags[user * U16] & Flag.ACK_NOW) this.#queue.add(user, nowNs);
  }
}
