/**
 * Keeps the index of captures in a file beside the first of them, so that the next run starts at
 * once.
 *
 *   magic, 16 octets | body: sessions | details | segments | lanes | addresses, the words of each table as they are in memory,
 *   and outlines (session | start | duration | server, each filled up to 8 octets)
 *   | digests of the body's blocks (index-body.ts) | head: JSON, padded with spaces to 8 octets
 *   | length of the head, 8 octets | SHA-256 of the three parts before
 *
 * The head names the captures by size, time and digest of both ends, and the filter they were read
 * with. Whatever does not fit makes the index as good as absent. Who plays a few of the sessions reads
 * their rows alone: the outlines tell which those are.
 */
import { createHash } from 'node:crypto';
import type { JoinedFile } from '../../base/joined-file.ts';
import type { Records } from '../../base/records.ts';
import { type Epoch, newEpoch } from '../../capture/capture-clock.ts';
import {
  type FileIdentity,
  type IndexFile,
  identityOf,
  indexPathOf,
  openIndex,
  writeIndex,
} from '../../io/files/index-file.ts';
import type { FileReport, SessionTotals } from '../../report/inspect-document.ts';
import { areRecordsSound } from '../../session/reading/check-records.ts';
import { SessionTracker } from '../../session/reading/session-tracker.ts';
import { StoredCatalog } from '../../session/reading/stored-catalog.ts';
import type { Outlines } from '../../session/script/outlines.ts';
import { ScriptBuilder } from '../../session/script/script-builder.ts';
import type { Scripts } from '../../session/script/scripts.ts';
import { type WantedScripts, WantedSessions } from '../../session/script/wanted-scripts.ts';
import type { Source } from './capture-sources.ts';
import { BlockDigests, digestBytes, type IndexBody, openBody } from './index-body.ts';
import { type Head, isCount, type PlayedFacts, parseHead } from './index-head.ts';
import { withBlocks } from './joined-octets.ts';
import {
  areOutlinesSound,
  type OutlinePlaces,
  outlineOctets,
  outlinePlaces,
  outlinesIn,
  type WrittenOutlines,
} from './stored-outlines.ts';

/** Changes whenever the tables do. */
const MAGIC = 'gryphon-index/4\n';
const MAGIC_BYTES = 16;
const LENGTH_BYTES = 8;
const SEAL_BYTES = 32;
/** A head has some hundred octets a file, and fifty a server. */
const HEAD_BYTES_MAX = 2 ** 28;
const FOOT_BYTES = LENGTH_BYTES + SEAL_BYTES;
const ALIGNMENT = 8;

/** All sessions, as a run without a selection plays them. */
export interface PlayedSessions extends PlayedFacts {
  readonly outlines: WrittenOutlines;
}

/** What an index file gives back, besides the tracker's tables. */
export interface StoredIndex {
  readonly epoch: Epoch;
  readonly reports: readonly FileReport[];
}

/** What it gives back of captures whose sessions are partly played. */
export interface StoredScripts {
  readonly reports: readonly FileReport[];
  readonly sessions: SessionTotals;
  readonly scripts: Scripts;
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
  key: IndexKey,
  tracker: SessionTracker,
  onWarning: (text: string) => void,
): StoredIndex | null {
  const { file, refusal } = openIndex(indexPathOf(key.sources[0].path));
  if (refusal !== null) onWarning(refusal);
  if (file === null) return null;
  try {
    const stored = readStored(file, key);
    if (stored === null || !adoptTables(stored, tracker, bytesOf(key))) return null;
    const { epoch, reports } = stored.head;
    return { epoch: epoch ?? newEpoch(), reports };
  } finally {
    file.close();
  }
}

/**
 * The scripts of wanted sessions among outlines of all of them, from the index of these captures.
 * @returns null where it does not tell them
 */
export function loadScripts(
  key: IndexKey,
  joined: readonly JoinedFile[],
  wanted: WantedScripts,
): StoredScripts | null {
  const { file } = openIndex(indexPathOf(key.sources[0].path));
  if (file === null) return null;
  try {
    const stored = readStored(file, key);
    const played = stored?.head.played ?? null;
    if (stored === null || played === null) return null;
    const scripts = scriptsIn(stored, played, { joined, wanted, captureBytes: bytesOf(key) });
    return scripts && { reports: stored.head.reports, sessions: played.sessions, scripts };
  } finally {
    file.close();
  }
}

function scriptsIn(
  { body, places, outlinesAt }: Stored,
  { sessions, endpoints }: PlayedFacts,
  asked: {
    readonly joined: readonly JoinedFile[];
    readonly wanted: WantedScripts;
    readonly captureBytes: number;
  },
): Scripts | null {
  if (!body.fetch(outlinesAt.session, outlinesAt.end)) return null;
  const outlines = outlinesIn(body.memory, outlinesAt);
  if (!areOutlinesSound(outlines, { sessions: sessions.total, endpoints: endpoints.length })) {
    return null;
  }
  const tracker = new SessionTracker(0);
  const tables = tablesOf(tracker);
  for (const [i, table] of tables.entries()) adoptAt(table, body, places[i]);
  const atOf = new Map(tables.map((table, i) => [table, places[i].at]));
  const catalog = new StoredCatalog(tracker, endpoints, {
    captureBytes: asked.captureBytes,
    fetch: (table, row) => {
      const at = (atOf.get(table) ?? 0) + 4 * row * table.words;
      return body.fetch(at, at + 4 * table.words);
    },
  });
  const taken = wantedRows(outlines, new WantedSessions(asked.wanted, endpoints));
  for (const row of taken) {
    if (!catalog.take(outlines.session[row], outlines.endpoint[row])) return null;
  }
  return withBlocks(asked.joined, (read) =>
    new ScriptBuilder(catalog, read).buildAmong(asked.joined, outlines, taken),
  );
}

function wantedRows({ endpoint }: Outlines, wanted: WantedSessions): Uint32Array {
  const rows: number[] = [];
  for (let row = 0; row < endpoint.length && wanted.hasMore; row++) {
    if (wanted.take(endpoint[row])) rows.push(row);
  }
  return Uint32Array.from(rows);
}

const bytesOf = ({ sources }: IndexKey): number => {
  const { base, bytes } = sources[sources.length - 1];
  return base + bytes;
};

/**
 * Keeps the tables beside the first capture.
 * @param playedOf what is kept of the sessions besides; asked when the tables are written
 * @returns false where a capture has changed since it was opened: then nothing is kept
 * @throws ReplayError ERR_CAPTURE_INDEX (environment)
 */
export function saveIndex(
  { sources, identities, filter }: IndexKey,
  tracker: SessionTracker,
  { epoch, reports }: StoredIndex,
  playedOf: () => PlayedSessions | null,
): boolean {
  const isAsOpened = sources.every(({ bytes }, i) => identities[i].bytes === bytes);
  if (!isAsOpened || JSON.stringify(identitiesOf(sources)) !== JSON.stringify(identities)) {
    return false;
  }
  const tables = tablesOf(tracker);
  const headOf = (played: PlayedSessions | null): Head => ({
    captures: identities,
    filter,
    isLittleEndian: IS_LITTLE_ENDIAN,
    epoch: Number.isNaN(epoch.seconds) ? null : epoch,
    reports,
    tables: tables.map((table) => ({ count: table.count, words: table.words })),
    played: played && { sessions: played.sessions, endpoints: played.endpoints },
  });
  writeIndex(indexPathOf(sources[0].path), partsOf(tables, playedOf, headOf));
  return true;
}

function* partsOf(
  tables: readonly Records[],
  playedOf: () => PlayedSessions | null,
  headOf: (played: PlayedSessions | null) => Head,
): Generator<Uint8Array> {
  yield Buffer.from(MAGIC, 'latin1');
  const digests = new BlockDigests();
  for (const { used } of tables) {
    const octets = new Uint8Array(used.buffer, used.byteOffset, used.byteLength);
    digests.add(octets);
    yield octets;
  }
  const played = playedOf();
  for (const octets of played === null ? [] : outlineOctets(played.outlines)) {
    digests.add(octets);
    yield octets;
  }
  const behind = emitHead(digests.finish(), headOf(played));
  yield behind;
  yield sealOf(behind);
}

const tablesOf = ({ records, addresses }: SessionTracker): Records[] => [
  records.sessions,
  records.details,
  records.segments,
  records.lanes,
  addresses.rows,
];

const sealOf = (octets: Uint8Array): Buffer => createHash('sha256').update(octets).digest();

/** With the digests before it, and its length behind it. */
function emitHead(digests: Uint8Array, head: Head): Buffer {
  const text = Buffer.from(JSON.stringify(head));
  const bytes = Math.ceil(text.length / ALIGNMENT) * ALIGNMENT;
  const octets = Buffer.alloc(digests.length + bytes + LENGTH_BYTES, ' ');
  octets.set(digests);
  octets.set(text, digests.length);
  octets.writeDoubleLE(bytes, digests.length + bytes);
  return octets;
}

/** An index whose head fits, and whose length is what that says. */
interface Stored {
  readonly head: Head;
  readonly body: IndexBody;
  /** Where each table begins in the body, and its records. */
  readonly places: readonly TablePlace[];
  readonly outlinesAt: OutlinePlaces;
}

interface TablePlace {
  readonly at: number;
  readonly count: number;
}

/** @returns null where it is none of these captures */
function readStored(file: IndexFile, { identities, filter }: IndexKey): Stored | null {
  const magic = Buffer.alloc(MAGIC_BYTES);
  if (!file.read(0, magic) || magic.toString('latin1') !== MAGIC) return null;
  const foot = Buffer.alloc(FOOT_BYTES);
  const footAt = file.bytes - FOOT_BYTES;
  if (footAt < MAGIC_BYTES || !file.read(footAt, foot)) return null;
  const headBytes = foot.readDoubleLE(0);
  if (!isCount(headBytes) || headBytes > Math.min(footAt - MAGIC_BYTES, HEAD_BYTES_MAX))
    return null;
  const text = Buffer.alloc(headBytes);
  if (!file.read(footAt - headBytes, text)) return null;
  const head = parseHead(text);
  if (head === null || head.filter !== filter || head.isLittleEndian !== IS_LITTLE_ENDIAN) {
    return null;
  }
  if (JSON.stringify(head.captures) !== JSON.stringify(identities)) return null;
  const places = placesOf(head.tables);
  if (places === null) return null;
  const outlinesAt = outlinePlaces(places.end, head.played?.sessions.replayable ?? 0);
  const bodyBytes = outlinesAt.end;
  const behindBytes = digestBytes(bodyBytes) + headBytes + LENGTH_BYTES;
  // Before any memory is asked for: the head may say anything.
  if (MAGIC_BYTES + bodyBytes + behindBytes + SEAL_BYTES !== file.bytes) return null;
  const behind = Buffer.alloc(behindBytes);
  if (!file.read(MAGIC_BYTES + bodyBytes, behind)) return null;
  if (!sealOf(behind).equals(foot.subarray(LENGTH_BYTES))) return null;
  const digests = behind.subarray(0, digestBytes(bodyBytes));
  const body = openBody(file, MAGIC_BYTES, bodyBytes, digests);
  return body && { head, body, places: places.tables, outlinesAt };
}

/** Tables lie one behind the other; null where they are others than these. */
function placesOf(found: Head['tables']) {
  const known = tablesOf(new SessionTracker(0));
  if (found.length !== known.length) return null;
  let end = 0;
  const tables: TablePlace[] = [];
  for (const [i, { count, words }] of found.entries()) {
    if (words !== known[i].words) return null;
    tables.push({ at: end, count });
    end += 4 * count * words;
  }
  // Records are whole floats long, so that each table begins where its floats can be read.
  return { tables, end };
}

const adoptAt = (table: Records, { memory }: IndexBody, { at, count }: TablePlace): void =>
  table.adopt(memory, count, at);

/** @param captureBytes where the joined capture ends */
function adoptTables(
  { body, places, outlinesAt }: Stored,
  tracker: SessionTracker,
  captureBytes: number,
): boolean {
  if (!body.fetch(0, outlinesAt.session)) return false;
  const adopt = (into: SessionTracker): void => {
    for (const [i, table] of tablesOf(into).entries()) adoptAt(table, body, places[i]);
  };
  // Looked at before the tracker has them: it may have to read the capture instead.
  const found = new SessionTracker(0);
  adopt(found);
  const addresses = found.addresses.rows.count;
  if (!areRecordsSound(found.records, { addresses, captureBytes })) return false;
  adopt(tracker);
  tracker.records.mayHaveMarks = true;
  return true;
}
