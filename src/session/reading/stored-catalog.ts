/** As much of a catalog as is kept beside a capture, and of its tables the rows of some sessions. */
import type { Records } from '../../base/records.ts';
import { RecordsCheck } from './check-records.ts';
import type { SessionPart } from './partial-session.ts';
import { type RecordedEndpoint, SessionFacts } from './session-facts.ts';
import { SessionJudge } from './session-judge.ts';
import { SessionReason } from './session-reason.ts';
import {
  DETAIL_WORDS,
  DetailWord,
  SEGMENT_WORDS,
  SegmentWord,
  SessionFlag,
  SessionWord,
} from './session-records.ts';
import type { SessionTracker } from './session-tracker.ts';
import { StreamResolver } from './stream-resolver.ts';

/** Where rows come from that are not there yet. */
export interface StoredRows {
  /** Octets of the joined capture. */
  readonly captureBytes: number;
  /** Sees to it that a row of one of the tracker's tables is there. @returns false where it cannot be had */
  fetch(table: Records, row: number): boolean;
}

/** Sessions of a capture that has been judged before, without a selection. */
export class StoredCatalog extends SessionFacts {
  /** The replayable sessions' servers, as the scripts have them. */
  readonly endpoints: readonly RecordedEndpoint[];
  readonly scriptRows: ReadonlyMap<number, number>;
  /** Known of those that were taken. */
  readonly endpointOf: Uint32Array;
  /** Clocks that differ are a reason to read all tables. */
  readonly skews = { of: () => 0 };
  readonly #tables: SessionTracker;
  readonly #rows: StoredRows;
  readonly #check: RecordsCheck;
  readonly #judge: SessionJudge;

  /** @param tracker whose tables are as long as they were, but empty */
  constructor(tracker: SessionTracker, endpoints: readonly RecordedEndpoint[], rows: StoredRows) {
    super(tracker, undefined);
    this.endpoints = endpoints;
    this.scriptRows = new Map(endpoints.map((_, row) => [row, row]));
    this.endpointOf = new Uint32Array(this.total);
    this.#tables = tracker;
    this.#rows = rows;
    const { captureBytes } = rows;
    const addresses = tracker.addresses.rows.count;
    this.#check = new RecordsCheck(this.records, { addresses, captureBytes });
    const resolver = new StreamResolver(this.records);
    this.#judge = new SessionJudge(this, resolver, this.endpointOf, undefined);
    this.records.mayHaveMarks = true;
  }

  /**
   * Fetches all rows of a replayable session, once.
   * @param endpoint its server
   * @returns false where they cannot be had, would lead astray whoever reads them, or are of one that is not
   *   replayable
   */
  take(session: number, endpoint: number): boolean {
    const { sessions, details } = this.records;
    if (!this.#rows.fetch(sessions, session) || !this.#check.isSessionSound(session)) return false;
    const detail = this.word(session, SessionWord.DETAIL) - 1;
    if (detail < 0 || !this.#rows.fetch(details, detail) || !this.#check.isDetailSound(detail)) {
      return false;
    }
    if (!this.#hasSegments(detail, 0) || !this.#hasSegments(detail, 1)) return false;
    if (this.hasFlag(session, SessionFlag.IPV6) && !this.#hasAddresses(session)) return false;
    this.endpointOf[session] = endpoint;
    return this.#judge.judge(session) === SessionReason.NONE;
  }

  /** Which part of a session that was taken is played, where it is not the whole. */
  partOf(session: number): SessionPart | null {
    return this.#judge.partOf(session);
  }

  #hasSegments(detail: number, direction: number): boolean {
    const { details, segments } = this.records;
    let next = details.u32[detail * DETAIL_WORDS + DetailWord.FIRST_SEGMENT + direction];
    while (next !== 0) {
      const row = next - 1;
      if (!this.#rows.fetch(segments, row) || !this.#check.isSegmentSound(row)) return false;
      next = segments.u32[row * SEGMENT_WORDS + SegmentWord.NEXT];
    }
    return true;
  }

  #hasAddresses(session: number): boolean {
    const { rows } = this.#tables.addresses;
    const { ADDRESS } = SessionWord;
    return [ADDRESS, ADDRESS + 1].every((word) => this.#rows.fetch(rows, this.word(session, word)));
  }
}
