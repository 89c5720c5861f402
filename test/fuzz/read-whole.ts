/** Reads a file in memory as a run does, and checks everything that must hold whatever is in it. */
import { createHash } from 'node:crypto';
import { Float64Column } from '../../src/base/columns.ts';
import type { Prng } from '../../src/base/prng.ts';
import { newEpoch } from '../../src/capture/capture-clock.ts';
import { readerOf } from '../../src/capture/format.ts';
import { OctetWindow } from '../../src/capture/octet-window.ts';
import {
  LARGE_PACKETS,
  type LargePackets,
  PACKET_BYTES_MAX,
} from '../../src/capture/packet-reader.ts';
import { CaptureIngest, IngestResult } from '../../src/session/reading/capture-ingest.ts';
import { SessionCatalog } from '../../src/session/reading/session-catalog.ts';
import type { SessionSelection } from '../../src/session/reading/session-selection.ts';
import { SessionTracker } from '../../src/session/reading/session-tracker.ts';
import { findHttpRequests, type HttpRequests } from '../../src/session/script/http-requests.ts';
import { findHints } from '../../src/session/script/protocol-hints.ts';
import { ScriptBuilder } from '../../src/session/script/script-builder.ts';
import type { Scripts, StreamColumns } from '../../src/session/script/scripts.ts';
import { SessionSurvey } from '../../src/session/script/session-survey.ts';
import { readTampered } from './tamper.ts';

/** A session with everything costs this much, a segment 40 octets; no packet makes more of both. */
const INDEX_BYTES_PER_PACKET_MAX = 64 + 160 + 40;
/** A reassembled packet leaves a segment for each of its pieces, of eight octets at least. */
const INDEX_BYTES_PER_OCTET_MAX = 40;

const window = new OctetWindow(2 * PACKET_BYTES_MAX);

/** @throws Error on the first thing that does not hold; CaptureError where the file is refused */
export function readWhole(
  file: Uint8Array,
  prng: Prng,
): { readonly packets: number; readonly sessions: number; readonly tampered: number } {
  const tracker = new SessionTracker(prng.nextUint32());
  const seed = prng.nextUint32();
  const pieceBytes = 1 + (prng.nextUint32() % 3000);
  const ingest = readPackets(file, tracker, { pieceBytes, large: LARGE_PACKETS });
  if ((seed & 3) === 0) {
    // Nearly every packet is a large one, of which only the head is read: the same must come out.
    const large = { bytes: 64, headBytes: 20 + (seed % 100) };
    compare(ingest, tracker, readHeads(file, seed, { pieceBytes, large }));
  }
  checkAccount(ingest);
  const { bytes } = tracker.records;
  const allowed =
    INDEX_BYTES_PER_PACKET_MAX * ingest.packets + INDEX_BYTES_PER_OCTET_MAX * file.length;
  must(bytes <= allowed, `${bytes} octets of index for ${ingest.packets} packets`);
  const isGreedy = (prng.nextUint32() & 1) === 1;
  const selection: SessionSelection = isGreedy
    ? { include: ['mid-stream', 'holed', 'one-sided'] }
    : {};
  const catalog = new SessionCatalog(tracker, selection, newEpoch());
  checkSessions(catalog);
  const read = (offset: number, into: Uint8Array): void => {
    must(offset >= 0 && offset + into.length <= file.length, 'an extent outside the file');
    into.set(file.subarray(offset, offset + into.length));
  };
  const builder = new ScriptBuilder(catalog, read);
  const files = [{ path: '', base: 0, bytes: file.length }];
  const scripts = builder.build(files, catalog.replayable);
  checkScripts(scripts, file.length);
  const requests = findHttpRequests(scripts, read);
  must(requests.first.length === scripts.sessions + 1, 'requests of every session');
  checkSurvey(new SessionSurvey(catalog, files, read), catalog.replayable, { scripts, requests });
  findHints(scripts, read);
  // A copy of all tables takes as long as all of the rest.
  const isTampered =
    (seed & 12) === 0 && readTampered(tracker, { fileBytes: file.length, read, prng });
  return { packets: ingest.packets, sessions: catalog.total, tampered: isTampered ? 1 : 0 };
}

/** Who makes no scripts finds the turns and requests of those that there are. */
function checkSurvey(
  survey: SessionSurvey,
  replayable: Uint32Array,
  { scripts, requests }: { readonly scripts: Scripts; readonly requests: HttpRequests },
): void {
  for (const [row, session] of replayable.entries()) {
    must(survey.enter(session) === scripts.endpoint[row], 'the server of a session');
    for (const isClient of [true, false]) {
      const turns = new Float64Column();
      survey.addTurns(isClient, turns);
      const expected = turnsOf(isClient ? scripts.client : scripts.server, row);
      must(`${turns.toShared()}` === `${expected}`, `turns ${turns.toShared()}, not ${expected}`);
    }
    const found = survey.httpRequests();
    must(found === requests.first[row + 1] - requests.first[row], `${found} requests`);
  }
}

function turnsOf(stream: StreamColumns, session: number): number[] {
  const rows = stream.messageAwait.subarray(
    stream.firstMessage[session],
    stream.firstMessage[session + 1],
  );
  const first = stream.firstMessage[session];
  return [...rows].flatMap((received, i) =>
    i === 0 || received > rows[i - 1] ? [stream.messageThinkNs[first + i]] : [],
  );
}

function readPackets(
  file: Uint8Array,
  tracker: SessionTracker,
  { pieceBytes, large }: { readonly pieceBytes: number; readonly large: LargePackets },
): CaptureIngest {
  window.start = 0;
  window.end = 0;
  window.base = 0;
  window.fileBytes = file.length;
  const fill = (bytes: number): number => {
    const from = window.nextOffset;
    const room = window.room();
    const octets = file.subarray(from, from + Math.min(bytes, room.length));
    room.set(octets);
    window.added(octets.length);
    return octets.length;
  };
  fill(pieceBytes + 3);
  const reader = readerOf(window, large);
  const ingest = new CaptureIngest(reader, tracker, { epoch: newEpoch(), fileBase: 0 });
  // Each call makes headway, or the file ends.
  for (let calls = 0; ingest.run(Number.POSITIVE_INFINITY, 0) !== IngestResult.END; calls++) {
    must(calls <= file.length + 2, 'reading does not end');
    if (fill(Math.min(pieceBytes, reader.fillBytes)) === 0) reader.end();
  }
  return ingest;
}

function readHeads(
  file: Uint8Array,
  seed: number,
  options: { readonly pieceBytes: number; readonly large: LargePackets },
): { readonly ingest: CaptureIngest; readonly tracker: SessionTracker } {
  const tracker = new SessionTracker(seed);
  return { ingest: readPackets(file, tracker, options), tracker };
}

function compare(
  ingest: CaptureIngest,
  tracker: SessionTracker,
  heads: { readonly ingest: CaptureIngest; readonly tracker: SessionTracker },
): void {
  // A pcapng block is believed before its end is seen, when it is a large one.
  if (ingest.reader.format === 'pcapng' && ingest.reader.damage !== null) return;
  must(ingest.packets === heads.ingest.packets, 'as many packets by their heads');
  must(ingest.tcpPackets === heads.ingest.tcpPackets, 'as many segments by their heads');
  const reasons = JSON.stringify([...ingest.skipped()]);
  must(reasons === JSON.stringify([...heads.ingest.skipped()]), 'the same reasons by their heads');
  const { sessions, details, segments } = tracker.records;
  const others = heads.tracker.records;
  must(Buffer.compare(octetsOf(sessions.used), octetsOf(others.sessions.used)) === 0, 'sessions');
  must(Buffer.compare(octetsOf(details.used), octetsOf(others.details.used)) === 0, 'details');
  must(Buffer.compare(octetsOf(segments.used), octetsOf(others.segments.used)) === 0, 'segments');
}

const octetsOf = (words: Uint32Array): Uint8Array =>
  new Uint8Array(words.buffer, words.byteOffset, words.byteLength);

function checkAccount(ingest: CaptureIngest): void {
  let sum = ingest.tcpPackets;
  for (const count of ingest.skipped().values()) sum += count;
  must(sum === ingest.packets, `${ingest.packets} packets, ${sum} accounted for`);
  must(ingest.truncatedPackets <= ingest.packets, 'more cut packets than packets');
}

function checkSessions(catalog: SessionCatalog): void {
  const hash = createHash('sha256');
  for (let session = 0; session < catalog.total; session++) {
    for (const direction of [0, 1]) {
      const { resolver } = catalog;
      resolver.resolve(session, direction);
      must(resolver.uniqueBytes === resolver.measure(session, direction), 'two counts of octets');
      must(resolver.uniqueBytes <= resolver.endOffset, 'more octets than the stream is long');
      const isFull = resolver.uniqueBytes === resolver.endOffset;
      must(isFull !== resolver.hasHole, 'a hole that is none');
      hash.update(`${resolver.count}`);
    }
    const { address, port } = catalog.endpoint(session, catalog.serverSideOf(session));
    must(address.length > 0 && port >= 0 && port <= 0xffff, 'an endpoint');
  }
}

function checkScripts(scripts: Scripts, fileBytes: number): void {
  const { sessions, client, server } = scripts;
  for (const [name, column] of Object.entries({
    start: scripts.startNs,
    connect: scripts.connectNs,
  })) {
    for (const ns of column) must(ns >= 0 && Number.isFinite(ns), `${name} ${ns}`);
  }
  for (let session = 0; session < sessions; session++) {
    const clientBytes = checkStream(client, session, fileBytes);
    const serverBytes = checkStream(server, session, fileBytes);
    must(clientBytes > 0, 'a session without a word from the client');
    checkAwaits(client, session, serverBytes);
    checkAwaits(server, session, clientBytes);
    must(scripts.endpoint[session] < scripts.endpoints.length, 'a server without an entry');
  }
}

/** @returns octets of the stream */
function checkStream(stream: StreamColumns, session: number, fileBytes: number): number {
  let end = 0;
  for (let row = stream.firstExtent[session]; row < stream.firstExtent[session + 1]; row++) {
    must(stream.extentStart[row] === end, 'extents with a gap or an overlap');
    must(stream.extentBytes[row] > 0, 'an empty extent');
    end += stream.extentBytes[row];
    const offset = stream.extentOffset[row];
    must(
      offset >= 0 && offset + stream.extentBytes[row] <= fileBytes,
      'an extent outside the file',
    );
  }
  let said = 0;
  for (let row = stream.firstMessage[session]; row < stream.firstMessage[session + 1]; row++) {
    must(stream.messageEnd[row] > said, 'an empty message');
    said = stream.messageEnd[row];
  }
  must(said === end, `messages of ${said} octets over extents of ${end}`);
  return end;
}

function checkAwaits(stream: StreamColumns, session: number, otherBytes: number): void {
  let awaited = 0;
  let atNs = 0;
  for (let row = stream.firstMessage[session]; row < stream.firstMessage[session + 1]; row++) {
    must(stream.messageAwait[row] >= awaited, 'a message that waits for less than the one before');
    awaited = stream.messageAwait[row];
    must(stream.messageOffsetNs[row] >= atNs, 'a message before the one before it');
    atNs = stream.messageOffsetNs[row];
    const think = stream.messageThinkNs[row];
    must(think >= 0 && Number.isFinite(think), `a think time of ${think}`);
  }
  must(awaited <= otherBytes, 'a wait for what was never said');
  must(stream.endAwait[session] <= otherBytes, 'an end that waits for what was never said');
  must(stream.endThinkNs[session] >= 0, 'an end that thinks backwards');
  must(Number.isFinite(stream.endOffsetNs[session]), 'an end without a time');
}

function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(`does not hold: ${what}`);
}
