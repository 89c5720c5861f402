/**
 * Keeps the index of captures in a file beside the first of them, so that the next run starts at
 * once.
 *
 *   magic, 16 octets | length of the head, 8 octets | head: JSON, padded with spaces to 8 octets
 *   | sessions | details | segments | lanes | addresses: the words of each table as they are in memory
 *
 * The head names the captures by size, time and digest of both ends, the filter they were read
 * with, and the digest of the tables. Whatever does not fit makes the index as good as absent.
 */
import { createHash } from 'node:crypto';
import type { Records } from '../../base/records.ts';
import { type Epoch, newEpoch } from '../../capture/capture-clock.ts';
import {
  type FileIdentity,
  identityOf,
  indexPathOf,
  readIndex,
  writeIndex,
} from '../../io/files/index-file.ts';
import type { FileReport } from '../../report/inspect-document.ts';
import { areRecordsSound } from '../../session/reading/check-records.ts';
import { SessionTracker } from '../../session/reading/session-tracker.ts';
import type { Source } from './capture-sources.ts';

/** Changes whenever the tables do. */
const MAGIC = 'gryphon-index/3\n';
const MAGIC_BYTES = 16;
const HEAD_BYTES = 24;
const ALIGNMENT = 8;

interface Head {
  readonly captures: readonly FileIdentity[];
  readonly filter: string | null;
  readonly isLittleEndian: boolean;
  /** Null: no packet has a time. */
  readonly epoch: Epoch | null;
  readonly reports: readonly FileReport[];
  /** Records of each table, and words of a record. */
  readonly tables: readonly { readonly count: number; readonly words: number }[];
  readonly sha256: string;
}

/** What an index file gives back, besides the tracker's tables. */
export interface StoredIndex {
  readonly epoch: Epoch;
  readonly reports: readonly FileReport[];
}

const IS_LITTLE_ENDIAN = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

/** Only captures that are files can be known again. */
export const canBeStored = (sources: readonly Source[]): boolean =>
  sources.every(({ name, path }) => name === path);

/** What the captures are now; taken before they are read, so that a change meanwhile shows. */
export const identitiesOf = (sources: readonly Source[]): FileIdentity[] =>
  sources.map(({ path }) => identityOf(path));

/** What an index is for: the captures as they were when they were opened, and the filter. */
export interface IndexKey {
  readonly sources: readonly Source[];
  readonly identities: readonly FileIdentity[];
  readonly filter: string | null;
}

/**
 * Fills the tracker's tables from the index of these captures.
 * @returns null where there is none for them
 */
export function loadIndex(
  { sources, identities, filter }: IndexKey,
  tracker: SessionTracker,
  onWarning: (text: string) => void,
): StoredIndex | null {
  const { memory, refusal } = readIndex(indexPathOf(sources[0].path));
  if (refusal !== null) onWarning(refusal);
  if (memory === null) return null;
  const head = parseHead(memory);
  if (head === null || head.filter !== filter || head.isLittleEndian !== IS_LITTLE_ENDIAN) {
    return null;
  }
  if (JSON.stringify(head.captures) !== JSON.stringify(identities)) return null;
  const { base, bytes } = sources[sources.length - 1];
  if (!adoptTables(memory, head, tracker, base + bytes)) return null;
  return { epoch: head.epoch ?? newEpoch(), reports: head.reports };
}

/**
 * Keeps the tables beside the first capture.
 * @returns false where a capture has changed since it was opened: then nothing is kept
 * @throws ReplayError ERR_CAPTURE_INDEX (environment)
 */
export function saveIndex(
  { sources, identities, filter }: IndexKey,
  tracker: SessionTracker,
  { epoch, reports }: StoredIndex,
): boolean {
  const isAsOpened = sources.every(({ bytes }, i) => identities[i].bytes === bytes);
  if (!isAsOpened || JSON.stringify(identitiesOf(sources)) !== JSON.stringify(identities)) {
    return false;
  }
  const tables = tablesOf(tracker);
  const words = tables.map(octetsOf);
  const hash = createHash('sha256');
  for (const part of words) hash.update(part);
  const head: Head = {
    captures: identities,
    filter,
    isLittleEndian: IS_LITTLE_ENDIAN,
    epoch: Number.isNaN(epoch.seconds) ? null : epoch,
    reports,
    tables: tables.map((table) => ({ count: table.count, words: table.words })),
    sha256: hash.digest('hex'),
  };
  writeIndex(indexPathOf(sources[0].path), [emitHead(head), ...words]);
  return true;
}

const tablesOf = ({ records, addresses }: SessionTracker): Records[] => [
  records.sessions,
  records.details,
  records.segments,
  records.lanes,
  addresses.rows,
];

const octetsOf = ({ used }: Records): Uint8Array =>
  new Uint8Array(used.buffer, used.byteOffset, used.byteLength);

function emitHead(head: Head): Uint8Array {
  const text = Buffer.from(JSON.stringify(head));
  const bytes = HEAD_BYTES + Math.ceil(text.length / ALIGNMENT) * ALIGNMENT;
  const octets = Buffer.alloc(bytes, ' ');
  octets.write(MAGIC, 0, 'latin1');
  octets.writeDoubleLE(bytes - HEAD_BYTES, MAGIC_BYTES);
  text.copy(octets, HEAD_BYTES);
  return octets;
}

function parseHead(memory: ArrayBuffer): Head | null {
  const octets = Buffer.from(memory);
  if (octets.length < HEAD_BYTES || octets.toString('latin1', 0, MAGIC_BYTES) !== MAGIC)
    return null;
  const bytes = octets.readDoubleLE(MAGIC_BYTES);
  if (!Number.isInteger(bytes) || bytes < 0 || HEAD_BYTES + bytes > octets.length) return null;
  try {
    const head: unknown = JSON.parse(octets.toString('utf8', HEAD_BYTES, HEAD_BYTES + bytes));
    return isHead(head) ? head : null;
  } catch {
    // Damaged: as good as absent.
    return null;
  }
}

/** Whether it has the parts of a head, as the code that uses them takes them. */
function isHead(value: unknown): value is Head {
  if (!isObject(value)) return false;
  const { captures, epoch, reports, tables } = value;
  return (
    Array.isArray(captures) &&
    (epoch === null ||
      (isObject(epoch) && isFiniteNumber(epoch.seconds) && isFiniteNumber(epoch.nanoseconds))) &&
    Array.isArray(reports) &&
    reports.length === captures.length &&
    reports.every(isReport) &&
    Array.isArray(tables) &&
    tables.every((table) => isObject(table) && isCount(table.count) && isCount(table.words))
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

const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

/** @param captureBytes where the joined capture ends */
function adoptTables(
  memory: ArrayBuffer,
  head: Head,
  tracker: SessionTracker,
  captureBytes: number,
): boolean {
  const tables = tablesOf(tracker);
  const headBytes = Buffer.from(memory).readDoubleLE(MAGIC_BYTES);
  if (headBytes % ALIGNMENT !== 0) return false;
  const body = new Uint8Array(memory, HEAD_BYTES + headBytes);
  if (createHash('sha256').update(body).digest('hex') !== head.sha256) return false;
  if (head.tables.length !== tables.length) return false;
  const sizes = head.tables.map(({ count, words }) => count * words * 4);
  if (sizes.reduce((sum, bytes) => sum + bytes, 0) !== body.length) return false;
  if (tables.some(({ words }, i) => head.tables[i].words !== words)) return false;
  // Head and tables are whole floats long, so that each table begins where its floats can be read.
  const adopt = (into: readonly Records[]): void => {
    let at = body.byteOffset;
    for (const [i, table] of into.entries()) {
      table.adopt(memory, head.tables[i].count, at);
      at += sizes[i];
    }
  };
  // Looked at before the tracker has them: it may have to read the capture instead.
  const found = new SessionTracker(0);
  adopt(tablesOf(found));
  const addresses = found.addresses.rows.count;
  if (!areRecordsSound(found.records, { addresses, captureBytes })) return false;
  adopt(tables);
  tracker.records.mayHaveMarks = true;
  return true;
}
