/**
 * TCP as a Transport: every user's connection (TcpClient), its segments as frames, and what came of
 * those that come in.
 */
import { Instant } from '../base/instant.ts';
import { type NarrowColumn, narrowColumn } from '../base/narrow-column.ts';
import { seqAdd } from '../base/seq.ts';
import { Counter } from '../measure/counters.ts';
import type { Connections } from '../schedule/connections.ts';
import { TcpClient } from '../tcp/tcp-client.ts';
import { TcpEvent } from '../tcp/tcp-event.ts';
import { State, UserTable } from '../tcp/user-table.ts';
import type { IpView } from '../wire/ip-view.ts';
import { ACK, FIN, RST, SYN, type TcpView } from '../wire/tcp.ts';
import type { TcpOptions } from '../wire/tcp-options.ts';
import type { ClientStream } from './client-stream.ts';
import type { HeldOctets, Piece } from './held-octets.ts';
import { Outbox } from './outbox.ts';
import type { Owners } from './owners.ts';
import { PathMessages } from './path-messages.ts';
import type { Sender } from './ports.ts';
import { SegmentFrames } from './segment-frames.ts';
import {
  type Delivery,
  NOBODY,
  type SendTimes,
  type Transport,
  type TransportEvent,
} from './transport.ts';
import type { TransportPlan } from './transport-plan.ts';

/** The bits of TcpEvent that mean the same to a player. */
const TOLD: typeof TransportEvent = {
  NONE: TcpEvent.NONE,
  CONNECTED: TcpEvent.CONNECTED,
  DATA: TcpEvent.DATA,
  ACKED: TcpEvent.ACKED,
  PEER_FIN: TcpEvent.PEER_FIN,
  CLOSED: TcpEvent.CLOSED,
  REFUSED: TcpEvent.REFUSED,
  RESET: TcpEvent.RESET,
  GAVE_UP: TcpEvent.GAVE_UP,
};
const TOLD_BITS = Object.values(TOLD).reduce<number>((bits, bit) => bits | bit, 0);

/** What a segment brought, and the segment's own payload. */
export interface TcpDelivery extends Delivery {
  /** Its length, where it begins in `data`, and how much of it is there. */
  readonly payloadBytes: number;
  readonly payloadStart: number;
  readonly payloadCapturedBytes: number;
}

const NO_PIECES: readonly Piece[] = [];

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** All TCP connections of a thread, behind the port that the player knows. */
export class TcpTransport implements Transport {
  readonly users: UserTable;
  readonly delivery: Mutable<TcpDelivery>;
  readonly #plan: TransportPlan;
  readonly #connections: Connections;
  readonly #counters: Float64Array;
  /** A row a user: whose server it talks to, a row in the plan's targets. */
  readonly #target: NarrowColumn;
  readonly #outbox: Outbox;
  readonly #frames: SegmentFrames;
  readonly #tcp: TcpClient;
  readonly #paths: PathMessages;
  readonly #data: DataView;
  /** Null where nobody reads what comes in: then behind holes places are kept, and no octets. */
  readonly #held: HeldOctets | null;
  /** Of the packet at hand: octets that had been waiting behind a hole, from the next piece on. */
  #pieces: readonly Piece[] = NO_PIECES;
  #piece = 0;
  #isPushed = false;

  /**
   * @param data where packets that come in lie
   * @param now when what is asked for happens: set before
   */
  constructor(
    plan: TransportPlan,
    stream: ClientStream,
    connections: Connections,
    owners: Owners,
    sender: Sender,
    times: SendTimes,
    data: DataView,
    counters: Float64Array,
    now: Instant,
    held: HeldOctets | null = null,
  ) {
    const users = new UserTable(connections.count, now);
    const target = narrowColumn(connections.count, plan.targets.length);
    const outbox = new Outbox(sender, times);
    const frames = new SegmentFrames(plan, outbox, stream, users, connections, target, counters);
    const tcp = new TcpClient(users, stream, frames, plan.tcp, plan.pool.clients.family);
    this.users = users;
    this.delivery = {
      bytes: 0,
      isPushed: false,
      arrived: new Instant(),
      data,
      dataStart: 0,
      atHandBytes: 0,
      payloadBytes: 0,
      payloadStart: 0,
      payloadCapturedBytes: 0,
    };
    this.#plan = plan;
    this.#connections = connections;
    this.#counters = counters;
    this.#target = target;
    this.#outbox = outbox;
    this.#frames = frames;
    this.#tcp = tcp;
    this.#data = data;
    this.#held = held;
    this.#paths = new PathMessages(plan, connections, owners, target, tcp, counters);
  }

  open(user: number, target: number, mayOfferSack: boolean): void {
    this.#target[user] = target;
    this.#held?.forget(user);
    const iss = this.#frames.issOf(user);
    this.#tcp.open(user, iss, mayOfferSack && this.#plan.syn.sackPermitted);
  }

  /** The target with this row in the plan is reached by another link header from now on. */
  setLink(target: number, link: Uint8Array): void {
    this.#frames.setLink(target, link);
  }

  emit(user: number): void {
    if (this.#paths.hasLearnt) this.#paths.limit(user);
    this.#tcp.emit(user);
  }

  finish(user: number): void {
    this.#tcp.finish(user);
  }

  abort(user: number): void {
    this.#held?.forget(user);
    this.#tcp.abort(user);
  }

  expectMore(user: number): void {
    this.#tcp.acknowledgeNow(user);
  }

  dueNs(user: number): number {
    return this.users.dueNs[user];
  }

  onTimeout(user: number): number {
    if (this.#paths.hasLearnt) this.#paths.limit(user);
    const events = this.#tcp.onTimeout(user);
    if (events & TcpEvent.MSS_LOWERED) this.#counters[Counter.SMALLER_TRIED]++;
    return events & TOLD_BITS;
  }

  hasLeftLate(user: number, sinceNs: number, byNs: number): void {
    this.#tcp.hasLeftLate(user, sinceNs, byNs);
  }

  isOpening(user: number): boolean {
    return this.users.state[user] === State.SYN_SENT;
  }

  isOutstanding(user: number): boolean {
    return this.#tcp.isOutstanding(user);
  }

  isRepeating(user: number): boolean {
    return this.#tcp.isRetransmitting(user);
  }

  ackedBytes(user: number): number {
    return this.#tcp.ackedBytes(user);
  }

  hasHole(user: number): boolean {
    return this.#tcp.hasHole(user);
  }

  roundTripUs(user: number): number {
    return this.#tcp.roundTripUs(user);
  }

  flush(): void {
    this.#outbox.flush();
  }

  /** In TIME-WAIT a lost last ACK makes the server repeat its FIN. */
  lingerRoundTripUs(): number {
    const { state, srttUs } = this.users;
    return state.reduce(
      (longest, of, user) => (of === State.TIME_WAIT ? Math.max(longest, srttUs[user]) : longest),
      NOBODY,
    );
  }

  /**
   * A segment to the user's present connection, whose source is not checked yet; `delivery` holds its
   * payload's place.
   * @returns bits of TransportEvent, or NOT_FROM_TARGET
   */
  onSegment(user: number, ip: IpView, segment: TcpView, options: TcpOptions): number {
    const target = this.#plan.targets[this.#target[user]];
    if (segment.srcPort !== target.port || !ip.srcMatches(target.address)) return NOT_FROM_TARGET;
    const { delivery } = this;
    const tcp = this.#tcp;
    const events = tcp.onSegment(user, segment, options, delivery.payloadBytes);
    const counters = this.#counters;
    if (events & TcpEvent.OUT_OF_WINDOW) {
      counters[Counter.DROPPED_OUT_OF_WINDOW]++;
      if (events & TcpEvent.OLD_CONNECTION) counters[Counter.OLD_CONNECTIONS]++;
    }
    if (events & TcpEvent.OUT_OF_ORDER_LOST) counters[Counter.DROPPED_OUT_OF_ORDER]++;
    if (events & TcpEvent.DATA) {
      this.#deliver(user);
      counters[Counter.PAYLOAD_BYTES_RECEIVED] += tcp.deliveredBytes;
    } else if (this.#held !== null && tcp.isKept) {
      const { payloadStart, payloadCapturedBytes } = delivery;
      this.#held.keep(user, segment.seq, this.#data, payloadStart, payloadCapturedBytes);
    }
    return events & TOLD_BITS;
  }

  /** What had come before is not told again, and what waited behind a hole follows piece by piece. */
  #deliver(user: number): void {
    const { delivery } = this;
    const tcp = this.#tcp;
    const skip = tcp.repeatedBytes;
    delivery.data = this.#data;
    delivery.bytes = tcp.deliveredBytes;
    delivery.isPushed = tcp.deliveredPush;
    delivery.dataStart = delivery.payloadStart + skip;
    delivery.atHandBytes = Math.max(0, delivery.payloadCapturedBytes - skip);
    const ownBytes = delivery.payloadBytes - skip;
    this.#pieces = NO_PIECES;
    if (this.#held === null || delivery.bytes <= ownBytes) return;
    const reached = seqAdd(tcp.deliveredFrom, delivery.bytes);
    this.#pieces = this.#held.take(user, seqAdd(tcp.deliveredFrom, ownBytes), reached);
    this.#piece = 0;
    this.#isPushed = delivery.isPushed;
    delivery.bytes = ownBytes;
    delivery.isPushed = false;
  }

  nextPiece(): boolean {
    if (this.#pieces.length === 0) return false;
    const { delivery } = this;
    const piece = this.#pieces[this.#piece++];
    delivery.data = piece.data;
    delivery.bytes = piece.bytes;
    delivery.dataStart = piece.start;
    delivery.atHandBytes = piece.atHandBytes;
    if (this.#piece < this.#pieces.length) return true;
    delivery.isPushed = this.#isPushed;
    this.#pieces = NO_PIECES;
    return true;
  }

  /** Whether this is the user's present connection, and there is one. */
  isOpen(user: number, connection: number): boolean {
    return (
      this.users.state[user] !== State.CLOSED && this.#connections.numberOf(user) === connection
    );
  }

  /** RFC 9293, section 3.10.7.1: no such connection (a killed run's, perhaps), or it is over. */
  rejectSegment(
    user: number,
    connection: number,
    ip: IpView,
    segment: TcpView,
    payloadBytes: number,
  ): void {
    const { flags } = segment;
    if (flags & RST) return;
    const target = this.#plan.targets.findIndex(
      ({ port, address }) => port === segment.srcPort && ip.srcMatches(address),
    );
    if (target < 0) return;
    const segLen = payloadBytes + (flags & SYN ? 1 : 0) + (flags & FIN ? 1 : 0);
    const isOfUser = this.#connections.numberOf(user) === connection;
    if (isOfUser && this.#tcp.isOvertaken(user, segment, segLen)) return;
    if (flags & ACK) {
      this.#frames.emitReset(target, connection, segment.ack, 0, false);
    } else {
      const ack = seqAdd(segment.seq, segLen);
      this.#frames.emitReset(target, connection, 0, ack, true);
    }
  }

  /**
   * A packet that is not TCP's: a router's message, perhaps.
   * @param ip its headers, whose `check` has said NOT_TCP
   * @returns the user whose `dueNs` has changed, or NO_USER
   */
  onOtherPacket(start: number, capturedBytes: number, ip: IpView): number {
    return this.#paths.onPacket(this.delivery.data, start, capturedBytes, ip);
  }
}

/** Of `TcpTransport.onSegment`: the segment is another machine's, or another port's. */
export const NOT_FROM_TARGET = -1;
