/**
 * Whether tables that come from a file can be walked: every link leads to a row that is there, none
 * is shared, and chains only lead on, so that following one ends, and all of them together in the
 * time of one pass.
 */
import type { Records } from '../../base/records.ts';
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
  return (
    areSessionsSound(records, bounds.addresses) &&
    areDetailsSound(records) &&
    areSegmentsSound(records.segments, bounds.captureBytes) &&
    areChainsApart(records)
  );
}

function areSessionsSound({ sessions, details }: SessionRecords, addresses: number): boolean {
  const { u32, f64, count } = sessions;
  const isTaken = new Uint8Array(details.count);
  for (let row = 0; row < count; row++) {
    const at = row * SESSION_WORDS;
    const half = at >>> 1;
    const detail = u32[at + SessionWord.DETAIL];
    if (detail > details.count || (detail > 0 && isTaken[detail - 1] === 1)) return false;
    if (detail > 0) isTaken[detail - 1] = 1;
    const isIpv6 = (u32[at + SessionWord.FLAGS] & SessionFlag.IPV6) !== 0;
    for (const direction of DIRECTIONS) {
      if (isIpv6 && u32[at + SessionWord.ADDRESS + direction] >= addresses) return false;
    }
    for (const float of SESSION_FLOATS) if (!isTime(f64[half + float])) return false;
  }
  return true;
}

function areDetailsSound({ details, segments }: SessionRecords): boolean {
  const { u32, f64, count } = details;
  for (let row = 0; row < count; row++) {
    const at = row * DETAIL_WORDS;
    const half = at >>> 1;
    for (const direction of DIRECTIONS) {
      const first = u32[at + DetailWord.FIRST_SEGMENT + direction];
      const last = u32[at + DetailWord.LAST_SEGMENT + direction];
      if (first > segments.count || last > segments.count || first > last) return false;
      const bytes = f64[half + DetailFloat.UNIQUE_BYTES + direction];
      if (!(bytes >= 0 && bytes < Number.MAX_SAFE_INTEGER)) return false;
    }
    // What was not seen has no time.
    for (let float = 0; float < DetailFloat.UNIQUE_BYTES; float++) {
      const ns = f64[half + float];
      if (!Number.isNaN(ns) && !isTime(ns)) return false;
    }
  }
  return true;
}

function areSegmentsSound({ u32, f64, count }: Records, captureBytes: number): boolean {
  for (let row = 0; row < count; row++) {
    const at = row * SEGMENT_WORDS;
    const half = at >>> 1;
    const offset = f64[half + SegmentFloat.OFFSET];
    const captured = u32[at + SegmentWord.CAPTURED];
    if (!Number.isInteger(offset) || offset < 0 || offset + captured > captureBytes) return false;
    if (captured > u32[at + SegmentWord.BYTES]) return false;
    if (!isTime(f64[half + SegmentFloat.NS])) return false;
    const next = u32[at + SegmentWord.NEXT];
    if (next !== 0 && (next <= row + 1 || next > count)) return false;
  }
  return true;
}

/** No segment is led to twice: else short tables could stand for chains of any length. */
function areChainsApart({ details, segments }: SessionRecords): boolean {
  const isTaken = new Uint8Array(segments.count);
  const take = (link: number): boolean => {
    if (link === 0) return true;
    if (isTaken[link - 1] === 1) return false;
    isTaken[link - 1] = 1;
    return true;
  };
  for (let row = 0; row < details.count; row++) {
    const at = row * DETAIL_WORDS + DetailWord.FIRST_SEGMENT;
    for (const direction of DIRECTIONS) if (!take(details.u32[at + direction])) return false;
  }
  for (let row = 0; row < segments.count; row++) {
    if (!take(segments.u32[row * SEGMENT_WORDS + SegmentWord.NEXT])) return false;
  }
  return true;
}

const isTime = (ns: number): boolean => ns > -NS_MAX && ns < NS_MAX;
