/** What an index file says of itself, and whether what lies there says that. */
import type { Epoch } from '../../capture/capture-clock.ts';
import type { FileIdentity } from '../../io/files/index-file.ts';
import type { FileReport, SessionTotals } from '../../report/inspect-document.ts';
import type { RecordedEndpoint } from '../../session/reading/session-facts.ts';

/** The head of an index file. */
export interface Head {
  readonly captures: readonly FileIdentity[];
  readonly filter: string | null;
  readonly isLittleEndian: boolean;
  /** Null: no packet has a time. */
  readonly epoch: Epoch | null;
  readonly reports: readonly FileReport[];
  /** Records of each table, and words of a record. */
  readonly tables: readonly { readonly count: number; readonly words: number }[];
  /** What the outlines are of; null where there are none. */
  readonly played: PlayedFacts | null;
}

/** What is known of all sessions of captures without a selection, beside their outlines. */
export interface PlayedFacts {
  readonly sessions: SessionTotals;
  /** Servers of the replayable ones, as scripts have them. */
  readonly endpoints: readonly RecordedEndpoint[];
}

/** @returns null where it is none */
export function parseHead(text: Buffer): Head | null {
  try {
    const head: unknown = JSON.parse(text.toString('utf8'));
    return isHead(head) ? head : null;
  } catch {
    // Damaged: as good as absent.
    return null;
  }
}

/** Whether it has the parts of a head, as the code that uses them takes them. */
function isHead(value: unknown): value is Head {
  if (!isObject(value)) return false;
  const { captures, epoch, reports, tables, played } = value;
  return (
    Array.isArray(captures) &&
    (epoch === null ||
      (isObject(epoch) && isFiniteNumber(epoch.seconds) && isFiniteNumber(epoch.nanoseconds))) &&
    Array.isArray(reports) &&
    reports.length === captures.length &&
    reports.every(isReport) &&
    Array.isArray(tables) &&
    tables.every((table) => isObject(table) && isCount(table.count) && isCount(table.words)) &&
    (played === null || isPlayed(played))
  );
}

function isPlayed(value: unknown): value is PlayedFacts {
  if (!isObject(value) || !isObject(value.sessions)) return false;
  const { total, replayable, skipped } = value.sessions;
  const { endpoints } = value;
  return (
    [total, replayable].every(isCount) &&
    isObject(skipped) &&
    Object.values(skipped).every(isCount) &&
    Array.isArray(endpoints) &&
    endpoints.every(
      (each) => isObject(each) && typeof each.address === 'string' && isCount(each.port),
    )
  );
}

function isReport(value: unknown): value is FileReport {
  if (!isObject(value)) return false;
  const { skippedPackets, linkTypes, damage, firstTimestamp, lastTimestamp } = value;
  return (
    (value.format === 'pcap' || value.format === 'pcapng') &&
    value.compression === null &&
    [value.bytes, value.packets, value.tcpPackets, value.truncatedPackets].every(isCount) &&
    [value.strayTimestamps, value.clockStepsBack].every(isCount) &&
    [firstTimestamp, lastTimestamp].every((text) => text === null || typeof text === 'string') &&
    Array.isArray(linkTypes) &&
    linkTypes.every(isCount) &&
    isObject(skippedPackets) &&
    Object.values(skippedPackets).every(isCount) &&
    (damage === null ||
      (isObject(damage) && isCount(damage.offset) && typeof damage.reason === 'string'))
  );
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isFiniteNumber = (value: unknown): value is number => Number.isFinite(value);

/** Whether it is a whole number of something. */
export const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
