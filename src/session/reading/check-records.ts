/**
 * Whether tables that come from a file can be walked: every link leads to a row that is there, none
 * is shared, and chains only lead on, so that following one ends, and all of them together in the
 * time of one pass.
 */
import {
  DETAIL_WORDS,
  DetailFloat,
  DetailWord,
  SEGMENT_WORDS,
  SESSION_WORDS,
  SegmentFloat,
  SegmentWord,
  SessionFlag,
  SessionFloat,
  type SessionRecords,
  SessionWord,
} from './session-records.ts';

const DIRECTIONS = [0, 1] as const;
const SESSION_FLOATS = Object.values(SessionFloat);
/** Times of a session and of a segment; beyond it nanoseconds are no longer a time. */
const NS_MAX = 2 ** 63;

/** What the records of an index must not point beyond. */
export interface CheckedBounds {
  /** Rows of the address book: IPv6 addresses. */
  readonly addresses: number;
  /** Octets of the joined capture. */
  readonly captureBytes: number;
}

/** @returns false where something in the tables would lead astray whoever reads them */
export function areRecordsSound(records: SessionRecords, bounds: CheckedBounds): boolean {
  const check = new RecordsCheck(records, bounds);
  const { sessions, details, segments } = records;
  for (let row = 0; row < sessions.count; row++) if (!check.isSessionSound(row)) return false;
  for (let row = 0; row < details.count; row++) if (!check.isDetailSound(row)) return false;
  for (let row = 0; row < segments.count; row++) if (!check.isSegmentSound(row)) return false;
  return true;
}

/** Checks rows one by one, each at most once: what two of them lead to is led to twice. */
export class RecordsCheck {
  readonly #records: SessionRecords;
  readonly #bounds: CheckedBounds;
  /** Details that a session has, and segments that something leads to: else short tables could stand for chains of any length. */
  readonly #takenDetails: Uint8Array;
  readonly #takenSegments: Uint8Array;

  constructor(records: SessionRecords, bounds: CheckedBounds) {
    this.#records = records;
    this.#bounds = bounds;
    this.#takenDetails = new Uint8Array(records.details.count);
    this.#takenSegments = new Uint8Array(records.segments.count);
  }

  isSessionSound(row: number): boolean {
    const { u32, f64 } = this.#records.sessions;
    const at = row * SESSION_WORDS;
    const half = at >>> 1;
    if (!take(this.#takenDetails, u32[at + SessionWord.DETAIL])) return false;
    const isIpv6 = (u32[at + SessionWord.FLAGS] & SessionFlag.IPV6) !== 0;
    const { ADDRESS } = SessionWord;
    const { addresses } = this.#bounds;
    if (isIpv6 && (u32[at + ADDRESS] >= addresses || u32[at + ADDRESS + 1] >= addresses)) {
      return false;
    }
    for (const float of SESSION_FLOATS) if (!isTime(f64[half + float])) return false;
    return true;
  }

  isDetailSound(row: number): boolean {
    const { details, segments } = this.#records;
    const { u32, f64 } = details;
    const at = row * DETAIL_WORDS;
    const half = at >>> 1;
    for (const direction of DIRECTIONS) {
      const first = u32[at + DetailWord.FIRST_SEGMENT + direction];
      const last = u32[at + DetailWord.LAST_SEGMENT + direction];
      if (last > segments.count || first > last) return false;
      if (!take(this.#takenSegments, first)) return false;
      const bytes = f64[half + DetailFloat.UNIQUE_BYTES + direction];
      if (!(bytes >= 0 && bytes < Number.MAX_SAFE_INTEGER)) return false;
    }
    // What was not seen has no time.
    for (let float = 0; float < DetailFloat.UNIQUE_BYTES; float++) {
      const ns = f64[half + float];
      if (!Number.isNaN(ns) && !isTime(ns)) return false;
    }
    return true;
  }

  isSegmentSound(row: number): boolean {
    const { u32, f64 } = this.#records.segments;
    const at = row * SEGMENT_WORDS;
    const half = at >>> 1;
    const offset = f64[half + SegmentFloat.OFFSET];
    const captured = u32[at + SegmentWord.CAPTURED];
    const { captureBytes } = this.#bounds;
    if (!Number.isInteger(offset) || offset < 0 || offset + captured > captureBytes) return false;
    if (captured > u32[at + SegmentWord.BYTES]) return false;
    if (!isTime(f64[half + SegmentFloat.NS])) return false;
    const next = u32[at + SegmentWord.NEXT];
    return next === 0 || (next > row + 1 && take(this.#takenSegments, next));
  }
}

/** @returns false where row `link` - 1 is not there, or is taken */
function take(taken: Uint8Array, link: number): boolean {
  if (link === 0) return true;
  if (link > taken.length || taken[link - 1] === 1) return false;
  taken[link - 1] = 1;
  return true;
}

const isTime = (ns: number): boolean => ns > -NS_MAX && ns < NS_MAX;
