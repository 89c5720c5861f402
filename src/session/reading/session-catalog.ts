/** The sessions of a capture once it has been read: who spoke with whom, and what is replayable. */
import type { Epoch } from '../../capture/capture-clock.ts';
import { ClockSkews } from './clock-skew.ts';
import type { SessionPart } from './partial-session.ts';
import { type RecordedEndpoint, SessionFacts } from './session-facts.ts';
import { SessionFilter } from './session-filter.ts';
import { SessionJudge } from './session-judge.ts';
import { SESSION_REASON_NAMES, SessionReason } from './session-reason.ts';
import { DetailMark, SessionFlag, SessionWord } from './session-records.ts';
import type { SessionSelection } from './session-selection.ts';
import type { SessionTracker } from './session-tracker.ts';
import { StreamResolver } from './stream-resolver.ts';
import { TurnCount } from './turn-count.ts';

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

/** The facts of all sessions, which of them are replayed, and sums over their servers. */
export class SessionCatalog extends SessionFacts {
  readonly resolver: StreamResolver;
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
  readonly #reasons: Uint8Array;
  readonly #replayable: Uint32Array;
  readonly #filter: SessionFilter;
  readonly #judge: SessionJudge;

  /** @param epoch from which the tracker's times count */
  constructor(tracker: SessionTracker, selection: SessionSelection, epoch: Epoch) {
    super(tracker, selection.servers);
    this.resolver = new StreamResolver(tracker.records);
    this.endpointOf = new Uint32Array(this.total);
    this.#reasons = new Uint8Array(this.total);
    this.#replayable = new Uint32Array(this.total);
    this.#filter = new SessionFilter(this, this.resolver, selection, epoch);
    this.#judge = new SessionJudge(this, this.resolver, this.endpointOf, selection.include);
    this.skews = new ClockSkews(tracker.records, (session) => this.serverSideOf(session));
    if (this.skews.hasUnsorted) this.#countTurns();
    this.#survey();
  }

  /** Of the replayable sessions' servers: their row in the scripts, by row in `endpoints`. */
  get scriptRows(): ReadonlyMap<number, number> {
    return this.#judge.scriptRows;
  }

  /** Rows of the sessions that are replayed, ascending. */
  get replayable(): Uint32Array {
    return this.#replayable.subarray(0, this.reasonCounts[SessionReason.NONE]);
  }

  /** Why it is not replayed, or NONE. */
  reasonOf(session: number): SessionReason {
    return this.#reasons[session] as SessionReason;
  }

  /** Which part of a replayable session is played, where it is not the whole. */
  partOf(session: number): SessionPart | null {
    return this.#judge.partOf(session);
  }

  /** Of sessions in which the order of capture does not tell who spoke when. */
  #countTurns(): void {
    const turns = new TurnCount(this.records);
    for (let session = 0; session < this.total; session++) {
      if (!this.hasMark(session, DetailMark.UNSORTED)) continue;
      turns.count(session, this.serverSideOf(session), this.skews.of(session));
    }
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
      const family = this.flagsOf(session) & SessionFlag.IPV6;
      const number = this.word(session, SessionWord.ADDRESS + side);
      const port = this.portOf(session, side);
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
      const reason = this.#filter.isSelected(session)
        ? this.#judge.judge(session)
        : SessionReason.NOT_SELECTED;
      this.#reasons[session] = reason;
      if (reason === SessionReason.NONE) this.#replayable[this.reasonCounts[reason]] = session;
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
}
