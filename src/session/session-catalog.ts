/** The sessions of a capture once it has been read: who spoke with whom, and what is replayable. */
import { formatAddress, type IpAddress } from '../base/address.ts';
import { seqDiff } from '../base/seq.ts';
import type { AddressBook } from './address-book.ts';
import type { Endpoint } from './scripts.ts';
import { SessionReason } from './session-reason.ts';
import {
  DETAIL_WORDS,
  DetailWord,
  SESSION_WORDS,
  SessionFlag,
  SessionFloat,
  type SessionRecords,
  SessionWord,
} from './session-records.ts';
import type { SessionTracker } from './session-tracker.ts';
import { StreamResolver } from './stream-resolver.ts';

/** Stream offsets are unsigned 32-bit numbers in the scripts. */
const STREAM_BYTES_MAX = 0xffff_ffff;
/** Rows of servers are unsigned 16-bit numbers in the scripts. */
const ENDPOINTS_MAX = 0x1_0000;

export class SessionCatalog {
  readonly records: SessionRecords;
  readonly resolver: StreamResolver;
  /** Sessions, in the order of their first packets. */
  readonly total: number;
  /** Row of a session's server in `endpoints`. */
  readonly endpointOf: Uint32Array;
  /** Every server of the capture, in the order in which they were first met. */
  readonly endpoints: Endpoint[] = [];
  /** Of the replayable sessions' servers: their row in the scripts, by row in `endpoints`. */
  readonly scriptRows = new Map<number, number>();
  readonly #addresses: AddressBook;
  readonly #reasons: Uint8Array;

  constructor(tracker: SessionTracker) {
    this.records = tracker.records;
    this.resolver = new StreamResolver(tracker.records);
    this.total = tracker.records.sessions.count;
    this.#addresses = tracker.addresses;
    this.endpointOf = new Uint32Array(this.total);
    this.#findServers();
    this.#reasons = new Uint8Array(this.total);
    for (let i = 0; i < this.total; i++) this.#reasons[i] = this.#classify(i);
  }

  /** Why it is not replayed, or NONE. */
  reasonOf(session: number): SessionReason {
    return this.#reasons[session] as SessionReason;
  }

  /** Direction of what the server sends: 0 or 1. */
  serverSideOf(session: number): 0 | 1 {
    const flags = this.#flagsOf(session);
    if ((flags & SessionFlag.SERVER_KNOWN) !== 0) return (flags & SessionFlag.SERVER) !== 0 ? 1 : 0;
    const ports = this.#word(session, SessionWord.PORTS);
    return ports >>> 16 < (ports & 0xffff) ? 0 : 1;
  }

  /** Address and port of whoever sends in a direction. */
  endpoint(session: number, direction: number): Endpoint {
    const address = formatAddress(this.#addressOf(session, direction));
    return { address, port: this.#portOf(session, direction) };
  }

  packetsOf(session: number): number {
    return this.#word(session, SessionWord.PACKETS);
  }

  /** Changes of speaker towards a direction. */
  turnsOf(session: number, direction: number): number {
    const detail = this.#word(session, SessionWord.DETAIL);
    if (detail === 0) return 0;
    return this.records.details.u32[(detail - 1) * DETAIL_WORDS + DetailWord.TURNS + direction];
  }

  /** Direction of the first payload, or null when there was none. */
  firstSpeakerOf(session: number): 0 | 1 | null {
    const flags = this.#flagsOf(session);
    if ((flags & SessionFlag.SPOKE) === 0) return null;
    return (flags & SessionFlag.FIRST_SPEAKER) !== 0 ? 1 : 0;
  }

  /** First packet as recorded, in nanoseconds from the capture's first. */
  startRawNsOf(session: number): number {
    return this.records.sessions.f64[(session * SESSION_WORDS) / 2 + SessionFloat.FIRST_RAW_NS];
  }

  /** First packet on the mended clock. */
  startNsOf(session: number): number {
    return this.records.sessions.f64[(session * SESSION_WORDS) / 2 + SessionFloat.FIRST_NS];
  }

  /** Last packet on the mended clock. */
  lastNsOf(session: number): number {
    return this.records.sessions.f64[(session * SESSION_WORDS) / 2 + SessionFloat.LAST_NS];
  }

  hasFlag(session: number, flag: number): boolean {
    return (this.#flagsOf(session) & flag) !== 0;
  }

  /** Word where its detail begins, or -1. */
  detailOf(session: number): number {
    return (this.#word(session, SessionWord.DETAIL) - 1) * DETAIL_WORDS;
  }

  #findServers(): void {
    const rows = new Map<string, number>();
    for (let session = 0; session < this.total; session++) {
      const side = this.serverSideOf(session);
      const isIpv6 = this.hasFlag(session, SessionFlag.IPV6);
      const number = this.#word(session, SessionWord.ADDRESS + side);
      const key = `${isIpv6 ? 6 : 4} ${number} ${this.#portOf(session, side)}`;
      let row = rows.get(key);
      if (row === undefined) {
        row = this.endpoints.length;
        rows.set(key, row);
        this.endpoints.push(this.endpoint(session, side));
      }
      this.endpointOf[session] = row;
    }
  }

  #classify(session: number): SessionReason {
    const flags = this.#flagsOf(session);
    const server = this.serverSideOf(session);
    const client = 1 - server;
    if ((flags & (SessionFlag.SYN_0 << client)) === 0) return SessionReason.NO_SYN;
    if ((flags & (SessionFlag.SYN_ACK_0 << server)) === 0) {
      const hasSpoken = (flags & SessionFlag.SPOKE) !== 0;
      const serverSeen =
        SessionFlag.FIN_0 | SessionFlag.RST_0 | SessionFlag.HAS_NXT_0 | SessionFlag.SYN_0;
      const isOneSided = hasSpoken && (flags & (serverSeen << server)) === 0;
      return isOneSided ? SessionReason.ONE_SIDED : SessionReason.NO_SYN_ACK;
    }
    const detail = this.detailOf(session);
    const words = this.records.details.u32;
    if (words[detail + DetailWord.FIRST_SEGMENT + client] === 0) {
      return SessionReason.NO_CLIENT_DATA;
    }
    if ((flags & (SessionFlag.TLS_0 << client)) !== 0) return SessionReason.TLS;
    return this.#judgeStreams(session, client);
  }

  #judgeStreams(session: number, client: number): SessionReason {
    const server = 1 - client;
    const ofClient = this.#judgeStream(session, client, SessionReason.CLIENT_HOLE);
    const clientBytes = this.#lastBytes;
    const ofServer = this.#judgeStream(session, server, SessionReason.SERVER_HOLE);
    const isCut = ofClient === SessionReason.TRUNCATED || ofServer === SessionReason.TRUNCATED;
    if (isCut) return SessionReason.TRUNCATED;
    if (ofClient !== SessionReason.NONE) return ofClient;
    if (ofServer !== SessionReason.NONE) return ofServer;
    // A keep-alive probe before the stream's beginning is a segment, but no data.
    if (clientBytes === 0) return SessionReason.NO_CLIENT_DATA;
    return this.#admitServer(this.endpointOf[session]);
  }

  /** Octets of the stream that `#judgeStream` looked at. */
  #lastBytes = 0;

  #judgeStream(session: number, direction: number, hole: SessionReason): SessionReason {
    const flags = this.#flagsOf(session);
    const isPlain =
      (flags & ((SessionFlag.DISORDERED_0 | SessionFlag.TRUNCATED_0) << direction)) === 0;
    const { resolver } = this;
    if (isPlain) this.#lastBytes = resolver.measure(session, direction);
    else {
      resolver.resolve(session, direction);
      this.#lastBytes = resolver.endOffset;
      if (resolver.hasHole) return hole;
      if (!resolver.isWhole) return SessionReason.TRUNCATED;
    }
    if (this.#lastBytes > STREAM_BYTES_MAX) return SessionReason.TOO_LONG;
    return this.#isTailMissing(session, direction, flags) ? hole : SessionReason.NONE;
  }

  /** Whether a FIN or an acknowledgment shows that more was sent than the capture has. */
  #isTailMissing(session: number, direction: number, flags: number): boolean {
    const detail = this.detailOf(session);
    const words = this.records.details.u32;
    const endSeq = words[detail + DetailWord.NXT + direction];
    const hasFin = (flags & (SessionFlag.FIN_0 << direction)) !== 0;
    const isEndedByRst = (flags & (SessionFlag.ENDED_BY_RST_0 << direction)) !== 0;
    const finSeq = words[detail + DetailWord.END_SEQ + direction];
    if (hasFin && !isEndedByRst && seqDiff(finSeq, endSeq) > 0) return true;
    if ((flags & (SessionFlag.HAS_UNA_0 << direction)) === 0) return false;
    const acked = seqDiff(words[detail + DetailWord.UNA + direction], endSeq);
    return acked > (hasFin ? 1 : 0);
  }

  /** Gives a replayable session's server a row in the scripts, as long as there is one. */
  #admitServer(endpoint: number): SessionReason {
    if (this.scriptRows.has(endpoint)) return SessionReason.NONE;
    if (this.scriptRows.size >= ENDPOINTS_MAX) return SessionReason.TOO_MANY_SERVERS;
    this.scriptRows.set(endpoint, this.scriptRows.size);
    return SessionReason.NONE;
  }

  #addressOf(session: number, direction: number): IpAddress {
    const number = this.#word(session, SessionWord.ADDRESS + direction);
    return this.#addresses.addressOf(number, this.hasFlag(session, SessionFlag.IPV6));
  }

  #portOf(session: number, direction: number): number {
    const ports = this.#word(session, SessionWord.PORTS);
    return direction === 0 ? ports >>> 16 : ports & 0xffff;
  }

  #flagsOf(session: number): number {
    return this.#word(session, SessionWord.FLAGS);
  }

  #word(session: number, word: number): number {
    return this.records.sessions.u32[session * SESSION_WORDS + word];
  }
}
