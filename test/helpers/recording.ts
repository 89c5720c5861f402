/** A conversation written down by hand, read as if it had been recorded. */
import { newEpoch } from '../../src/capture/capture-clock.ts';
import { readerOf } from '../../src/capture/format.ts';
import { OctetWindow } from '../../src/capture/octet-window.ts';
import { CaptureIngest, IngestResult } from '../../src/session/reading/capture-ingest.ts';
import { SessionCatalog } from '../../src/session/reading/session-catalog.ts';
import { SESSION_REASON_NAMES } from '../../src/session/reading/session-reason.ts';
import type { SessionSelection } from '../../src/session/reading/session-selection.ts';
import { SessionTracker } from '../../src/session/reading/session-tracker.ts';
import { ScriptBuilder } from '../../src/session/script/script-builder.ts';
import type { Scripts, StreamColumns } from '../../src/session/script/scripts.ts';
import {
  ACK,
  ethernet,
  type FrameSpec,
  ipv4,
  PCAP_NANOSECONDS,
  pcap,
  SYN,
  synOptions,
  type TcpSpec,
  tcp,
} from './packets.ts';

export const CLIENT_ISN = 1000;
export const SERVER_ISN = 5000;

export interface SentSegment
  extends Omit<TcpSpec, 'seq' | 'ack' | 'sourcePort' | 'destinationPort'> {
  readonly from: 'client' | 'server';
  readonly atMs: number;
  /** Octets of its own stream before it; negative before the first. */
  readonly at?: number;
  /** Octets of the other stream that it acknowledges; without, it has no ACK flag. */
  readonly acked?: number;
  readonly clientPort?: number;
  readonly clientIsn?: number;
  readonly serverIsn?: number;
  /** So many octets of the frame are in the file. */
  readonly capturedBytes?: number;
}

/** A frame of the conversation between 10.0.0.2 and port 80 of 10.0.0.1. */
export function frameOf(segment: SentSegment): FrameSpec {
  const { from, atMs, at = 0, acked, flags = 0, options = [], payload = '' } = segment;
  const { clientPort = 50_000, clientIsn = CLIENT_ISN, serverIsn = SERVER_ISN } = segment;
  const isClient = from === 'client';
  const isSyn = (flags & SYN) !== 0;
  const own = isClient ? clientIsn : serverIsn;
  const other = isClient ? serverIsn : clientIsn;
  const body = tcp({
    sourcePort: isClient ? clientPort : 80,
    destinationPort: isClient ? 80 : clientPort,
    seq: isSyn ? own : own + 1 + at,
    ack: acked === undefined ? 0 : other + 1 + acked,
    flags: flags | (acked === undefined ? 0 : ACK),
    options,
    payload,
  });
  const data = ethernet(
    0x0800,
    ipv4(body, {
      source: isClient ? '10.0.0.2' : '10.0.0.1',
      destination: isClient ? '10.0.0.1' : '10.0.0.2',
    }),
  );
  const ns = Math.round(atMs * 1e6);
  return {
    data: data.subarray(0, segment.capturedBytes ?? data.length),
    originalBytes: data.length,
    seconds: 1_700_000_000 + Math.floor(ns / 1e9),
    fraction: ((ns % 1e9) + 1e9) % 1e9,
  };
}

/** SYN at 0, SYN-ACK after 10 ms, ACK after 20 ms, with an MSS of 1000 on both sides. */
export const handshake = (of: Partial<SentSegment> = {}): SentSegment[] => [
  { ...of, from: 'client', atMs: 0, flags: SYN, options: synOptions(1000) },
  { ...of, from: 'server', atMs: 10, flags: SYN, acked: 0, options: synOptions(1000) },
  { ...of, from: 'client', atMs: 20, acked: 0 },
];

export interface Recording {
  readonly catalog: SessionCatalog;
  readonly ingest: CaptureIngest;
  readonly scripts: () => Scripts;
  /** Why each session is not replayed; null where it is. */
  readonly reasons: () => (string | null)[];
  /** A direction of a session of the scripts: its octets, as text. */
  readonly text: (direction: 'client' | 'server', session?: number) => string;
}

/** Reads segments as a capture with nanoseconds. */
export const record = (segments: readonly SentSegment[], selection?: SessionSelection): Recording =>
  readCapture(pcap(segments.map(frameOf), { magic: PCAP_NANOSECONDS }), selection);

/**
 * Reads a capture.
 * @param pieceBytes so many octets are handed over at a time
 * @param onRead told how many they were
 */
export function readCapture(
  file: Uint8Array,
  selection: SessionSelection = {},
  pieceBytes = Number.POSITIVE_INFINITY,
  onRead: (octets: number) => void = () => undefined,
): Recording {
  const window = new OctetWindow();
  window.fileBytes = file.length;
  const fill = (limit: number): number => {
    const room = window.room();
    const from = window.nextOffset;
    const octets = file.subarray(from, from + Math.min(limit, room.length));
    room.set(octets);
    window.added(octets.length);
    onRead(octets.length);
    return octets.length;
  };
  fill(Math.max(4, pieceBytes));
  const tracker = new SessionTracker(1);
  const epoch = newEpoch();
  const ingest = new CaptureIngest(readerOf(window), tracker, { epoch, fileBase: 0 });
  while (ingest.run(Number.POSITIVE_INFINITY, 0) !== IngestResult.END) {
    if (fill(Math.min(pieceBytes, ingest.reader.fillBytes)) === 0) ingest.reader.end();
  }
  const catalog = new SessionCatalog(tracker, selection, epoch);
  const read = (offset: number, into: Uint8Array): void => {
    into.set(file.subarray(offset, offset + into.length));
  };
  const scripts = () =>
    new ScriptBuilder(catalog, read).build(
      [{ path: 'x', base: 0, bytes: file.length }],
      catalog.replayable,
    );
  const reasons = () =>
    Array.from({ length: catalog.total }, (_, session) => {
      const reason = catalog.reasonOf(session);
      return reason === 0 ? null : (SESSION_REASON_NAMES.at(reason) ?? null);
    });
  const text = (direction: 'client' | 'server', session = 0) =>
    textOf(file, scripts()[direction], session);
  return { catalog, ingest, scripts, reasons, text };
}

function textOf(file: Uint8Array, stream: StreamColumns, session: number): string {
  let text = '';
  for (let row = stream.firstExtent[session]; row < stream.firstExtent[session + 1]; row++) {
    const offset = stream.extentOffset[row];
    const octets = file.subarray(offset, offset + stream.extentBytes[row]);
    text += Buffer.from(octets).toString('latin1');
  }
  return text;
}

/** The messages of a direction of a session, as rows. */
export function messagesOf(stream: StreamColumns, session = 0): Record<string, number>[] {
  const rows: Record<string, number>[] = [];
  for (let row = stream.firstMessage[session]; row < stream.firstMessage[session + 1]; row++) {
    rows.push({
      end: stream.messageEnd[row],
      awaits: stream.messageAwait[row],
      atMs: stream.messageOffsetNs[row] / 1e6,
      thinkMs: stream.messageThinkNs[row] / 1e6,
    });
  }
  return rows;
}
