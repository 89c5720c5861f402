/** Renders a catalog of sessions in the terms of the inspect document. */

import { createHash } from 'node:crypto';
import type { JoinedFile } from '../../base/joined-file.ts';
import { NS_PER_MS, NS_PER_SECOND, type Timestamp } from '../../base/time.ts';
import { openCaptureBytes } from '../../io/files/capture-file.ts';
import type { ServerReport, SessionReport, SessionTotals } from '../../report/inspect-document.ts';
import type { SessionCatalog } from '../../session/reading/session-catalog.ts';
import { SESSION_REASON_NAMES, SessionReason } from '../../session/reading/session-reason.ts';
import { SessionFlag } from '../../session/reading/session-records.ts';
import type { CaptureBytes } from '../../transport/ports.ts';

/** A digest reads a stream in pieces of at most this much. */
const DIGEST_PIECE_BYTES = 1 << 20;

/** Seconds since 1970 with nine decimals. */
export function timestampText({ seconds, nanoseconds }: Timestamp): string {
  // Before 1970 the nanoseconds count forward from a second below zero.
  if (seconds < 0 && nanoseconds > 0)
    return `-${digits(-seconds - 1, NS_PER_SECOND - nanoseconds)}`;
  return seconds < 0 ? `-${digits(-seconds, 0)}` : digits(seconds, nanoseconds);
}

const digits = (seconds: number, nanoseconds: number): string =>
  `${seconds}.${nanoseconds.toString().padStart(9, '0')}`;

/** Counts of a catalog's sessions; reasons that none has are left out. */
export function sessionTotals({ total, reasonCounts }: SessionCatalog): SessionTotals {
  const skipped: Record<string, number> = {};
  for (const [reason, count] of reasonCounts.entries()) {
    const name = SESSION_REASON_NAMES.at(reason);
    if (reason !== SessionReason.NONE && count > 0 && name !== undefined) skipped[name] = count;
  }
  return { total, replayable: reasonCounts[SessionReason.NONE], skipped };
}

/** One entry a server: most sessions first, then most octets, then the lower port. */
export function serverReports({ endpoints, servers }: SessionCatalog): ServerReport[] {
  const reports = endpoints.map((endpoint, row) => ({ ...endpoint, ...servers[row] }));
  // What the selection leaves out is in no count.
  const selected = reports.filter(({ sessions }) => sessions > 0);
  return selected.sort(
    (a, b) =>
      b.sessions - a.sessions ||
      b.clientBytes + b.serverBytes - a.clientBytes - a.serverBytes ||
      a.port - b.port,
  );
}

/** One entry a session, made when it is asked for. */
export function* sessionReports(
  catalog: SessionCatalog,
  options: {
    readonly digests: boolean;
    readonly epochSeconds: number;
    readonly joined: readonly JoinedFile[];
  },
): Generator<SessionReport> {
  const octets = openCaptureBytes(options.joined);
  const piece = new Uint8Array(DIGEST_PIECE_BYTES);
  const digest = (session: number, direction: number): string | null =>
    options.digests ? digestOf(catalog, session, direction, octets, piece) : null;
  try {
    for (let session = 0; session < catalog.total; session++) {
      const side = catalog.serverSideOf(session);
      const start = startOf(catalog, session, options.epochSeconds);
      yield {
        ...describe(catalog, session, side, start),
        clientSha256: digest(session, 1 - side),
        serverSha256: digest(session, side),
      };
    }
  } finally {
    octets.close();
  }
}

function describe(
  catalog: SessionCatalog,
  session: number,
  side: 0 | 1,
  start: string,
): Omit<SessionReport, 'clientSha256' | 'serverSha256'> {
  const client = catalog.endpoint(session, 1 - side);
  const server = catalog.endpoint(session, side);
  const reason = catalog.reasonOf(session);
  const first = catalog.firstSpeakerOf(session);
  const durationNs = catalog.lastNsOf(session) - catalog.startNsOf(session);
  return {
    client: client.address,
    clientPort: client.port,
    server: server.address,
    serverPort: server.port,
    start,
    durationMs: Math.max(0, durationNs) / NS_PER_MS,
    packets: catalog.packetsOf(session),
    replayable: reason === SessionReason.NONE,
    reason: reason === SessionReason.NONE ? null : (SESSION_REASON_NAMES.at(reason) ?? null),
    first: first === null ? null : first === side ? 'server' : 'client',
    clientTurns: catalog.turnsOf(session, 1 - side),
    clientBytes: catalog.resolver.measure(session, 1 - side),
    serverBytes: catalog.resolver.measure(session, side),
  };
}

function startOf(catalog: SessionCatalog, session: number, epochSeconds: number): string {
  const ns = catalog.startRawNsOf(session);
  const seconds = Math.floor(ns / NS_PER_SECOND);
  return timestampText({
    seconds: (Number.isNaN(epochSeconds) ? 0 : epochSeconds) + seconds,
    nanoseconds: Math.round(ns - seconds * NS_PER_SECOND),
  });
}

/** SHA-256 of a direction's octets, or null where the capture lacks some. */
function digestOf(
  catalog: SessionCatalog,
  session: number,
  direction: number,
  octets: CaptureBytes,
  piece: Uint8Array,
): string | null {
  const { resolver } = catalog;
  resolver.resolve(session, direction);
  const isTruncated = catalog.hasFlag(session, SessionFlag.TRUNCATED_0 << direction);
  if (!resolver.isWhole || isTruncated) return null;
  const hash = createHash('sha256');
  for (let i = 0; i < resolver.count; i++) {
    const end = resolver.offset[i] + resolver.bytes[i];
    for (let at = resolver.offset[i]; at < end; at += piece.length) {
      const part = piece.subarray(0, Math.min(piece.length, end - at));
      octets.read(at, part);
      hash.update(part);
    }
  }
  return hash.digest('hex');
}
