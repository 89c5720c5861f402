/**
 * Turns the replayable sessions of a catalog into scripts.
 *
 * A stream's extents, and when each was sent and had arrived, come from DatedSession. Its messages
 * are found by walking the extents: a new one begins where the sender had received more than
 * before, where the segment before ended a write (it was shorter than a full one), and after a
 * pause with nothing in flight.
 */

import type { JoinedFile } from '../../base/joined-file.ts';
import { seqDiff } from '../../base/seq.ts';
import type { DatedStream } from '../reading/dated-stream.ts';
import {
  DetailWord,
  OFFERED_SACK,
  SessionFlag,
  type SessionRecords,
  SessionWord,
} from '../reading/session-records.ts';
import { ClientNumbers } from './client-numbers.ts';
import { DatedSession } from './dated-session.ts';
import { nextMessage, thinkNs } from './messages.ts';
import type { Outlines } from './outlines.ts';
import type { ScriptCatalog } from './script-catalog.ts';
import { type Scripts, StreamEnd } from './scripts.ts';
import { SessionColumnsBuilder } from './session-columns-builder.ts';
import { StreamColumnsBuilder } from './stream-columns-builder.ts';
import { StreamProtocol } from './stream-protocol.ts';
import type { ReadOctets } from './stream-view.ts';
import { type WantedScripts, WantedSessions } from './wanted-scripts.ts';

/** Beyond so many rows columns grow as they are filled: even memory that is not used must be granted. */
const ROWS_EXPECTED_MAX = 4_000_000;

/** Builds the scripts of one catalog: each call of `build` takes the memory of the one before. */
export class ScriptBuilder {
  readonly #catalog: ScriptCatalog;
  readonly #records: SessionRecords;
  readonly #speaks: StreamProtocol;
  /** The session at hand. */
  readonly #dated: DatedSession;
  readonly #clients = new StreamColumnsBuilder();
  readonly #servers = new StreamColumnsBuilder();
  readonly #sessions = new SessionColumnsBuilder();
  readonly #clientNumbers = new ClientNumbers();
  // What is never a whole number is a float from the beginning: as it becomes one, V8 forgets what it has compiled.
  /** Start of the first session, and of the last one before the session at hand. */
  #originNs = Number.NaN;
  #latestStartNs = Number.NEGATIVE_INFINITY;
  #wanted = new WantedSessions(null, []);
  /** Of the catalog's servers: their rows in the scripts. */
  #scriptRows = new Uint16Array(0);
  /** Whether of some sessions only outlines were added. */
  #hasOutlines = false;

  /** @param read is asked for the first octets of client streams, to recognise protocols */
  constructor(catalog: ScriptCatalog, read: ReadOctets) {
    this.#catalog = catalog;
    this.#records = catalog.records;
    this.#speaks = new StreamProtocol(read);
    this.#dated = new DatedSession(catalog);
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
      this.#dated.enter(outlines.session[row]);
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
    this.#dated.begin(files);
    this.#sessions.begin(sessions);
    const segments = (this.#records.segments.count * sessions) / Math.max(1, this.#catalog.total);
    const rows = areWhole ? Math.min(Math.ceil(segments), ROWS_EXPECTED_MAX) : 0;
    this.#clients.begin(sessions, rows);
    this.#servers.begin(sessions, rows);
  }

  #addSession(session: number): void {
    this.#dated.enter(session);
    // Where clocks differ, what was said tells when it ended.
    const isTaken = this.#wanted.take(this.#catalog.endpointOf[session]);
    if (isTaken || this.#dated.skewNs !== 0) {
      if (this.#hasOutlines) this.#skipOutlines(this.#sessions.startNs.count);
      this.#addScript();
    }
    this.#hasOutlines ||= !isTaken;
    this.#addOutline();
  }

  /** Adds what the session at hand says. */
  #addScript(): void {
    const dated = this.#dated;
    dated.date();
    const { client, server } = dated;
    const isUnheard = dated.part !== null && dated.part.unheard !== null;
    this.#sessions.unheard.push(isUnheard ? 1 : 0);
    this.#sessions.hasUnheard ||= isUnheard;
    this.#addOffer(client);
    this.#sessions.connectNs.push(Math.max(0, dated.handshakeNs(false) - dated.beginNs));
    this.#sessions.protocol.push(this.#speaks.of(dated.streams[client]));
    this.#sessions.clientAddress.push(this.#addressNumber(client));
    this.#addStream(this.#clients, client, true);
    this.#addStream(this.#servers, server, false);
  }

  /** Adds what is known also of a session that says nothing: when it was, and with which server. */
  #addOutline(): void {
    if (Number.isNaN(this.#originNs)) this.#originNs = this.#dated.beginNs;
    // Sessions are in the order of the capture; a clock that went back does not reorder them.
    this.#latestStartNs = Math.max(this.#latestStartNs, this.#dated.beginNs - this.#originNs);
    this.#sessions.startNs.push(this.#latestStartNs);
    this.#sessions.durationNs.push(Math.max(0, this.#dated.lastNs() - this.#dated.beginNs));
    this.#sessions.endpoint.push(this.#scriptRows[this.#catalog.endpointOf[this.#dated.session]]);
  }

  /** Sessions before this row of which nothing else was added say nothing. */
  #skipOutlines(row: number): void {
    this.#sessions.skipTo(row);
    this.#clients.skipTo(row);
    this.#servers.skipTo(row);
  }

  /** Of the address of whoever sends in a direction. */
  #addressNumber(direction: number): number {
    const { session } = this.#dated;
    const key = this.#catalog.word(session, SessionWord.ADDRESS + direction);
    const isIpv6 = this.#catalog.hasFlag(session, SessionFlag.IPV6);
    return isIpv6
      ? this.#clientNumbers.ofIpv6(key, () => this.#catalog.addressOf(session, direction))
      : this.#clientNumbers.ofIpv4(key);
  }

  /** Whether the client's SYN left SACK out; what was not captured did not. */
  #addOffer(client: number): void {
    const hasSyn = this.#dated.has(SessionFlag.SYN_0, client);
    const isLeftOut = hasSyn && (this.#dated.word(DetailWord.OFFER + client) & OFFERED_SACK) === 0;
    this.#sessions.sackLeftOut.push(isLeftOut ? 1 : 0);
    this.#sessions.hasSackLeftOut ||= isLeftOut;
  }

  #addStream(columns: StreamColumnsBuilder, direction: number, isClient: boolean): void {
    const stream = this.#dated.streams[direction];
    const peer = this.#dated.streams[1 - direction];
    columns.beginSession();
    for (let i = 0; i < stream.count; i++) {
      columns.extentStart.push(stream.start[i]);
      columns.extentBytes.push(stream.bytes[i]);
      columns.extentOffset.push(stream.offset[i]);
    }
    const begunNs = this.#dated.handshakeNs(isClient);
    const lastNs = this.#addMessages(columns, stream, peer, begunNs);
    const unheard = this.#dated.part?.unheard ?? null;
    if (this.#dated.part?.isCut === true) this.#addCutEnd(columns, peer, isClient);
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
      const next = nextMessage(words, stream, i);
      columns.messageEnd.push(start[next - 1] + bytes[next - 1]);
      columns.messageAwait.push(acked);
      columns.messageOffsetNs.push(Math.max(0, sentNs - this.#dated.beginNs));
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
    if (!this.#catalog.hasFlag(this.#dated.session, flags << direction)) {
      this.#addOpenEnd(columns);
      return;
    }
    const other = 1 - direction;
    const isRst = this.#dated.has(SessionFlag.ENDED_BY_RST_0, direction);
    const hasAck = this.#dated.has(SessionFlag.END_HAS_ACK_0, direction);
    const ack = this.#dated.word(DetailWord.END_ACK + direction);
    const endNs = this.#dated.endNs(direction);
    // A RST without an ACK says nothing of what had arrived: then what was captured before counts.
    const wanted = hasAck ? peer.receivedBy(ack) : peer.arrivedBy(endNs);
    const isAfterPeer = this.#isAfterPeer(direction, hasAck, ack, endNs);
    const peerEndNs = isAfterPeer ? this.#dated.endNs(other) : Number.NEGATIVE_INFINITY;
    const arrivalNs = Math.max(peer.arrivalOf(wanted), peerEndNs);
    columns.end.push(isRst ? StreamEnd.RST : StreamEnd.FIN);
    columns.endAwait.push(wanted);
    columns.endAfterPeer.push(isAfterPeer ? 1 : 0);
    columns.endOffsetNs.push(Math.max(0, endNs - this.#dated.beginNs));
    columns.endThinkNs.push(thinkNs(endNs, lastNs, arrivalNs));
  }

  #addOpenEnd(columns: StreamColumnsBuilder): void {
    columns.end.push(StreamEnd.OPEN);
    columns.endAwait.push(0);
    columns.endAfterPeer.push(0);
    columns.endOffsetNs.push(Math.max(0, this.#dated.lastNs() - this.#dated.beginNs));
    columns.endThinkNs.push(0);
  }

  /** Whether the other side's FIN had arrived when this side ended its stream. */
  #isAfterPeer(direction: number, hasAck: boolean, ack: number, endNs: number): boolean {
    const other = 1 - direction;
    if (this.#dated.part?.unheard?.end === 'first') return true;
    if (
      !this.#dated.has(SessionFlag.FIN_0, other) ||
      this.#dated.has(SessionFlag.ENDED_BY_RST_0, other)
    ) {
      return false;
    }
    if (hasAck) return seqDiff(ack, this.#dated.word(DetailWord.END_SEQ + other)) > 0;
    return this.#dated.endNs(other) <= endNs;
  }

  /** Of a session that is played up to a hole: both sides close when all has been said. */
  #addCutEnd(columns: StreamColumnsBuilder, peer: DatedStream, isClient: boolean): void {
    const arrivedNs = peer.count === 0 ? this.#dated.beginNs : peer.arrivedNs[peer.count - 1];
    columns.end.push(StreamEnd.FIN);
    columns.endAwait.push(peer.endOffset);
    columns.endAfterPeer.push(isClient ? 0 : 1);
    columns.endOffsetNs.push(Math.max(0, arrivedNs - this.#dated.beginNs));
    columns.endThinkNs.push(0);
  }
}
