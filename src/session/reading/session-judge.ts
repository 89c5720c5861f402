/** Says which sessions can be replayed: whole, in part where that is asked for, or not and why. */
import { oneSidedSession, PartFinder, type SessionPart, wholeSession } from './partial-session.ts';
import type { SessionFacts } from './session-facts.ts';
import { SessionReason } from './session-reason.ts';
import { DetailMark, DetailWord, SessionFlag, type SessionRecords } from './session-records.ts';
import type { Incomplete } from './session-selection.ts';
import { isTailMissing, type StreamResolver } from './stream-resolver.ts';

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

/** Judges one session after another, in the order of the capture. */
export class SessionJudge {
  /** Of the replayable sessions' servers: their row in the scripts, by row in the catalog. */
  readonly scriptRows = new Map<number, number>();
  readonly #facts: SessionFacts;
  readonly #records: SessionRecords;
  readonly #resolver: StreamResolver;
  readonly #endpointOf: Uint32Array;
  readonly #include: readonly Incomplete[] | undefined;
  readonly #partFinder: PartFinder;
  /** Of sessions that are played in part. */
  readonly #parts = new Map<number, SessionPart>();
  /** Octets of the stream that `#judgeStream` looked at. */
  #lastBytes = 0;

  /**
   * @param endpointOf row of each session's server in the catalog, known when it is judged
   * @param include what is played although it is not whole
   */
  constructor(
    facts: SessionFacts,
    resolver: StreamResolver,
    endpointOf: Uint32Array,
    include: readonly Incomplete[] | undefined,
  ) {
    this.#facts = facts;
    this.#records = facts.records;
    this.#resolver = resolver;
    this.#endpointOf = endpointOf;
    this.#include = include;
    this.#partFinder = new PartFinder(facts.records);
  }

  /** Which part of a replayable session is played, where it is not the whole. */
  partOf(session: number): SessionPart | null {
    return this.#parts.get(session) ?? null;
  }

  /** Why a session is not replayed, or NONE. */
  judge(session: number): SessionReason {
    const reason = this.#classify(session);
    const include = this.#include;
    if (include === undefined || !ADMISSIBLE.has(reason)) return reason;
    if (reason === SessionReason.ONE_SIDED) {
      return include.includes('one-sided') ? this.#judgeOneSided(session) : reason;
    }
    const hasSyn = reason !== SessionReason.NO_SYN;
    if (!hasSyn && !include.includes('mid-stream')) return reason;
    const mayHaveHoles = include.includes('holed');
    if (hasSyn && !mayHaveHoles) return reason;
    const client = (1 - this.#facts.serverSideOf(session)) as 0 | 1;
    // What is encrypted does not become plain in its middle.
    const encryption = this.#encryptionOf(session, client);
    if (encryption !== SessionReason.NONE) return encryption;
    const part = this.#partFinder.find(session, client, { hasSyn, mayHaveHoles });
    if (part === null) return reason;
    return this.#admitPart(session, part);
  }

  #admitPart(session: number, part: SessionPart): SessionReason {
    const admitted = this.#admitServer(this.#endpointOf[session]);
    if (admitted === SessionReason.NONE) this.#parts.set(session, part);
    return admitted;
  }

  #encryptionOf(session: number, client: 0 | 1): SessionReason {
    if (this.#facts.hasFlag(session, SessionFlag.TLS_0 << client)) return SessionReason.TLS;
    const isSsh = this.#records.mayHaveMarks && this.#facts.hasMark(session, DetailMark.SSH);
    return isSsh ? SessionReason.SSH : SessionReason.NONE;
  }

  /** Of a session in which nothing of the server was captured: what the client said must be whole. */
  #judgeOneSided(session: number): SessionReason {
    const client = this.#facts.serverSideOf(session) === 0 ? 1 : 0;
    const encryption = this.#encryptionOf(session, client);
    if (encryption !== SessionReason.NONE) return encryption;
    const ofClient = this.#judgeStream(session, client, SessionReason.CLIENT_HOLE);
    if (ofClient !== SessionReason.NONE) return ofClient;
    if (this.#lastBytes === 0) return SessionReason.NO_CLIENT_DATA;
    const part = oneSidedSession(this.#records, session, client, this.#lastBytes);
    return this.#admitPart(session, part);
  }

  #classify(session: number): SessionReason {
    const flags = this.#facts.flagsOf(session);
    const server = this.#facts.serverSideOf(session);
    const client = server === 0 ? 1 : 0;
    if ((flags & (SessionFlag.SYN_0 << client)) === 0) {
      const isClientSeen = this.#facts.hasMark(session, DetailMark.HAS_LANE_0 << client);
      return isClientSeen ? SessionReason.NO_SYN : SessionReason.SERVER_ONLY;
    }
    if ((flags & (SessionFlag.SYN_ACK_0 << server)) === 0) {
      const hasSpoken = (flags & SessionFlag.SPOKE) !== 0;
      const isServerSeen = this.#facts.hasMark(session, DetailMark.HAS_LANE_0 << server);
      return hasSpoken && !isServerSeen ? SessionReason.ONE_SIDED : SessionReason.NO_SYN_ACK;
    }
    const detail = this.#facts.detailOf(session);
    const words = this.#records.details.u32;
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
    return this.#admitServer(this.#endpointOf[session]);
  }

  #judgeStream(session: number, direction: number, hole: SessionReason): SessionReason {
    const flags = this.#facts.flagsOf(session);
    const isPlain =
      (flags & ((SessionFlag.DISORDERED_0 | SessionFlag.TRUNCATED_0) << direction)) === 0;
    const resolver = this.#resolver;
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
    if (isTailMissing(this.#records, session, direction, endSeq)) return hole;
    return isCut ? SessionReason.TRUNCATED : SessionReason.NONE;
  }

  /** Gives a replayable session's server a row in the scripts, as long as there is one. */
  #admitServer(endpoint: number): SessionReason {
    if (this.scriptRows.has(endpoint)) return SessionReason.NONE;
    if (this.scriptRows.size >= ENDPOINTS_MAX) return SessionReason.TOO_MANY_SERVERS;
    this.scriptRows.set(endpoint, this.scriptRows.size);
    return SessionReason.NONE;
  }
}
