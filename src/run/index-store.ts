/**
 * Keeps the index of captures in a file beside the first of them, so that the next run starts at
 * once.
 *
 *   magic, 16 octets | length of the head, 8 octets | head: JSON, padded with spaces to 8 octets
 *   | sessions | details | segments | addresses: the words of each table as they are in memory
 *
 * The head names the captures by size, time and digest of both ends, the filter they were read
 * with, and the digest of the tables. Whatever does not fit makes the index as good as absent.
 */
import { createHash } from 'node:crypto';
import type { Records } from '../base/records.ts';
import { type Epoch, newEpoch } from '../capture/capture-clock.ts';
import {
  type FileIdentity,
  identityOf,
  indexPathOf,
  readWhole,
  writeWhole,
} from '../io/index-file.ts';
import type { FileReport } from '../report/inspect-document.ts';
import { SEGMENT_WORDS, SegmentWord } from '../session/session-records.ts';
import type { SessionTracker } from '../session/session-tracker.ts';
import type { Source } from './capture-sources.ts';

/** Changes whenever the tables do. */
const MAGIC = 'gryphon-index/1\n';
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

/** Fills the tracker's tables from the index of these captures; null where there is none for them. */
export function loadIndex(
  sources: readonly Source[],
  filter: string | null,
  tracker: SessionTracker,
): StoredIndex | null {
  const memory = readWhole(indexPathOf(sources[0].path));
  if (memory === null) return null;
  const head = parseHead(memory);
  if (head === null || head.filter !== filter || head.isLittleEndian !== IS_LITTLE_ENDIAN) {
    return null;
  }
  if (JSON.stringify(head.captures) !== JSON.stringify(identities(sources))) return null;
  if (!adoptTables(memory, head, tracker)) return null;
  return { epoch: head.epoch ?? newEpoch(), reports: head.reports };
}

/** @throws ReplayError ERR_CAPTURE_INDEX (environment) */
export function saveIndex(
  sources: readonly Source[],
  filter: string | null,
  tracker: SessionTracker,
  { epoch, reports }: StoredIndex,
): void {
  const tables = tablesOf(tracker);
  const words = tables.map(octetsOf);
  const hash = createHash('sha256');
  for (const part of words) hash.update(part);
  const head: Head = {
    captures: identities(sources),
    filter,
    isLittleEndian: IS_LITTLE_ENDIAN,
    epoch: Number.isNaN(epoch.seconds) ? null : epoch,
    reports,
    tables: tables.map((table) => ({ count: table.count, words: table.words })),
    sha256: hash.digest('hex'),
  };
  writeWhole(indexPathOf(sources[0].path), [emitHead(head), ...words]);
}

const tablesOf = ({ records, addresses }: SessionTracker): Records[] => [
  records.sessions,
  records.details,
  records.segments,
  addresses.rows,
];

const octetsOf = ({ used }: Records): Uint8Array =>
  new Uint8Array(used.buffer, used.byteOffset, used.byteLength);

const identities = (sources: readonly Source[]): FileIdentity[] =>
  sources.map(({ path }) => identityOf(path));

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
    return JSON.parse(octets.toString('utf8', HEAD_BYTES, HEAD_BYTES + bytes)) as Head;
  } catch {
    // Damaged: as good as absent.
    return null;
  }
}

function adoptTables(memory: ArrayBuffer, head: Head, tracker: SessionTracker): boolean {
  const tables = tablesOf(tracker);
  const headBytes = Buffer.from(memory).readDoubleLE(MAGIC_BYTES);
  const body = new Uint8Array(memory, HEAD_BYTES + headBytes);
  if (createHash('sha256').update(body).digest('hex') !== head.sha256) return false;
  let at = 0;
  for (const [i, table] of tables.entries()) {
    const stored = head.tables.at(i);
    if (stored === undefined || stored.words !== table.words) return false;
    const bytes = stored.count * stored.words * Uint32Array.BYTES_PER_ELEMENT;
    // A copy a table: each must begin where its floats can be read.
    table.adopt(body.slice(at, at + bytes).buffer, stored.count);
    at += bytes;
  }
  return at === body.length && areLinksForward(tracker);
}

/** Chains of segments only lead on, so that following one ends. */
function areLinksForward({ records: { segments } }: SessionTracker): boolean {
  for (let row = 0; row < segments.count; row++) {
    const next = segments.u32[row * SEGMENT_WORDS + SegmentWord.NEXT];
    if (next !== 0 && (next <= row + 1 || next > segments.count)) return false;
  }
  return true;
}
