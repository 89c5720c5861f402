/**
 * Turns the replayable sessions of a catalog into scripts.
 *
 * A stream's extents come from the resolver. Its messages are found by walking the extents:
 *
 * - When a stretch of the stream was sent is the time of its first copy, or the time of anything
 *   after it in the stream when that is earlier: who sends in order had sent it by then. (The
 *   capture may have missed the original and seen only the retransmission.) The same holds for
 *   what had been acknowledged when it was sent.
 * - When it had arrived is the time at which everything before it had been seen as well.
 * - A new message begins where the sender had received more than before, where the segment before
 *   ended a write (it was shorter than a full one), and after a pause with nothing in flight.
 *
 * Within a session the clock never goes back: a packet that the capture dates before the one in
 * front of it gets that one's time.
 */
import { Float64Column, Uint32Column } from '../base/columns.ts';
import { seqDiff } from '../base/seq.ts';
import { isHttpRequest } from './http-request.ts';
import {
  type JoinedFile,
  Protocol,
  type Scripts,
  type StreamColumns,
  StreamEnd,
} from './scripts.ts';
import type { SessionCatalog } from './session-catalog.ts';
import { SessionReason } from './session-reason.ts';
import {
  DetailFloat,
  DetailWord,
  SEGMENT_WORDS,
  SegmentFlag,
  SegmentFloat,
  SegmentWord,
  SessionFlag,
  type SessionRecords,
} from './session-records.ts';
import { StreamResolver } from './stream-resolver.ts';

/** Fills `into` with octets of the joined capture from `offset`. */
export type ReadOctets = (offset: number, into: Uint8Array) => void;

/** How much of a client's stream is looked at to recognise its protocol. */
const PROTOCOL_PREFIX_BYTES = 8192;

/** One stream of the session at hand, resolved, with times and acknowledgments an extent. */
class Stream {
  readonly resolver: StreamResolver;
  /** When each extent was sent, and when everything up to its end had arrived. */
  sentNs = new Float64Array(0);
  arrivedNs = new Float64Array(0);
  /** What its sender had received of the other stream. */
  acked = new Float64Array(0);

  constructor(records: SessionRecords) {
    this.resolver = new StreamResolver(records);
  }

  /** When the octet before `offset` had arrived; -Infinity for 0. */
  arrivalOf(offset: number): number {
    if (offset === 0) return Number.NEGATIVE_INFINITY;
    const { start, count } = this.resolver;
    let low = 0;
    let high = count - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (start[middle] < offset) low = middle;
      else high = middle - 1;
    }
    return this.arrivedNs[low];
  }
}

/** The columns of one direction while they grow. */
class StreamColumnsBuilder {
  readonly firstMessage = new Uint32Column();
  readonly messageEnd = new Uint32Column();
  readonly messageAwait = new Uint32Column();
  readonly messageOffsetNs = new Float64Column();
  readonly messageThinkNs = new Float64Column();
  readonly firstExtent = new Uint32Column();
  readonly extentStart = new Uint32Column();
  readonly extentBytes = new Uint32Column();
  readonly extentOffset = new Float64Column();
  readonly end = new Uint32Column();
  readonly endAwait = new Uint32Column();
  readonly endAfterPeer = new Uint32Column();
  readonly endOffsetNs = new Float64Column();
  readonly endThinkNs = new Float64Column();

  beginSession(): void {
    this.firstMessage.push(this.messageEnd.count);
    this.firstExtent.push(this.extentStart.count);
  }

  finish(): StreamColumns {
    this.beginSession();
    return {
      firstMessage: this.firstMessage.toShared(),
      messageEnd: this.messageEnd.toShared(),
      messageAwait: this.messageAwait.toShared(),
      messageOffsetNs: this.messageOffsetNs.toShared(),
      messageThinkNs: this.messageThinkNs.toShared(),
      firstExtent: this.firstExtent.toShared(),
      extentStart: this.extentStart.toShared(),
      extentBytes: this.extentBytes.toShared(),
      extentOffset: this.extentOffset.toShared(),
      end: this.end.toSharedOctets(),
      endAwait: this.endAwait.toShared(),
      endAfterPeer: this.endAfterPeer.toSharedOctets(),
      endOffsetNs: this.endOffsetNs.toShared(),
      endThinkNs: this.endThinkNs.toShared(),
    };
  }
}

export class ScriptBuilder {
  readonly #catalog: SessionCatalog;
  readonly #records: SessionRecords;
  readonly #read: ReadOctets;
  /** By direction. */
  readonly #streams: readonly [Stream, Stream];
  readonly #client = new StreamColumnsBuilder();
  readonly #server = new StreamColumnsBuilder();
  readonly #startNs = new Float64Column();
  readonly #connectNs = new Float64Column();
  readonly #durationNs = new Float64Column();
  readonly #endpoint = new Uint32Column();
  readonly #protocol = new Uint32Column();
  readonly #prefix = new Uint8Array(PROTOCOL_PREFIX_BYTES);
  /** Start of the first session, and of the last one before the session at hand. */
  #originNs = Number.NaN;
  #latestStartNs = 0;
  /** Of the session at hand. */
  #session = 0;
  #detail = 0;
  #synNs = 0;

  /** @param read is asked for the first octets of client streams, to recognise protocols */
  constructor(catalog: SessionCatalog, read: ReadOctets) {
    this.#catalog = catalog;
    this.#records = catalog.records;
    this.#read = read;
    this.#streams = [new Stream(catalog.records), new Stream(catalog.records)];
  }

  build(files: readonly JoinedFile[]): Scripts {
    const catalog = this.#catalog;
    for (let session = 0; session < catalog.total; session++) {
      if (catalog.reasonOf(session) === SessionReason.NONE) this.#addSession(session);
    }
    return {
      sessions: this.#startNs.count,
      files,
      startNs: this.#startNs.toShared(),
      connectNs: this.#connectNs.toShared(),
      durationNs: this.#durationNs.toShared(),
      endpoint: this.#endpoint.toSharedUint16(),
      endpoints: [...catalog.scriptRows.keys()].map((row) => catalog.endpoints[row]),
      protocol: this.#protocol.toSharedOctets(),
      client: this.#client.finish(),
      server: this.#server.finish(),
    };
  }

  #addSession(session: number): void {
    const catalog = this.#catalog;
    this.#session = session;
    this.#detail = catalog.detailOf(session);
    this.#synNs = this.#float(DetailFloat.SYN_NS);
    const server = catalog.serverSideOf(session);
    const client = 1 - server;
    for (const direction of [0, 1]) this.#streams[direction].resolver.resolve(session, direction);
    this.#mendClock();
    for (const direction of [0, 1]) this.#date(direction);
    this.#addTimes();
    this.#endpoint.push(catalog.scriptRows.get(catalog.endpointOf[session]) ?? 0);
    this.#protocol.push(this.#recognise(this.#streams[client].resolver));
    this.#addStream(this.#client, client, this.#handshakeEndNs());
    this.#addStream(this.#server, server, this.#float(DetailFloat.SYN_ACK_NS));
  }

  #addTimes(): void {
    if (Number.isNaN(this.#originNs)) this.#originNs = this.#synNs;
    // Sessions are in the order of the capture; a clock that went back does not reorder them.
    this.#latestStartNs = Math.max(this.#latestStartNs, this.#synNs - this.#originNs);
    this.#startNs.push(this.#latestStartNs);
    this.#connectNs.push(Math.max(0, this.#float(DetailFloat.SYN_ACK_NS) - this.#synNs));
    this.#durationNs.push(Math.max(0, this.#catalog.lastNsOf(this.#session) - this.#synNs));
  }

  /** The client's first ACK after the SYN-ACK; where it was lost, the SYN-ACK. */
  #handshakeEndNs(): number {
    const ackNs = this.#float(DetailFloat.ACK_NS);
    return Number.isNaN(ackNs) ? this.#float(DetailFloat.SYN_ACK_NS) : ackNs;
  }

  /** Lets no segment of the session be earlier than the one captured before it. */
  #mendClock(): void {
    const words = this.#records.segments.u32;
    const floats = this.#records.segments.f64;
    let a = this.#word(DetailWord.FIRST_SEGMENT);
    let b = this.#word(DetailWord.FIRST_SEGMENT + 1);
    let latestNs = this.#synNs;
    while (a !== 0 || b !== 0) {
      // Rows are numbered as they were captured.
      const isA = b === 0 || (a !== 0 && a < b);
      const at = ((isA ? a : b) - 1) * SEGMENT_WORDS;
      const ns = (at >>> 1) + SegmentFloat.NS;
      latestNs = Math.max(latestNs, floats[ns]);
      floats[ns] = latestNs;
      if (isA) a = words[at + SegmentWord.NEXT];
      else b = words[at + SegmentWord.NEXT];
    }
  }

  /** Finds when each extent of a direction was sent and had arrived. */
  #date(direction: number): void {
    const stream = this.#streams[direction];
    const { count, segment } = stream.resolver;
    const floats = this.#records.segments.f64;
    if (stream.sentNs.length < count) {
      stream.sentNs = new Float64Array(count * 2);
      stream.arrivedNs = new Float64Array(count * 2);
      stream.acked = new Float64Array(count * 2);
    }
    let arrivedNs = 0;
    for (let i = 0; i < count; i++) {
      const at = segment[i] * SEGMENT_WORDS;
      const ns = floats[(at >>> 1) + SegmentFloat.NS];
      arrivedNs = Math.max(arrivedNs, ns);
      stream.arrivedNs[i] = arrivedNs;
      stream.sentNs[i] = ns;
      stream.acked[i] = this.#ackedBy(at, 1 - direction);
    }
    for (let i = count - 2; i >= 0; i--) {
      stream.sentNs[i] = Math.min(stream.sentNs[i], stream.sentNs[i + 1]);
      stream.acked[i] = Math.min(stream.acked[i], stream.acked[i + 1]);
    }
  }

  /** Octets of stream `other` that the segment at word `at` acknowledges. */
  #ackedBy(at: number, other: number): number {
    const words = this.#records.segments.u32;
    if ((words[at + SegmentWord.FLAGS] & SegmentFlag.HAS_ACK) === 0) return 0;
    return this.#received(words[at + SegmentWord.ACK], other);
  }

  /** Octets of stream `other` before sequence number `ack`, clipped to what there is of it. */
  #received(ack: number, other: number): number {
    const { endOffset } = this.#streams[other].resolver;
    const highSeq = this.#word(DetailWord.NXT + other);
    // Counted from the end, so that streams beyond 2 GiB come out right.
    return Math.max(0, Math.min(endOffset, endOffset + seqDiff(ack, highSeq)));
  }

  #addStream(columns: StreamColumnsBuilder, direction: number, handshakeEndNs: number): void {
    const stream = this.#streams[direction];
    const peer = this.#streams[1 - direction];
    columns.beginSession();
    this.#addExtents(columns, stream.resolver);
    const lastNs = this.#addMessages(columns, stream, peer, handshakeEndNs);
    this.#addEnd(columns, direction, peer, lastNs);
  }

  #addExtents(columns: StreamColumnsBuilder, resolver: StreamResolver): void {
    for (let i = 0; i < resolver.count; i++) {
      columns.extentStart.push(resolver.start[i]);
      columns.extentBytes.push(resolver.bytes[i]);
      columns.extentOffset.push(resolver.offset[i]);
    }
  }

  /** @returns when the last message was begun, or the handshake's end without one */
  #addMessages(
    columns: StreamColumnsBuilder,
    stream: Stream,
    peer: Stream,
    handshakeEndNs: number,
  ): number {
    const { count, start, bytes } = stream.resolver;
    let beforeNs = handshakeEndNs;
    for (let i = 0; i < count; ) {
      const await_ = stream.acked[i];
      const sentNs = stream.sentNs[i];
      let next = i + 1;
      while (next < count && !this.#beginsMessage(stream, next, await_)) next++;
      columns.messageEnd.push(start[next - 1] + bytes[next - 1]);
      columns.messageAwait.push(await_);
      columns.messageOffsetNs.push(Math.max(0, sentNs - this.#synNs));
      columns.messageThinkNs.push(thinkNs(sentNs, beforeNs, peer.arrivalOf(await_)));
      beforeNs = sentNs;
      i = next;
    }
    return beforeNs;
  }

  #beginsMessage(stream: Stream, i: number, await_: number): boolean {
    if (stream.acked[i] > await_) return true;
    const { segment } = stream.resolver;
    if (segment[i] === segment[i - 1]) return false;
    const words = this.#records.segments.u32;
    const before = words[segment[i - 1] * SEGMENT_WORDS + SegmentWord.FLAGS];
    const flags = words[segment[i] * SEGMENT_WORDS + SegmentWord.FLAGS];
    if ((flags & SegmentFlag.CONTINUES) !== 0) return false;
    return (before & SegmentFlag.ENDS_WRITE) !== 0 || (flags & SegmentFlag.AFTER_PAUSE) !== 0;
  }

  #addEnd(columns: StreamColumnsBuilder, direction: number, peer: Stream, lastNs: number): void {
    const flags = SessionFlag.FIN_0 | SessionFlag.RST_0;
    if (!this.#catalog.hasFlag(this.#session, flags << direction)) {
      columns.end.push(StreamEnd.OPEN);
      columns.endAwait.push(0);
      columns.endAfterPeer.push(0);
      columns.endOffsetNs.push(this.#catalog.lastNsOf(this.#session) - this.#synNs);
      columns.endThinkNs.push(0);
      return;
    }
    const other = 1 - direction;
    const isRst = this.#has(SessionFlag.ENDED_BY_RST_0, direction);
    const hasAck = this.#has(SessionFlag.END_HAS_ACK_0, direction);
    const ack = this.#word(DetailWord.END_ACK + direction);
    const endNs = this.#float(DetailFloat.END_NS + direction);
    // A RST without an ACK says nothing of what had arrived: then what was captured before counts.
    const wanted = hasAck ? this.#received(ack, other) : this.#arrivedBy(peer, endNs);
    const isAfterPeer = this.#isAfterPeer(direction, hasAck, ack, endNs);
    const peerEndNs = isAfterPeer
      ? this.#float(DetailFloat.END_NS + other)
      : Number.NEGATIVE_INFINITY;
    const arrivalNs = Math.max(peer.arrivalOf(wanted), peerEndNs);
    columns.end.push(isRst ? StreamEnd.RST : StreamEnd.FIN);
    columns.endAwait.push(wanted);
    columns.endAfterPeer.push(isAfterPeer ? 1 : 0);
    columns.endOffsetNs.push(Math.max(0, endNs - this.#synNs));
    columns.endThinkNs.push(thinkNs(endNs, lastNs, arrivalNs));
  }

  /** Whether the other side's FIN had arrived when this side ended its stream. */
  #isAfterPeer(direction: number, hasAck: boolean, ack: number, endNs: number): boolean {
    const other = 1 - direction;
    if (!this.#has(SessionFlag.FIN_0, other) || this.#has(SessionFlag.ENDED_BY_RST_0, other)) {
      return false;
    }
    if (hasAck) return seqDiff(ack, this.#word(DetailWord.END_SEQ + other)) > 0;
    return this.#float(DetailFloat.END_NS + other) <= endNs;
  }

  /** Octets of a stream that had arrived by a time. */
  #arrivedBy(stream: Stream, ns: number): number {
    const { count, start, bytes } = stream.resolver;
    let offset = 0;
    for (let i = 0; i < count && stream.arrivedNs[i] <= ns; i++) offset = start[i] + bytes[i];
    return offset;
  }

  #recognise(client: StreamResolver): Protocol {
    let filled = 0;
    for (let i = 0; i < client.count && filled < PROTOCOL_PREFIX_BYTES; i++) {
      const bytes = Math.min(client.bytes[i], PROTOCOL_PREFIX_BYTES - filled);
      this.#read(client.offset[i], this.#prefix.subarray(filled, filled + bytes));
      filled += bytes;
      const verdict = isHttpRequest(this.#prefix.subarray(0, filled));
      if (verdict !== null) return verdict ? Protocol.HTTP1 : Protocol.UNKNOWN;
    }
    return Protocol.UNKNOWN;
  }

  #has(flag: number, direction: number): boolean {
    return this.#catalog.hasFlag(this.#session, flag << direction);
  }

  #float(float: number): number {
    return this.#records.details.f64[(this.#detail >>> 1) + float];
  }

  #word(word: number): number {
    return this.#records.details.u32[this.#detail + word];
  }
}

/** From what was waited for to what was done; a clock that went back is no wait. */
const thinkNs = (doneNs: number, beforeNs: number, arrivalNs: number): number =>
  Math.max(0, doneNs - Math.max(beforeNs, arrivalNs));
