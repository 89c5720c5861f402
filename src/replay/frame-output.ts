/**
 * Segments to frames: takes a segment's octets and checksum from the session's segment plan, its
 * address and port from the user's index, and writes the frame into the sender's batch.
 */
import { hash32 } from '../base/prng.ts';
import { type Seq, seqBefore } from '../base/seq.ts';
import { NS_PER_MS } from '../base/time.ts';
import { Counter } from '../measure/counters.ts';
import type { StreamColumns } from '../session/script/scripts.ts';
import { SegmentPlan } from '../session/script/segment-plan.ts';
import { StreamView } from '../session/script/stream-view.ts';
import type { SegmentOutput, StreamSource } from '../tcp/ports.ts';
import { Count, UserFlag, type UserTable } from '../tcp/user-table.ts';
import type { CaptureBytes, Sender } from '../transport/ports.ts';
import { EXTENTS_PER_FRAME } from '../wire/frame-batch.ts';
import { FrameWriter, OptionsKind } from '../wire/frame-writer.ts';
import { ACK, FIN, RST, SYN } from '../wire/tcp.ts';
import type { SackBlocks } from '../wire/tcp-options.ts';
import { PlayFlag, type PlayTable } from './play-table.ts';
import type { ReplayPlan } from './replay-plan.ts';

/**
 * Segment sizes that have cuts of their own in one run: peers and paths name them, and each takes
 * memory. Sizes beyond these share the cuts of the power of two below them.
 */
const EXACT_SEGMENT_PLANS_MAX = 32;
const WINDOW_FIELD_MAX = 0xffff;

export class FrameOutput implements SegmentOutput, StreamSource {
  /** Sends a batch that is full; the engine takes the send times. */
  flush: () => void = () => undefined;
  /** Users of whom the batch holds the SYN, or the first octet of a turn's last message. */
  readonly stamped: number[] = [];

  readonly #plan: ReplayPlan;
  readonly #sender: Sender;
  readonly #users: UserTable;
  readonly #plays: PlayTable;
  readonly #counters: Float64Array;
  readonly #writer: FrameWriter;
  readonly #routes: readonly number[];
  readonly #client: StreamColumns;
  readonly #stream: StreamView;
  readonly #segmentPlans = new Map<number, SegmentPlan>();
  /** The plan of the segment size that was asked for last: nearly always the only one. */
  #segments: SegmentPlan | null = null;
  #segmentsMss = 0;
  #ipId = 0;

  constructor(
    plan: ReplayPlan,
    sender: Sender,
    capture: CaptureBytes,
    users: UserTable,
    plays: PlayTable,
    counters: Float64Array,
  ) {
    this.#plan = plan;
    this.#sender = sender;
    this.#users = users;
    this.#plays = plays;
    this.#counters = counters;
    this.#client = plan.scripts.client;
    this.#stream = new StreamView(this.#client, (offset, into) => capture.read(offset, into));
    const { family, prefix } = plan.pool.clients;
    this.#writer = new FrameWriter(sender.batch, { family });
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

  /** Number of the user's present connection, through all iterations and threads. */
  connectionOf(user: number): number {
    const { users, shard, shards } = this.#plan;
    return user * shards + shard + this.#plays.iteration[user] * users;
  }

  /** Initial sequence number: RFC 6528, a clock of 4 µs and a hash of the connection. */
  issOf(user: number, nowNs: number): Seq {
    const clock = Math.floor((this.#plan.epochMs * 1e3 + nowNs / 1e3) / 4);
    return (hash32(this.connectionOf(user), this.#plan.seed) + clock) >>> 0;
  }

  /** Cut the streams of all played sessions for a segment size now, so that no user waits for it. */
  prepare(sendMss: number): void {
    const segments = this.#segmentsFor(sendMss);
    for (const session of this.#plan.played) segments.prepare(session);
  }

  streamLimit(user: number): number {
    const first = this.#client.firstMessage[this.#plays.session[user]];
    const next = Math.min(
      this.#plays.nextStep[user],
      this.#client.firstMessage[this.#plays.session[user] + 1],
    );
    return next > first ? this.#client.messageEnd[next - 1] : 0;
  }

  segmentEnd(user: number, offset: number, mss: number): number {
    const segments = this.#segmentsFor(mss);
    const row = segments.find(this.#plays.session[user], offset);
    return segments.segmentEnd[row];
  }

  #segmentsFor(mss: number): SegmentPlan {
    if (mss === this.#segmentsMss && this.#segments !== null) return this.#segments;
    let segments = this.#segmentPlans.get(mss);
    if (segments === undefined) {
      const isExact = this.#segmentPlans.size < EXACT_SEGMENT_PLANS_MAX;
      segments = this.#plannedFor(isExact ? mss : 2 ** Math.floor(Math.log2(mss)));
    }
    this.#segments = segments;
    this.#segmentsMss = mss;
    return segments;
  }

  #plannedFor(mss: number): SegmentPlan {
    const known = this.#segmentPlans.get(mss);
    if (known !== undefined) return known;
    const { sessions } = this.#plan.scripts;
    const segments = new SegmentPlan(this.#stream, sessions, mss);
    this.#segmentPlans.set(mss, segments);
    return segments;
  }

  emitSegment(
    user: number,
    seq: Seq,
    ack: Seq,
    flags: number,
    offset: number,
    payloadBytes: number,
    nowNs: number,
  ): void {
    const { batch } = this.#sender;
    if (batch.count === batch.capacity) this.flush();
    const sum = payloadBytes === 0 ? 0 : this.#addExtents(user, offset, payloadBytes);
    if (payloadBytes === 0) batch.extentCount[batch.count] = 0;
    const users = this.#users;
    const hasTimestamps = (users.flags[user] & UserFlag.TIMESTAMPS) !== 0;
    const isSyn = (flags & SYN) !== 0;
    const connection = this.connectionOf(user);
    this.#writeHeader(
      this.targetOf(user),
      connection,
      seq,
      ack,
      flags,
      flags & RST ? 0 : this.#windowField(user, flags),
      isSyn ? this.#synKind(user) : hasTimestamps ? OptionsKind.TIMESTAMPS : OptionsKind.NONE,
      isSyn ? 0 : users.tsRecent[user],
      payloadBytes,
      sum,
      nowNs,
    );
    this.#count(user, seq, flags, payloadBytes);
    if (this.#plays.flags[user] & PlayFlag.STAMP) this.#stamp(user, isSyn, offset + payloadBytes);
    batch.count++;
  }

  #synKind(user: number): OptionsKind {
    const offersSack = (this.#users.flags[user] & UserFlag.SACK) !== 0;
    return offersSack ? OptionsKind.SYN : OptionsKind.SYN_WITHOUT_SACK;
  }

  emitSack(user: number, seq: Seq, ack: Seq, sack: SackBlocks, nowNs: number): void {
    const { batch } = this.#sender;
    if (batch.count === batch.capacity) this.flush();
    batch.extentCount[batch.count] = 0;
    const users = this.#users;
    const hasTimestamps = (users.flags[user] & UserFlag.TIMESTAMPS) !== 0;
    this.#writer.sack = sack;
    this.#writeHeader(
      this.targetOf(user),
      this.connectionOf(user),
      seq,
      ack,
      ACK,
      this.#windowField(user, ACK),
      hasTimestamps ? OptionsKind.TIMESTAMPS_SACK : OptionsKind.SACK,
      users.tsRecent[user],
      0,
      0,
      nowNs,
    );
    this.#counters[Counter.PACKETS_SENT]++;
    batch.count++;
  }

  /** Takes the user's time if this frame is the one that it is to be taken of. */
  #stamp(user: number, isSyn: boolean, end: number): void {
    if (!isSyn && end <= this.turnStart(user)) return;
    this.#plays.flags[user] &= ~PlayFlag.STAMP;
    this.stamped.push(user);
  }

  /** Stream offset at which the last message begins of the turn whose answer is awaited. */
  turnStart(user: number): number {
    const plays = this.#plays;
    const { firstMessage, messageEnd } = this.#client;
    const first = firstMessage[plays.session[user]];
    const played = Math.min(plays.openStage[user], plays.nextStep[user]);
    const message = Math.min(played, firstMessage[plays.session[user] + 1]) - 1;
    return message > first ? messageEnd[message - 1] : 0;
  }

  /** Row in the plan's targets of the user's session. */
  targetOf(user: number): number {
    return this.#plan.targetOf[this.#plan.scripts.endpoint[this.#plays.session[user]]];
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
    nowNs: number,
  ): void {
    const { pool, targets } = this.#plan;
    this.#ipId = (this.#ipId + 1) & 0xffff;
    this.#writer.writeTcp(
      this.#routes[target],
      pool.lowOf(connection),
      pool.portOf(connection),
      targets[target].port,
      this.#ipId,
      seq,
      ack,
      flags,
      window,
      optionsKind,
      this.#tsVal(connection, nowNs),
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

  timestampOf(user: number, nowNs: number): number {
    return this.#tsVal(this.connectionOf(user), nowNs);
  }

  /** Milliseconds, moved by a hash: rises within a connection and from run to run. */
  #tsVal(connection: number, nowNs: number): number {
    const ms = Math.floor(this.#plan.epochMs + nowNs / NS_PER_MS);
    return (ms + hash32(connection, 0x7473_7661)) >>> 0;
  }

  /** Point the frame at its octets. @returns their sum */
  #addExtents(user: number, offset: number, payloadBytes: number): number {
    const { batch } = this.#sender;
    const session = this.#plays.session[user];
    const segments = this.#segmentsFor(this.#users.sendMss[user]);
    const row = segments.find(session, offset);
    const stream = this.#stream;
    const end = offset + payloadBytes;
    const extent = stream.extentFrom(segments.segmentExtent[row], offset);
    const first = batch.count * EXTENTS_PER_FRAME;
    let count = 0;
    stream.seek(extent, offset, end);
    while (stream.next()) {
      batch.extentOffset[first + count] = stream.offset;
      batch.extentBytes[first + count] = stream.bytes;
      count++;
    }
    batch.extentCount[batch.count] = count;
    const isPlanned = segments.segmentStart[row] === offset && segments.segmentEnd[row] === end;
    return isPlanned ? segments.segmentSum[row] : stream.sum(extent, offset, end);
  }

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
  emitReset(
    target: number,
    connection: number,
    seq: Seq,
    ack: Seq,
    hasAck: boolean,
    nowNs: number,
  ): void {
    const { batch } = this.#sender;
    if (batch.count === batch.capacity) this.flush();
    batch.extentCount[batch.count] = 0;
    const flags = hasAck ? RST | ACK : RST;
    this.#writeHeader(target, connection, seq, ack, flags, 0, OptionsKind.NONE, 0, 0, 0, nowNs);
    this.#counters[Counter.PACKETS_SENT]++;
    batch.count++;
  }
}
