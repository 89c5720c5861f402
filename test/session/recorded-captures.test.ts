/**
 * What tshark finds in captures that nobody here made, against what we find: fixtures/public,
 * conformance and malformed, a row a file (their README.md has the rules).
 */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { ReplayError } from '../../src/base/errors.ts';
import type { InspectDocument, ServerReport } from '../../src/report/inspect-document.ts';
import { inspectCaptures } from '../../src/run/inspect-captures.ts';

interface PortRow {
  readonly port: number;
  readonly sessions: number;
  readonly serverFirst: number;
  readonly clientTurns: number;
  readonly clientBytes: number;
  readonly serverBytes: number;
}

interface SessionRow {
  readonly port: number;
  readonly client: string;
  readonly packets: number;
  readonly first: string | null;
  readonly clientBytes: number;
  readonly serverBytes: number;
  readonly clientSha256: string | null;
  readonly serverSha256: string | null;
  /** As in a capture's row. */
  readonly differs?: Partial<
    Record<'clientSha256' | 'serverSha256', { readonly value: string; readonly why: string }>
  >;
}

const COUNTS = ['packets', 'tcpPackets', 'sessions', 'firstTimestamp', 'lastTimestamp'] as const;
type Count = (typeof COUNTS)[number];

interface CaptureRow extends Readonly<Record<Count, number | string | null>> {
  readonly file: string;
  /** The code of the error that reading it ends with. */
  readonly error?: string;
  /** Where we differ on purpose: what we find, and why. */
  readonly differs?: Partial<Record<Count, { readonly value: unknown; readonly why: string }>>;
  readonly ports: readonly PortRow[];
  /** Sessions of the busiest port. */
  readonly detail: readonly SessionRow[];
}

const folders = ['public', 'conformance', 'malformed'];

describe.each(folders)('fixtures/%s is read as tshark reads it', (folder) => {
  const index = new URL(`../../fixtures/${folder}/index.json`, import.meta.url);
  const rows = JSON.parse(readFileSync(index, 'utf8')) as CaptureRow[];

  test.each(rows)('$file', async (row) => {
    const path = new URL(`../../fixtures/${folder}/${row.file}`, import.meta.url).pathname;
    const reading = inspectCaptures([path], { seed: 1, sessions: true });
    if (row.error !== undefined) {
      const fault = await reading.catch((reason: unknown) => reason);
      expect((fault as ReplayError).code).toBe(row.error);
      return;
    }
    const document = await reading;
    expect(counts(document)).toEqual(expectedCounts(row));
    expect(byPort(document.servers, row.ports)).toEqual(row.ports);
    expect(sessionsOf(document, row.detail)).toEqual(row.detail.map(expectedSession));
    expectSumsToHold(document);
  });
});

const counts = ({ files: [file], sessions }: InspectDocument): Record<Count, unknown> => ({
  packets: file.packets,
  tcpPackets: file.tcpPackets,
  sessions: sessions.total,
  firstTimestamp: file.firstTimestamp,
  lastTimestamp: file.lastTimestamp,
});

const expectedCounts = (row: CaptureRow): Record<string, unknown> =>
  Object.fromEntries(COUNTS.map((name) => [name, row.differs?.[name]?.value ?? row[name]]));

const expectedSession = ({ differs, ...row }: SessionRow): SessionRow => ({
  ...row,
  clientSha256: differs?.clientSha256?.value ?? row.clientSha256,
  serverSha256: differs?.serverSha256?.value ?? row.serverSha256,
});

/** The servers of the wanted ports, added up by port. */
function byPort(servers: readonly ServerReport[], wanted: readonly PortRow[]): PortRow[] {
  return wanted.map(({ port }) => {
    const sum = { sessions: 0, serverFirst: 0, clientTurns: 0, clientBytes: 0, serverBytes: 0 };
    for (const server of servers) {
      if (server.port !== port) continue;
      sum.sessions += server.sessions;
      sum.serverFirst += server.serverFirst;
      sum.clientTurns += server.clientTurns;
      sum.clientBytes += server.clientBytes;
      sum.serverBytes += server.serverBytes;
    }
    return { port, ...sum };
  });
}

function sessionsOf(document: InspectDocument, wanted: readonly SessionRow[]): SessionRow[] {
  return (document.sessionList ?? [])
    .filter((session) => session.serverPort === wanted[0]?.port)
    .slice(0, wanted.length)
    .map((session) => ({
      port: session.serverPort,
      client: `${session.client} ${session.clientPort}`,
      packets: session.packets,
      first: session.first,
      clientBytes: session.clientBytes,
      serverBytes: session.serverBytes,
      clientSha256: session.clientSha256,
      serverSha256: session.serverSha256,
    }));
}

function expectSumsToHold({ files: [file], sessions }: InspectDocument): void {
  const sum = (numbers: Readonly<Record<string, number>>) =>
    Object.values(numbers).reduce((total, number) => total + number, 0);
  expect(file.tcpPackets + sum(file.skippedPackets)).toBe(file.packets);
  expect(sessions.replayable + sum(sessions.skipped)).toBe(sessions.total);
}
