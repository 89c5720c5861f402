/**
 * One session after another with both streams put together and dated, on the clock of its client.
 *
 * Within a direction the clock never goes back: a packet that the capture dates before the one in
 * front of it gets that one's time. By how much the server's clock differs from the client's, where
 * two taps captured them, is taken off its times.
 */
import { DatedStream } from '../reading/dated-stream.ts';
import { mendClock, mendWrites } from '../reading/mend-segments.ts';
import type { SessionPart } from '../reading/partial-session.ts';
import { fullSegmentBytes } from '../reading/segment-size.ts';
import {
  DetailFloat,
  DetailMark,
  DetailWord,
  SessionFlag,
  type SessionRecords,
} from '../reading/session-records.ts';
import type { ScriptCatalog } from './script-catalog.ts';
import type { Scripts } from './scripts.ts';

/** What a hole in the server's stream is filled with: at most so much of the first file at a time. */
const FILL_BYTES_MAX = 4096;

/** The session that was entered last. */
export class DatedSession {
  session = 0;
  /** Which part of it is played, where it is not the whole. */
  part: SessionPart | null = null;
  /** Directions of what each side sends. */
  server = 0;
  client = 1;
  // What is never a whole number is a float from the beginning: as it becomes one, V8 forgets what it has compiled.
  /** So much is the clock of the server's packets ahead of the client's. */
  skewNs = Number.NaN;
  beginNs = Number.NaN;
  /** By direction; those of this session once it has been dated. */
  readonly streams: readonly [DatedStream, DatedStream];
  readonly #catalog: ScriptCatalog;
  readonly #records: SessionRecords;
  #fillBytes = FILL_BYTES_MAX;
  /** Word where the session's detail begins. */
  #detail = 0;

  constructor(catalog: ScriptCatalog) {
    this.#catalog = catalog;
    this.#records = catalog.records;
    this.streams = [new DatedStream(catalog.records), new DatedStream(catalog.records)];
  }

  /** Says what the joined capture is made of, before the first session. */
  begin(files: Scripts['files']): void {
    this.#fillBytes = Math.min(FILL_BYTES_MAX, files.at(0)?.bytes ?? FILL_BYTES_MAX);
  }

  /** @param session a replayable one */
  enter(session: number): void {
    const catalog = this.#catalog;
    this.session = session;
    this.#detail = catalog.detailOf(session);
    this.part = catalog.partOf(session);
    const server = catalog.serverSideOf(session);
    this.server = server;
    this.client = 1 - server;
    this.skewNs = catalog.skews.of(session);
    this.beginNs = this.#isMidStream()
      ? (this.part?.startNs ?? 0)
      : this.#float(DetailFloat.SYN_NS);
  }

  /** Puts its streams together, leaves of them what is played, and dates that. */
  date(): void {
    const { part, server, client, session } = this;
    const isUnsorted = this.#catalog.hasMark(session, DetailMark.UNSORTED);
    for (const direction of [0, 1]) {
      const first = this.word(DetailWord.FIRST_SEGMENT + direction);
      mendClock(this.#records.segments, first);
      if (isUnsorted) this.#mendWrites(first);
      const shiftNs = this.#shiftOf(direction);
      const fillBytes = direction === server && part !== null ? this.#fillBytes : 0;
      this.streams[direction].resolve(session, direction, { shiftNs, fillBytes });
    }
    if (part !== null) this.#cut(part);
    this.streams[client].date(this.streams[server]);
    if (part !== null) this.streams[server].fill(this.streams[client], this.#fillBytes);
    this.streams[server].date(this.streams[client]);
  }

  /** When the handshake was over for the client, or for the server. */
  handshakeNs(isClient: boolean): number {
    if (this.#isMidStream()) return this.beginNs;
    const synAckNs = this.#float(DetailFloat.SYN_ACK_NS) - this.skewNs;
    const ackNs = this.#float(DetailFloat.ACK_NS);
    const wanted = isClient ? ackNs : synAckNs;
    const nearest = isClient ? synAckNs : ackNs;
    if (!Number.isNaN(wanted)) return wanted;
    // Where one of them was not captured, the other one is as near as one gets.
    return Number.isNaN(nearest) ? this.beginNs : nearest;
  }

  /** When a direction ended. */
  endNs(direction: number): number {
    return this.#float(DetailFloat.END_NS + direction) - this.#shiftOf(direction);
  }

  /** The last packet; with clocks that differ, the last one that is known to be of which, once it has been dated. */
  lastNs(): number {
    if (this.skewNs === 0) return this.#catalog.lastNsOf(this.session);
    let lastNs = this.beginNs;
    for (const direction of [0, 1]) {
      const { count, arrivedNs } = this.streams[direction];
      if (count > 0) lastNs = Math.max(lastNs, arrivedNs[count - 1]);
      const ends = SessionFlag.FIN_0 | SessionFlag.RST_0;
      if (this.has(ends, direction)) lastNs = Math.max(lastNs, this.endNs(direction));
    }
    return lastNs;
  }

  /** @param flag one or several of `SessionFlag` with a `_0` */
  has(flag: number, direction: number): boolean {
    return this.#catalog.hasFlag(this.session, flag << direction);
  }

  /** One of `DetailWord`. */
  word(word: number): number {
    return this.#records.details.u32[this.#detail + word];
  }

  #mendWrites(first: number): void {
    const { OFFER } = DetailWord;
    const isIpv6 = this.#catalog.hasFlag(this.session, SessionFlag.IPV6);
    const full = fullSegmentBytes(this.word(OFFER), this.word(OFFER + 1), isIpv6);
    mendWrites(this.#records.segments, first, full);
  }

  /** Leaves of the streams what is played; a server that was not captured has said what its client acknowledged. */
  #cut({ clientFrom, clientTo, serverFrom, serverTo, unheard }: SessionPart): void {
    const { client, server } = this;
    if (unheard !== null) {
      const segment = this.word(DetailWord.FIRST_SEGMENT + client) - 1;
      this.streams[server].expect(serverTo, unheard.endSeq, segment);
    }
    this.streams[client].cut(clientFrom, clientTo);
    this.streams[server].cut(serverFrom, serverTo);
  }

  /** What is taken off the times of a direction's packets. */
  #shiftOf(direction: number): number {
    return direction === this.server ? this.skewNs : 0;
  }

  #isMidStream(): boolean {
    return this.part !== null && !Number.isNaN(this.part.startNs);
  }

  #float(float: number): number {
    return this.#records.details.f64[(this.#detail >>> 1) + float];
  }
}
