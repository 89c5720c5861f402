/**
 * TCP segments to frames: address and port from the connection's number, octets and checksum from the
 * user's stream, headers into the batch.
 */

import type { Instant } from '../base/instant.ts';
import type { NarrowColumn } from '../base/narrow-column.ts';
import { hash32, hashBits32 } from '../base/prng.ts';
import { type Seq, seqBefore } from '../base/seq.ts';
import { NS_PER_MS } from '../base/time.ts';
import { Counter } from '../measure/counters.ts';
import type { Connections } from '../schedule/connections.ts';
import type { SegmentOutput } from '../tcp/ports.ts';
import { Count, UserFlag, type UserTable } from '../tcp/user-table.ts';
import { FrameWriter, OptionsKind } from '../wire/frame-writer.ts';
import { ACK, FIN, RST, SYN } from '../wire/tcp.ts';
import type { SackBlocks } from '../wire/tcp-options.ts';
import type { ClientStream } from './client-stream.ts';
import type { Outbox } from './outbox.ts';
import type { TransportPlan } from './transport-plan.ts';

const WINDOW_FIELD_MAX = 0xffff;
/** Tells this use of the connection's number from others. */
const TIMESTAMP_SALT = 0x7473_7661;

/** Writes the segments that TCP decides on into the outbox's batch. */
export class SegmentFrames implements SegmentOutput {
  readonly #plan: TransportPlan;
  readonly #outbox: Outbox;
  readonly #stream: ClientStream;
  readonly #users: UserTable;
  readonly #connections: Connections;
  /** A row a user: whose server it talks to, a row in the plan's targets. */
  readonly #target: NarrowColumn;
  readonly #counters: Float64Array;
  readonly #writer: FrameWriter;
  readonly #routes: readonly number[];
  #ipId = 0;

  constructor(
    plan: TransportPlan,
    outbox: Outbox,
    stream: ClientStream,
    users: UserTable,
    connections: Connections,
    target: NarrowColumn,
    counters: Float64Array,
  ) {
    this.#plan = plan;
    this.#outbox = outbox;
    this.#stream = stream;
    this.#users = users;
    this.#connections = connections;
    this.#target = target;
    this.#counters = counters;
    const { family, prefix } = plan.pool.clients;
    this.#writer = new FrameWriter(outbox.batch, { family });
    this.#writer.synOptions = plan.syn;
    const source = new Uint8Array(family === 4 ? 4 : 16);
    source.set(prefix);
    this.#routes = plan.targets.map(({ link, address }) =>
      this.#writer.addRoute(link, address, source),
    );
    this.#ipId = hash32(plan.seed, plan.shard) & 0xffff;
  }

  /** The target with this row in the plan is reached by another link header from now on. */
  setLink(target: number, link: Uint8Array): void {
    this.#writer.setLink(this.#routes[target], link);
  }

  /** Initial sequence number: RFC 6528, a clock of 4 µs and a hash of the connection. */
  issOf(user: number): Seq {
    const clock = Math.floor((this.#plan.epochMs * 1e3 + this.#users.now.ns / 1e3) / 4);
    return (hash32(this.#connections.numberOf(user), this.#plan.seed) + clock) | 0;
  }

  emitSegment(
    user: number,
    seq: Seq,
    ack: Seq,
    flags: number,
    offset: number,
    payloadBytes: number,
  ): void {
    const outbox = this.#outbox;
    outbox.makeRoom();
    const { batch } = outbox;
    const users = this.#users;
    let sum = 0;
    if (payloadBytes === 0) batch.extentCount[batch.count] = 0;
    else sum = this.#stream.put(user, offset, payloadBytes, users.sendMss[user], batch);
    const hasTimestamps = (users.flags[user] & UserFlag.TIMESTAMPS) !== 0;
    const isSyn = (flags & SYN) !== 0;
    this.#writeHeader(
      this.#target[user],
      this.#connections.numberOf(user),
      seq,
      ack,
      flags,
      flags & RST ? 0 : this.#windowField(user, flags),
      isSyn ? this.#synKind(user) : hasTimestamps ? OptionsKind.TIMESTAMPS : OptionsKind.NONE,
      isSyn ? 0 : users.tsRecent[user] | 0,
      payloadBytes,
      sum,
    );
    this.#count(user, seq, flags, payloadBytes);
    outbox.add(user, isSyn, offset + payloadBytes);
  }

  #synKind(user: number): OptionsKind {
    const offersSack = (this.#users.flags[user] & UserFlag.SACK) !== 0;
    return offersSack ? OptionsKind.SYN : OptionsKind.SYN_WITHOUT_SACK;
  }

  emitSack(user: number, seq: Seq, ack: Seq, sack: SackBlocks): void {
    this.#outbox.makeRoom();
    const { batch } = this.#outbox;
    batch.extentCount[batch.count] = 0;
    const users = this.#users;
    const hasTimestamps = (users.flags[user] & UserFlag.TIMESTAMPS) !== 0;
    this.#writer.sack = sack;
    this.#writeHeader(
      this.#target[user],
      this.#connections.numberOf(user),
      seq,
      ack,
      ACK,
      this.#windowField(user, ACK),
      hasTimestamps ? OptionsKind.TIMESTAMPS_SACK : OptionsKind.SACK,
      users.tsRecent[user] | 0,
      0,
      0,
    );
    this.#counters[Counter.PACKETS_SENT]++;
    batch.count++;
  }

  #writeHeader(
    target: number,
    connection: number,
    seq: Seq,
    ack: Seq,
    flags: number,
    window: number,
    optionsKind: number,
    tsEcr: number,
    payloadBytes: number,
    payloadSum: number,
  ): void {
    const { pool, targets } = this.#plan;
    this.#ipId = (this.#ipId + 1) & 0xffff;
    this.#writer.writeTcp(
      this.#routes[target],
      pool.lowBitsOf(connection),
      pool.portOf(connection),
      targets[target].port,
      this.#ipId,
      seq,
      ack,
      flags,
      window,
      optionsKind,
      this.#tsVal(connection, this.#users.now),
      tsEcr,
      payloadBytes,
      payloadSum,
    );
  }

  #windowField(user: number, flags: number): number {
    const { windowBytes } = this.#plan.tcp;
    const isScaled = (flags & SYN) === 0 && (this.#users.flags[user] & UserFlag.SCALED) !== 0;
    const shift = isScaled ? Math.max(0, this.#plan.syn.windowScale) : 0;
    return Math.min(windowBytes >>> shift, WINDOW_FIELD_MAX);
  }

  timestampOf(user: number, at: Instant = this.#users.now): number {
    return this.#tsVal(this.#connections.numberOf(user), at);
  }

  /** Milliseconds, moved by a hash: rises within a connection and from run to run. 32 bits with a sign. */
  #tsVal(connection: number, at: Instant): number {
    const ms = Math.floor(this.#plan.epochMs + at.ns / NS_PER_MS);
    return (ms + hashBits32(connection, TIMESTAMP_SALT)) | 0;
  }

  /** What was sent before lies below `sndMax`, which moves on only after this. */
  #count(user: number, seq: Seq, flags: number, payloadBytes: number): void {
    const counters = this.#counters;
    counters[Counter.PACKETS_SENT]++;
    counters[Counter.PAYLOAD_BYTES_SENT] += payloadBytes;
    if (flags & SYN) {
      if (this.#users.count(user, Count.RETRIES) > 0) counters[Counter.SYN_RETRANSMITTED]++;
    } else if (payloadBytes > 0 || flags & FIN) {
      if (seqBefore(seq, this.#users.sndMax[user])) counters[Counter.RETRANSMITTED]++;
    }
  }

  /** Answer a segment that belongs to no connection with an RST (RFC 9293, section 3.10.7.1). */
  emitReset(target: number, connection: number, seq: Seq, ack: Seq, hasAck: boolean): void {
    this.#outbox.makeRoom();
    const { batch } = this.#outbox;
    batch.extentCount[batch.count] = 0;
    const flags = hasAck ? RST | ACK : RST;
    this.#writeHeader(target, connection, seq, ack, flags, 0, OptionsKind.NONE, 0, 0, 0);
    this.#counters[Counter.PACKETS_SENT]++;
    batch.count++;
  }
}
