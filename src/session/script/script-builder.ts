/**
 * Turns the replayable sessions of a catalog into scripts.
 *
 * A stream's extents, and when each was sent and had arrived, come from DatedStream. Its messages
 * are found by walking the extents: a new one begins where the sender had received more than
 * before, where the segment before ended a write (it was shorter than a full one), and after a
 * pause with nothing in flight.
 *
 * Within a direction the clock never goes back: a packet that the capture dates before the one in
 * front of it gets that one's time. By how much the server's clock differs from the client's, where
 * two taps captured them, is taken off its times.
 */

import type { JoinedFile } from '../../base/joined-file.ts';
import { seqDiff } from '../../base/seq.ts';
import { DatedStream } from '../reading/dated-stream.ts';
import { mendClock, mendWrites } from '../reading/mend-segments.ts';
import type { SessionPart } from '../reading/partial-session.ts';
import { fullSegmentBytes } from '../reading/segment-size.ts';
import {
  DetailFloat,
  DetailMark,
  DetailWord,
  OFFERED_SACK,
  SessionFlag,
  type SessionRecords,
  SessionWord,
} from '../reading/session-records.ts';
import { ClientNumbers } from './client-numbers.ts';
import { beginsMessage, thinkNs } from './messages.ts';
import type { Outlines } from './outlines.ts';
import type { ScriptCatalog } from './script-catalog.ts';
import { type Scripts, StreamEnd } from './scripts.ts';
import { SessionColumnsBuilder } from './session-columns-builder.ts';
import { StreamColumnsBuilder } from './stream-columns-builder.ts';
import { StreamProtocol } from './stream-protocol.ts';
import type { ReadOctets } from './stream-view.ts';
import { type WantedScripts, WantedSessions } from './wanted-scripts.ts';

/** What a hole in the server's stream is filled with: at most so much of the first file at a time. */
const FILL_BYTES_MAX = 4096;

/** Beyond so many rows columns grow as they are filled: even memory that is not used must be granted. */
const ROWS_EXPECTED_MAX = 4_000_000;

/** Builds the scripts of one catalog: each call of `build` takes the memory of the one before. */
export class ScriptBuilder {
  readonly #catalog: ScriptCatalog;
  readonly #records: SessionRecords;
  readonly #speaks: StreamProtocol;
  /** By direction. */
  readonly #streams: readonly [DatedStream, DatedStream];
  readonly #clients = new StreamColumnsBuilder();
  readonly #servers = new StreamColumnsBuilder();
  readonly #sessions = new SessionColumnsBuilder();
  readonly #clientNumbers = new ClientNumbers();
  // What is never a whole number is a float from the beginning: as it becomes one, V8 forgets what it has compiled.
  /** Start of the first session, and of the last one before the session at hand. */
  #originNs = Number.NaN;
  #latestStartNs = Number.NEGATIVE_INFINITY;
  #fillBytes = FILL_BYTES_MAX;
  #wanted = new WantedSessions(null, []);
  /** Of the catalog's servers: their rows in the scripts. */
  #scriptRows = new Uint16Array(0);
  /** Whether of some sessions only outlines were added. */
  #hasOutlines = false;
  /** Of the session at hand. */
  #session = 0;
  #detail = 0;
  #part: SessionPart | null = null;
  #server = 0;
  /** So much is the clock of the server's packets ahead of the client's. */
  #skewNs = Number.NaN;
  #beginNs = Number.NaN;

  /** @param read is asked for the first octets of client streams, to recognise protocols */
  constructor(catalog: ScriptCatalog, read: ReadOctets) {
    this.#catalog = catalog;
    this.#records = catalog.records;
    this.#speaks = new StreamProtocol(read);
    this.#streams = [new DatedStream(catalog.records), new DatedStream(catalog.records)];
  }

  /** @param sessions rows of replayable sessions, ascending */
  build(
    files: readonly JoinedFile[],
    sessions: Uint32Array,
    wanted: WantedScripts | null = null,
  ): Scripts {
    const catalog = this.#catalog;
    this.#begin(files, sessions.length, wanted === null);
    this.#wanted = new WantedSessions(wanted, catalog.endpoints);
    this.#scriptRows = new Uint16Array(catalog.endpoints.length);
    for (const [server, row] of catalog.scriptRows) this.#scriptRows[server] = row;
    for (let i = 0; i < sessions.length; i++) this.#addSession(sessions[i]);
    return this.#finish(files);
  }

  /**
   * Builds the scripts of sessions of which outlines are known already.
   * @param wanted rows of those that say something, ascending
   */
  buildAmong(files: readonly JoinedFile[], outlines: Outlines, wanted: Uint32Array): Scripts {
    this.#begin(files, outlines.session.length, false);
    this.#sessions.adopt(outlines);
    for (const row of wanted) {
      this.#skipOutlines(row);
      this.#enter(outlines.session[row]);
      this.#addScript();
    }
    return this.#finish(files);
  }

  #finish(files: readonly JoinedFile[]): Scripts {
    const { scriptRows, endpoints } = this.#catalog;
    this.#skipOutlines(this.#sessions.startNs.count);
    return {
      ...this.#sessions.finish(),
      files,
      endpoints: [...scriptRows.keys()].map((row) => endpoints[row]),
      clientAddressWords: this.#clientNumbers.toShared(),
      client: this.#clients.finish(),
      server: this.#servers.finish(),
    };
  }

  #begin(files: readonly JoinedFile[], sessions: number, areWhole: boolean): void {
    this.#fillBytes = Math.min(FILL_BYTES_MAX, files.at(0)?.bytes ?? FILL_BYTES_MAX);
    this.#sessions.begin(sessions);
    const segments = (this.#records.segments.count * sessions) / Math.max(1, this.#catalog.total);
    const rows = areWhole ? Math.min(Math.ceil(segments), ROWS_EXPECTED_MAX) : 0;
    this.#clients.begin(sessions, rows);
    this.#servers.begin(sessions, rows);
  }

  #addSession(session: number): void {
    this.#enter(session);
    // Where clocks differ, what was said tells when it ended.
    const isTaken = this.#wanted.take(this.#catalog.endpointOf[session]);
    if (isTaken || this.#skewNs !== 0) {
      if (this.#hasOutlines) this.#skipOutlines(this.#sessions.startNs.count);
      this.#addScript();
    }
    this.#hasOutlines ||= !isTaken;
    this.#addOutline();
  }

  #enter(session: number): void {
    const catalog = this.#catalog;
    this.#session = session;
    this.#detail = catalog.detailOf(session);
    this.#part = catalog.partOf(session);
    this.#server = catalog.serverSideOf(session);
    this.#skewNs = catalog.skews.of(session);
    this.#beginNs = this.#isMidStream()
      ? (this.#part?.startNs ?? 0)
      : this.#float(DetailFloat.SYN_NS);
  }

  /** Adds what the session at hand says. */
  #addScript(): void {
    const catalog = this.#catalog;
    const session = this.#session;
    const server = this.#server;
    const client = 1 - server;
    for (const direction of [0, 1]) {
      const first = this.#word(DetailWord.FIRST_SEGMENT + direction);
      mendClock(this.#records.segments, first);
      if (catalog.hasMark(session, DetailMark.UNSORTED)) this.#mendWrites(first);
      const shiftNs = this.#shiftOf(direction);
      const fillBytes = direction === server && this.#part !== null ? this.#fillBytes : 0;
      this.#streams[direction].resolve(session, direction, { shiftNs, fillBytes });
    }
    this.#expectUnheard(client, server);
    this.#addOffer(client);
    this.#cut(client, server);
    this.#streams[client].date(this.#streams[server]);
    if (this.#part !== null) this.#streams[server].fill(this.#streams[client], this.#fillBytes);
    this.#streams[server].date(this.#streams[client]);
    const synAckNs = this.#handshakeNs(DetailFloat.SYN_ACK_NS);
    this.#sessions.connectNs.push(Math.max(0, synAckNs - this.#beginNs));
    this.#sessions.protocol.push(this.#speaks.of(this.#streams[client]));
    this.#sessions.clientAddress.push(this.#addressNumber(client));
    this.#addStream(this.#clients, client, true);
    this.#addStream(this.#servers, server, false);
  }

  /** Adds what is known also of a session that says nothing: when it was, and with which server. */
  #addOutline(): void {
    if (Number.isNaN(this.#originNs)) this.#originNs = this.#beginNs;
    // Sessions are in the order of the capture; a clock that went back does not reorder them.
    this.#latestStartNs = Math.max(this.#latestStartNs, this.#beginNs - this.#originNs);
    this.#sessions.startNs.push(this.#latestStartNs);
    this.#sessions.durationNs.push(Math.max(0, this.#lastNs() - this.#beginNs));
    this.#sessions.endpoint.push(this.#scriptRows[this.#catalog.endpointOf[this.#session]]);
  }

  /** Sessions before this row of which nothing else was added say nothing. */
  #skipOutlines(row: number): void {
    this.#sessions.skipTo(row);
    this.#clients.skipTo(row);
    this.#servers.skipTo(row);
  }

  /** Of the address of whoever sends in a direction. */
  #addressNumber(direction: number): number {
    const key = this.#catalog.word(this.#session, SessionWord.ADDRESS + direction);
    const isIpv6 = this.#catalog.hasFlag(this.#session, SessionFlag.IPV6);
    return isIpv6
      ? this.#clientNumbers.ofIpv6(key, () => this.#catalog.addressOf(this.#session, direction))
      : this.#clientNumbers.ofIpv4(key);
  }

  #mendWrites(first: number): void {
    const { OFFER } = DetailWord;
    const isIpv6 = this.#catalog.hasFlag(this.#session, SessionFlag.IPV6);
    const full = fullSegmentBytes(this.#word(OFFER), this.#word(OFFER + 1), isIpv6);
    mendWrites(this.#records.segments, first, full);
  }

  /** What is taken off the times of a direction's packets. */
  #shiftOf(direction: number): number {
    return direction === this.#server ? this.#skewNs : 0;
  }

  #isMidStream(): boolean {
    return this.#part !== null && !Number.isNaN(this.#part.startNs);
  }

  /** Whether the client's SYN left SACK out; what was not captured did not. */
  #addOffer(client: number): void {
    const hasSyn = this.#has(SessionFlag.SYN_0, client);
    const isLeftOut = hasSyn && (this.#word(DetailWord.OFFER + client) & OFFERED_SACK) === 0;
    this.#sessions.sackLeftOut.push(isLeftOut ? 1 : 0);
    this.#sessions.hasSackLeftOut ||= isLeftOut;
  }

  /** A server that was not captured has said what its client acknowledged. */
  #expectUnheard(client: number, server: number): void {
    const unheard = this.#part?.unheard ?? null;
    this.#sessions.unheard.push(unheard === null ? 0 : 1);
    if (this.#part === null || unheard === null) return;
    this.#sessions.hasUnheard = true;
    const segment = this.#word(DetailWord.FIRST_SEGMENT + client) - 1;
    this.#streams[server].expect(this.#part.serverTo, unheard.endSeq, segment);
  }

  /** Leaves of the streams what is played. */
  #cut(client: number, server: number): void {
    if (this.#part === null) return;
    const { clientFrom, clientTo, serverFrom, serverTo } = this.#part;
    this.#streams[client].cut(clientFrom, clientTo);
    this.#streams[server].cut(serverFrom, serverTo);
  }

  /** When the handshake was over for the client, or for the server. */
  #handshakeNs(float: typeof DetailFloat.ACK_NS | typeof DetailFloat.SYN_ACK_NS): number {
    if (this.#isMidStream()) return this.#beginNs;
    const synAckNs = this.#float(DetailFloat.SYN_ACK_NS) - this.#skewNs;
    const ackNs = this.#float(DetailFloat.ACK_NS);
    const wanted = float === DetailFloat.SYN_ACK_NS ? synAckNs : ackNs;
    const nearest = float === DetailFloat.SYN_ACK_NS ? ackNs : synAckNs;
    if (!Number.isNaN(wanted)) return wanted;
    // Where one of them was not captured, the other one is as near as one gets.
    return Number.isNaN(nearest) ? this.#beginNs : nearest;
  }

  /** When a direction ended, on the client's clock. */
  #endNs(direction: number): number {
    return this.#float(DetailFloat.END_NS + direction) - this.#shiftOf(direction);
  }

  /** The last packet; with clocks that differ, the last one that is known to be of which. */
  #lastNs(): number {
    if (this.#skewNs === 0) return this.#catalog.lastNsOf(this.#session);
    let lastNs = this.#beginNs;
    for (const direction of [0, 1]) {
      const { count, arrivedNs } = this.#streams[direction];
      if (count > 0) lastNs = Math.max(lastNs, arrivedNs[count - 1]);
      const ends = SessionFlag.FIN_0 | SessionFlag.RST_0;
      if (this.#has(ends, direction)) lastNs = Math.max(lastNs, this.#endNs(direction));
    }
    return lastNs;
  }

  #addStream(columns: StreamColumnsBuilder, direction: number, isClient: boolean): void {
    const stream = this.#streams[direction];
    const peer = this.#streams[1 - direction];
    columns.beginSession();
    for (let i = 0; i < stream.count; i++) {
      columns.extentStart.push(stream.start[i]);
      columns.extentBytes.push(stream.bytes[i]);
      columns.extentOffset.push(stream.offset[i]);
    }
    const begunNs = this.#handshakeNs(isClient ? DetailFloat.ACK_NS : DetailFloat.SYN_ACK_NS);
    const lastNs = this.#addMessages(columns, stream, peer, begunNs);
    const unheard = this.#part?.unheard ?? null;
    if (this.#part?.isCut === true) this.#addCutEnd(columns, peer, isClient);
    else if (!isClient && unheard !== null && unheard.end !== 'open') {
      this.#addCutEnd(columns, peer, unheard.end === 'first');
    } else this.#addEnd(columns, direction, peer, lastNs);
  }

  /** @returns when the last message was begun, or the handshake's end without one */
  #addMessages(
    columns: StreamColumnsBuilder,
    stream: DatedStream,
    peer: DatedStream,
    handshakeEndNs: number,
  ): number {
    const words = this.#records.segments.u32;
    const { count, start, bytes } = stream;
    let beforeNs = handshakeEndNs;
    for (let i = 0; i < count; ) {
      const acked = stream.acked[i];
      const sentNs = stream.sentNs[i];
      let next = i + 1;
      while (next < count && !beginsMessage(words, stream, next, acked)) next++;
      columns.messageEnd.push(start[next - 1] + bytes[next - 1]);
      columns.messageAwait.push(acked);
      columns.messageOffsetNs.push(Math.max(0, sentNs - this.#beginNs));
      columns.messageThinkNs.push(thinkNs(sentNs, beforeNs, peer.arrivalOf(acked)));
      beforeNs = sentNs;
      i = next;
    }
    return beforeNs;
  }

  #addEnd(
    columns: StreamColumnsBuilder,
    direction: number,
    peer: DatedStream,
    lastNs: number,
  ): void {
    const flags = SessionFlag.FIN_0 | SessionFlag.RST_0;
    if (!this.#catalog.hasFlag(this.#session, flags << direction)) {
      this.#addOpenEnd(columns);
      return;
    }
    const other = 1 - direction;
    const isRst = this.#has(SessionFlag.ENDED_BY_RST_0, direction);
    const hasAck = this.#has(SessionFlag.END_HAS_ACK_0, direction);
    const ack = this.#word(DetailWord.END_ACK + direction);
    const endNs = this.#endNs(direction);
    // A RST without an ACK says nothing of what had arrived: then what was captured before counts.
    const wanted = hasAck ? peer.receivedBy(ack) : peer.arrivedBy(endNs);
    const isAfterPeer = this.#isAfterPeer(direction, hasAck, ack, endNs);
    const peerEndNs = isAfterPeer ? this.#endNs(other) : Number.NEGATIVE_INFINITY;
    const arrivalNs = Math.max(peer.arrivalOf(wanted), peerEndNs);
    columns.end.push(isRst ? StreamEnd.RST : StreamEnd.FIN);
    columns.endAwait.push(wanted);
    columns.endAfterPeer.push(isAfterPeer ? 1 : 0);
    columns.endOffsetNs.push(Math.max(0, endNs - this.#beginNs));
    columns.endThinkNs.push(thinkNs(endNs, lastNs, arrivalNs));
  }

  #addOpenEnd(columns: StreamColumnsBuilder): void {
    columns.end.push(StreamEnd.OPEN);
    columns.endAwait.push(0);
    columns.endAfterPeer.push(0);
    columns.endOffsetNs.push(Math.max(0, this.#lastNs() - this.#beginNs));
    columns.endThinkNs.push(0);
  }

  /** Whether the other side's FIN had arrived when this side ended its stream. */
  #isAfterPeer(direction: number, hasAck: boolean, ack: number, endNs: number): boolean {
    const other = 1 - direction;
    if (this.#part?.unheard?.end === 'first') return true;
    if (!this.#has(SessionFlag.FIN_0, other) || this.#has(SessionFlag.ENDED_BY_RST_0, other)) {
      return false;
    }
    if (hasAck) return seqDiff(ack, this.#word(DetailWord.END_SEQ + other)) > 0;
    return this.#endNs(other) <= endNs;
  }

  /** Of a session that is played up to a hole: both sides close when all has been said. */
  #addCutEnd(columns: StreamColumnsBuilder, peer: DatedStream, isClient: boolean): void {
    const arrivedNs = peer.count === 0 ? this.#beginNs : peer.arrivedNs[peer.count - 1];
    columns.end.push(StreamEnd.FIN);
    columns.endAwait.push(peer.endOffset);
    columns.endAfterPeer.push(isClient ? 0 : 1);
    columns.endOffsetNs.push(Math.max(0, arrivedNs - this.#beginNs));
    columns.endThinkNs.push(0);
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
