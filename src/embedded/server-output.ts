/**
 * What a connection of the embedded target sends next, made out of its columns: in this order a
 * SYN-ACK, a repetition, payload and FIN as far as they are written and the window allows, the RST
 * that ends a stream, a bare acknowledgement.
 */
import { type Seq, seqAdd, seqAfter, seqDiff } from '../base/seq.ts';
import { NS_PER_MS } from '../base/time.ts';
import { ACK, FIN, PSH, RST, SYN } from '../wire/tcp.ts';
import { WINDOW_SCALE_MAX } from '../wire/tcp-options.ts';
import { type ConnectionTable, Flag, ServerState, U8, U16, U32 } from './connection-table.ts';
import type { ConnectionTimers } from './connection-timers.ts';
import type { HeldIntervals } from './held-intervals.ts';
import type { Reply } from './reply-writer.ts';

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

const WINDOW_FIELD_MAX = 0xffff;
/** RFC 6675, section 2. */
const DUP_THRESH = 3;

/** Decides what a connection sends next: handshake, acknowledgement, data, FIN, RST. */
export class ServerOutput {
  readonly #table: ConnectionTable;
  readonly #timers: ConnectionTimers;
  readonly #held: HeldIntervals;
  readonly #settings: ServerTcpSettings;
  readonly #windowShift: number;

  constructor(
    table: ConnectionTable,
    timers: ConnectionTimers,
    held: HeldIntervals,
    settings: ServerTcpSettings,
  ) {
    this.#table = table;
    this.#timers = timers;
    this.#held = held;
    this.#settings = settings;
    this.#windowShift = windowShiftOf(settings.windowBytes);
  }

  /** Fills `reply` with the connection's next packet. @returns whether there is one */
  emit(user: number, reply: Reply): boolean {
    const table = this.#table;
    const flags = table.flags[user * U16];
    reply.payloadBytes = 0;
    if (table.state[user * U8] === ServerState.CLOSED) {
      if ((flags & Flag.RST_QUEUED) === 0) return false;
      this.#emitReset(user, reply);
      return true;
    }
    if (table.state[user * U8] === ServerState.SYN_RECEIVED) {
      if ((flags & Flag.SYN_ACK_NOW) === 0) return false;
      this.#emitSynAck(user, reply);
      return true;
    }
    if (flags & Flag.RETRANSMIT_FIRST) {
      table.flags[user * U16] &= ~Flag.RETRANSMIT_FIRST;
      const una = table.sndUna[user * U32];
      const inFlight = Math.min(
        table.writtenAfter(user, una),
        seqDiff(table.sndMax[user * U32], una),
      );
      this.#emitData(user, reply, una, Math.min(inFlight, table.sendMss[user * U16]));
      return true;
    }
    if (flags & Flag.HELD && this.#emitLost(user, reply)) return true;
    const bytes = this.#sendableBytes(user);
    const isFin = flags & Flag.FIN_QUEUED && this.#isFinNext(user, bytes);
    if (bytes > 0 || isFin) {
      this.#emitData(user, reply, table.sndNxt[user * U32], bytes);
      return true;
    }
    if (flags & Flag.RST_QUEUED && table.writtenAfter(user, table.sndNxt[user * U32]) === 0) {
      this.#emitReset(user, reply);
      this.#timers.close(user);
      return true;
    }
    if ((flags & Flag.ACK_NOW) === 0) return false;
    this.#fill(user, reply, table.sndNxt[user * U32], ACK);
    const [from, to] = [table.outOfOrderFrom[user * U32], table.outOfOrderTo[user * U32]];
    if (flags & Flag.SACK && from !== to) reply.sack.add(from, to);
    return true;
  }

  /** A hole that the client reports, a packet at a time. @returns whether there is one */
  #emitLost(user: number, reply: Reply): boolean {
    const table = this.#table;
    const mss = table.sendMss[user * U16];
    const lost = this.#held.nextLost(user, (DUP_THRESH - 1) * mss);
    if (lost === null) return false;
    const written = table.writtenAfter(user, lost.from);
    const bytes = Math.min(seqDiff(lost.to, lost.from), written, this.#packetBytes(mss));
    this.#emitData(user, reply, lost.from, bytes);
    this.#held.repeated(user, seqAdd(lost.from, bytes));
    return true;
  }

  #packetBytes(mss: number): number {
    return Math.max(1, Math.floor(this.#settings.mergedBytesMax / mss)) * mss;
  }

  /** Payload of the next packet: what is written, the window allows, and one packet takes. */
  #sendableBytes(user: number): number {
    const table = this.#table;
    const isHeld = (table.flags[user * U16] & Flag.HELD) !== 0;
    // After a timeout what the client holds is stepped over.
    if (isHeld) table.sndNxt[user * U32] = this.#held.endOfHeld(user, table.sndNxt[user * U32]);
    const unsent = table.writtenAfter(user, table.sndNxt[user * U32]);
    if (unsent <= 0) return 0;
    const inFlight = seqDiff(table.sndNxt[user * U32], table.sndUna[user * U32]);
    const open = table.sndWnd[user * U32] - inFlight;
    if (open <= 0) {
      // A shut window is asked about by a timer, in case the news of its opening is lost.
      if (inFlight === 0 && (table.flags[user * U16] & Flag.PROBE) === 0) {
        this.#timers.startRetransmit(user);
      }
      const isProbe = (table.flags[user * U16] & Flag.PROBE) !== 0;
      table.flags[user * U16] &= ~Flag.PROBE;
      return isProbe ? 1 : 0;
    }
    const mss = table.sendMss[user * U16];
    const bytes = Math.min(unsent, open, this.#packetBytes(mss));
    return isHeld ? this.#held.bytesToHeld(user, table.sndNxt[user * U32], bytes) : bytes;
  }

  /** Whether the stream ends just behind the next `bytes` octets. */
  #isFinNext(user: number, bytes: number): boolean {
    const table = this.#table;
    return seqAdd(table.sndNxt[user * U32], bytes) === table.writtenSeq(user);
  }

  #emitSynAck(user: number, reply: Reply): void {
    const table = this.#table;
    const { iss } = table;
    table.flags[user * U16] &= ~Flag.SYN_ACK_NOW;
    this.#fill(user, reply, iss[user * U32], SYN | ACK);
    // The window of a SYN is never scaled (RFC 7323, section 2.2).
    reply.window = Math.min(this.#settings.windowBytes, WINDOW_FIELD_MAX);
    reply.mss = this.#settings.mss;
    reply.sackPermitted = (table.flags[user * U16] & Flag.SACK) !== 0;
    reply.windowScale = table.flags[user * U16] & Flag.SCALED ? this.#windowShift : -1;
    table.sndNxt[user * U32] = seqAdd(iss[user * U32], 1);
    table.sndMax[user * U32] = table.sndNxt[user * U32];
    this.#timers.startRetransmit(user);
  }

  /** A segment with `bytes` octets from `seq`, and the FIN where the stream ends there. */
  #emitData(user: number, reply: Reply, seq: Seq, bytes: number): void {
    const table = this.#table;
    const end = seqAdd(seq, bytes);
    const isLast = end === table.writtenSeq(user);
    const hasFin = isLast && (table.flags[user * U16] & Flag.FIN_QUEUED) !== 0;
    this.#fill(user, reply, seq, ACK | (isLast && bytes > 0 ? PSH : 0) | (hasFin ? FIN : 0));
    reply.payloadBytes = bytes;
    const next = hasFin ? seqAdd(end, 1) : end;
    if (seqAfter(next, table.sndNxt[user * U32])) table.sndNxt[user * U32] = next;
    if (seqAfter(next, table.sndMax[user * U32])) table.sndMax[user * U32] = next;
    if (hasFin) this.#onFinSent(user);
    this.#timers.startRetransmit(user);
  }

  #onFinSent(user: number): void {
    const { state } = this.#table;
    if (state[user * U8] === ServerState.ESTABLISHED) state[user * U8] = ServerState.FIN_WAIT_1;
    else if (state[user * U8] === ServerState.CLOSE_WAIT) state[user * U8] = ServerState.LAST_ACK;
  }

  #emitReset(user: number, reply: Reply): void {
    const table = this.#table;
    table.flags[user * U16] &= ~Flag.RST_QUEUED;
    this.#fill(user, reply, table.sndNxt[user * U32], RST | ACK);
    reply.hasTimestamps = false;
    reply.window = 0;
  }

  #fill(user: number, reply: Reply, seq: Seq, flags: number): void {
    const table = this.#table;
    table.flags[user * U16] &= ~(Flag.ACK_NOW | Flag.ACK_OWED);
    reply.sack.count = 0;
    reply.path = table.path[user * U16];
    reply.clientLow32 = table.clientLow32[user * U32];
    reply.clientPort = table.clientPort[user * U16];
    reply.seq = seq;
    reply.ack = table.rcvNxt[user * U32];
    reply.flags = flags;
    const shift = table.flags[user * U16] & Flag.SCALED ? this.#windowShift : 0;
    reply.window = Math.min(this.#settings.windowBytes >>> shift, WINDOW_FIELD_MAX);
    reply.hasTimestamps = (table.flags[user * U16] & Flag.TIMESTAMPS) !== 0;
    reply.tsVal = (Math.floor(this.#timers.nowNs / NS_PER_MS) + table.iss[user * U32]) | 0;
    reply.tsEcr = table.tsRecent[user * U32];
  }
}

/** The smallest shift with which the window fits its field. */
function windowShiftOf(windowBytes: number): number {
  let shift = 0;
  while (shift < WINDOW_SCALE_MAX && windowBytes >>> shift > WINDOW_FIELD_MAX) shift++;
  return shift;
}
