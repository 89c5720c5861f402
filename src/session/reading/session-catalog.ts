/** The sessions of a capture once it has been read: who spoke with whom, and what is replayable. */
import { formatAddress, type IpAddress } from '../../base/address.ts';
import { hash32 } from '../../base/prng.ts';
import { NS_PER_SECOND } from '../../base/time.ts';
import type { Epoch } from '../../capture/capture-clock.ts';
import type { RecordedEndpoint } from '../script/scripts.ts';
import type { AddressBook } from './address-book.ts';
import { ClockSkews } from './clock-skew.ts';
import { oneSidedSession, PartFinder, type SessionPart, wholeSession } from './partial-session.ts';
import { SESSION_REASON_NAMES, SessionReason } from './session-reason.ts';
import {
  DETAIL_WORDS,
  DetailMark,
  DetailWord,
  SESSION_WORDS,
  SessionFlag,
  SessionFloat,
  type SessionRecords,
  SessionWord,
} from './session-records.ts';
import { matchesEndpoint, matchesPrefix, type SessionSelection } from './session-selection.ts';
import type { SessionTracker } from './session-tracker.ts';
import { isTailMissing, StreamResolver } from './stream-resolver.ts';
import { TurnCount } from './turn-count.ts';

/** Stream offsets are unsigned 32-bit numbers in the scripts. */
const STREAM_BYTES_MAX = 0xffff_ffff;
/** Rows of servers are unsigned 16-bit numbers in the scripts. */
const ENDPOINTS_MAX = 0x1_0000;

/** What may be played in part when it is asked for. */
const ADMISSIBLE: ReadonlySet<SessionReason> = new Set([
  SessionReason.NO_SYN,
  SessionReason.ONE_SIDED,
  SessionReason.TRUNCATED,
  SessionReason.CLIENT_HOLE,
  SessionReason.SERVER_HOLE,
]);

const LISTED_0 = 1;
const LISTED_1 = 2;

/** Sums over the sessions of one server; octets are payload, each once. */
export interface ServerCounts {
  sessions: number;
  replayable: number;
  /** Sessions in which the server spoke first. */
  serverFirst: number;
  /** Changes of speaker towards the client. */
  clientTurns: number;
  clientBytes: number;
  serverBytes: number;
  /** Of both directions of replayable sessions. */
  replayableBytes: number;
}

export class SessionCatalog {
  readonly records: SessionRecords;
  readonly resolver: StreamResolver;
  /** Sessions, in the order of their first packets. */
  readonly total: number;
  /** Row of a session's server in `endpoints`. */
  readonly endpointOf: Uint32Array;
  /** Every server of the capture, in the order in which they were first met. */
  readonly endpoints: RecordedEndpoint[] = [];
  /** What was counted of each of them. */
  readonly servers: ServerCounts[] = [];
  /** Sessions by reason. */
  readonly reasonCounts = new Float64Array(SESSION_REASON_NAMES.length);
  /** How far the clocks are apart that dated the two directions. */
  readonly skews: ClockSkews;
  /** Of the replayable sessions' servers: their row in the scripts, by row in `endpoints`. */
  readonly scriptRows = new Map<number, number>();
  readonly #addresses: AddressBook;
  readonly #reasons: Uint8Array;
  readonly #selection: SessionSelection;
  readonly #epoch: Epoch;
  /** Of sessions that are played in part. */
  readonly #parts = new Map<number, SessionPart>();
  readonly #partFinder: PartFinder;
  /** Octets of the stream that `#judgeStream` looked at. */
  #lastBytes = 0;

  /** @param epoch from which the tracker's times count */
  constructor(tracker: SessionTracker, selection: SessionSelection, epoch: Epoch) {
    this.records = tracker.records;
    this.resolver = new StreamResolver(tracker.records);
    this.total = tracker.records.sessions.count;
    this.#addresses = tracker.addresses;
    this.#selection = selection;
    this.#epoch = epoch;
    this.#partFinder = new PartFinder(tracker.records);
    this.endpointOf = new Uint32Array(this.total);
    this.#reasons = new Uint8Array(this.total);
    this.skews = new ClockSkews(tracker.records, (session) => this.serverSideOf(session));
    if (this.skews.hasUnsorted) this.#countTurns();
    this.#survey();
  }

  /** Why it is not replayed, or NONE. */
  reasonOf(session: number): SessionReason {
    return this.#reasons[session] as SessionReason;
  }

  /** Which part of a replayable session is played, where it is not the whole. */
  partOf(session: number): SessionPart | null {
    return this.#parts.get(session) ?? null;
  }

  /** Direction of what the server sends: 0 or 1. */
  serverSideOf(session: number): 0 | 1 {
    const listed = this.#listedSides(session);
    if (listed === LISTED_0) return 0;
    if (listed === LISTED_1) return 1;
    const flags = this.#flagsOf(session);
    if ((flags & SessionFlag.SERVER_KNOWN) !== 0) return (flags & SessionFlag.SERVER) !== 0 ? 1 : 0;
    const ports = this.#word(session, SessionWord.PORTS);
    return ports >>> 16 < (ports & 0xffff) ? 0 : 1;
  }

  /** Address and port of whoever sends in a direction. */
  endpoint(session: number, direction: number): RecordedEndpoint {
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

  /** Word where its detail begins; negative without one. */
  detailOf(session: number): number {
    return (this.#word(session, SessionWord.DETAIL) - 1) * DETAIL_WORDS;
  }

  /** Of sessions in which the order of capture does not tell who spoke when. */
  #countTurns(): void {
    const turns = new TurnCount(this.records);
    for (let session = 0; session < this.total; session++) {
      if (!this.hasMark(session, DetailMark.UNSORTED)) continue;
      turns.count(session, this.serverSideOf(session), this.skews.of(session));
    }
  }

  /** @param mark one of `DetailMark` */
  hasMark(session: number, mark: number): boolean {
    const detail = this.detailOf(session);
    return detail >= 0 && (this.records.details.u32[detail + DetailWord.MARKS] & mark) !== 0;
  }

  /** One pass over the records, which are far larger than the processor's cache. */
  #survey(): void {
    const rows = new Map<string, number>();
    let lastRow = -1;
    let lastNumber = 0;
    let lastPort = 0;
    let lastFamily = 0;
    for (let session = 0; session < this.total; session++) {
      const side = this.serverSideOf(session);
      const family = this.#flagsOf(session) & SessionFlag.IPV6;
      const number = this.#word(session, SessionWord.ADDRESS + side);
      const port = this.#portOf(session, side);
      const isSame = number === lastNumber && port === lastPort && family === lastFamily;
      if (lastRow < 0 || !isSame) {
        const key = `${family} ${number} ${port}`;
        lastRow = rows.get(key) ?? this.#addServer(session, side);
        rows.set(key, lastRow);
        lastNumber = number;
        lastPort = port;
        lastFamily = family;
      }
      this.endpointOf[session] = lastRow;
      const reason = this.#judge(session);
      this.#reasons[session] = reason;
      this.reasonCounts[reason]++;
      if (reason === SessionReason.NOT_SELECTED) continue;
      this.#count(session, side, this.servers[lastRow], reason === SessionReason.NONE);
    }
  }

  #addServer(session: number, side: 0 | 1): number {
    this.endpoints.push(this.endpoint(session, side));
    this.servers.push({
      sessions: 0,
      replayable: 0,
      serverFirst: 0,
      clientTurns: 0,
      clientBytes: 0,
      serverBytes: 0,
      replayableBytes: 0,
    });
    return this.servers.length - 1;
  }

  #count(session: number, side: 0 | 1, server: ServerCounts, isReplayable: boolean): void {
    const clientBytes = this.resolver.measure(session, 1 - side);
    const serverBytes = this.resolver.measure(session, side);
    server.sessions++;
    if (this.firstSpeakerOf(session) === side) server.serverFirst++;
    server.clientTurns += this.turnsOf(session, 1 - side);
    server.clientBytes += clientBytes;
    server.serverBytes += serverBytes;
    if (!isReplayable) return;
    server.replayable++;
    server.replayableBytes += clientBytes + serverBytes;
  }

  /** Which sides the selection lists as servers: bits. */
  #listedSides(session: number): number {
    const { servers } = this.#selection;
    if (servers === undefined) return 0;
    let listed = 0;
    for (const side of [0, 1]) {
      const address = this.#addressOf(session, side);
      const port = this.#portOf(session, side);
      if (servers.some((pattern) => matchesEndpoint(pattern, address, port))) listed |= 1 << side;
    }
    return listed;
  }

  #judge(session: number): SessionReason {
    if (!this.#isSelected(session)) return SessionReason.NOT_SELECTED;
    const reason = this.#classify(session);
    const { include } = this.#selection;
    if (include === undefined || !ADMISSIBLE.has(reason)) return reason;
    if (reason === SessionReason.ONE_SIDED) {
      return include.includes('one-sided') ? this.#judgeOneSided(session) : reason;
    }
    const hasSyn = reason !== SessionReason.NO_SYN;
    if (!hasSyn && !include.includes('mid-stream')) return reason;
    const mayHaveHoles = include.includes('holed');
    if (hasSyn && !mayHaveHoles) return reason;
    const client = (1 - this.serverSideOf(session)) as 0 | 1;
    // What is encrypted does not become plain in its middle.
    const encryption = this.#encryptionOf(session, client);
    if (encryption !== SessionReason.NONE) return encryption;
    const part = this.#partFinder.find(session, client, { hasSyn, mayHaveHoles });
    if (part === null) return reason;
    return this.#admitPart(session, part);
  }

  #admitPart(session: number, part: SessionPart): SessionReason {
    const admitted = this.#admitServer(this.endpointOf[session]);
    if (admitted === SessionReason.NONE) this.#parts.set(session, part);
    return admitted;
  }

  #encryptionOf(session: number, client: 0 | 1): SessionReason {
    if (this.hasFlag(session, SessionFlag.TLS_0 << client)) return SessionReason.TLS;
    const isSsh = this.records.mayHaveMarks && this.hasMark(session, DetailMark.SSH);
    return isSsh ? SessionReason.SSH : SessionReason.NONE;
  }

  /** Of a session in which nothing of the server was captured: what the client said must be whole. */
  #judgeOneSided(session: number): SessionReason {
    const client = this.serverSideOf(session) === 0 ? 1 : 0;
    const encryption = this.#encryptionOf(session, client);
    if (encryption !== SessionReason.NONE) return encryption;
    const ofClient = this.#judgeStream(session, client, SessionReason.CLIENT_HOLE);
    if (ofClient !== SessionReason.NONE) return ofClient;
    if (this.#lastBytes === 0) return SessionReason.NO_CLIENT_DATA;
    const part = oneSidedSession(this.records, session, client, this.#lastBytes);
    return this.#admitPart(session, part);
  }

  #isSelected(session: number): boolean {
    const { servers, clients, indices } = this.#selection;
    if (servers !== undefined && this.#listedSides(session) === 0) return false;
    if (indices !== undefined) {
      const isListed = indices.some(({ first, last }) => first <= session && session <= last);
      if (!isListed) return false;
    }
    if (clients !== undefined) {
      const address = this.#addressOf(session, 1 - this.serverSideOf(session));
      if (!clients.some((prefix) => matchesPrefix(prefix, address))) return false;
    }
    return (
      this.#beginsInWindow(session) && this.#hasWantedSize(session) && this.#isInFraction(session)
    );
  }

  #beginsInWindow(session: number): boolean {
    const { fromSeconds, untilSeconds, fromAfterNs, untilAfterNs } = this.#selection;
    const { seconds, nanos } = this.#epoch;
    const afterNs = this.startRawNsOf(session) - nanos;
    const startSeconds = (Number.isNaN(seconds) ? 0 : seconds) + (afterNs + nanos) / NS_PER_SECOND;
    if (fromSeconds !== undefined && startSeconds < fromSeconds) return false;
    if (untilSeconds !== undefined && startSeconds >= untilSeconds) return false;
    if (fromAfterNs !== undefined && afterNs < fromAfterNs) return false;
    return untilAfterNs === undefined || afterNs < untilAfterNs;
  }

  #hasWantedSize(session: number): boolean {
    const { bytesMin = 0, bytesMax = Number.POSITIVE_INFINITY } = this.#selection;
    if (bytesMin === 0 && bytesMax === Number.POSITIVE_INFINITY) return true;
    const bytes = this.resolver.measure(session, 0) + this.resolver.measure(session, 1);
    return bytes >= bytesMin && bytes <= bytesMax;
  }

  /** By the endpoints, so that the same connections are picked from every copy of a capture. */
  #isInFraction(session: number): boolean {
    const { fraction } = this.#selection;
    if (fraction === undefined) return true;
    const isIpv6 = this.hasFlag(session, SessionFlag.IPV6);
    let hash = 0;
    for (const side of [0, 1]) {
      const address = this.#addresses.hashOf(
        this.#word(session, SessionWord.ADDRESS + side),
        isIpv6,
      );
      // Added up, so that it does not matter who sent first.
      hash = (hash + hash32(address, this.#portOf(session, side))) >>> 0;
    }
    return hash32(hash, 0) < fraction * 2 ** 32;
  }

  #classify(session: number): SessionReason {
    const flags = this.#flagsOf(session);
    const server = this.serverSideOf(session);
    const client = server === 0 ? 1 : 0;
    if ((flags & (SessionFlag.SYN_0 << client)) === 0) {
      const isClientSeen = this.hasMark(session, DetailMark.HAS_LANE_0 << client);
      return isClientSeen ? SessionReason.NO_SYN : SessionReason.SERVER_ONLY;
    }
    if ((flags & (SessionFlag.SYN_ACK_0 << server)) === 0) {
      const hasSpoken = (flags & SessionFlag.SPOKE) !== 0;
      const isServerSeen = this.hasMark(session, DetailMark.HAS_LANE_0 << server);
      return hasSpoken && !isServerSeen ? SessionReason.ONE_SIDED : SessionReason.NO_SYN_ACK;
    }
    const detail = this.detailOf(session);
    const words = this.records.details.u32;
    if (words[detail + DetailWord.FIRST_SEGMENT + client] === 0) {
      return SessionReason.NO_CLIENT_DATA;
    }
    const encryption = this.#encryptionOf(session, client);
    if (encryption !== SessionReason.NONE) return encryption;
    return this.#judgeStreams(session, client);
  }

  #judgeStreams(session: number, client: number): SessionReason {
    const server = 1 - client;
    const ofClient = this.#judgeStream(session, client, SessionReason.CLIENT_HOLE);
    const clientBytes = this.#lastBytes;
    const ofServer = this.#judgeStream(session, server, SessionReason.SERVER_HOLE);
    if (ofClient !== SessionReason.NONE) return ofClient;
    const isCut = ofServer === SessionReason.TRUNCATED;
    if (ofServer !== SessionReason.NONE && !isCut) return ofServer;
    // A keep-alive probe before the stream's beginning is a segment, but no data.
    if (clientBytes === 0) return SessionReason.NO_CLIENT_DATA;
    // Of what the server said only the length is needed.
    if (isCut) return this.#admitPart(session, wholeSession(clientBytes, this.#lastBytes));
    return this.#admitServer(this.endpointOf[session]);
  }

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
    }
    if (this.#lastBytes > STREAM_BYTES_MAX) return SessionReason.TOO_LONG;
    // The first of the list of reasons is given: to the client's octets a cut is worse than a hole.
    const isCut = !isPlain && !resolver.isWhole;
    if (isCut && hole === SessionReason.CLIENT_HOLE) return SessionReason.TRUNCATED;
    const endSeq = isPlain ? undefined : resolver.endSeq;
    if (isTailMissing(this.records, session, direction, endSeq)) return hole;
    return isCut ? SessionReason.TRUNCATED : SessionReason.NONE;
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
