/** What `gryphon inspect` shows: reads captures and sends nothing. */
import type { ClientReport, InspectDocument, ProtocolReport } from '../report/inspect-document.ts';
import type { Scripts } from '../session/script/scripts.ts';
import { type CaptureIndex, type IndexOptions, indexCaptures } from './captures/index-captures.ts';
import { recordedTimings } from './captures/recorded-timings.ts';
import { hintReports } from './plan/capture-hints.ts';

/** What `inspect` reads and what it lists. */
export interface InspectOptions extends IndexOptions {
  /** An entry for each session, too. */
  readonly sessions: boolean;
  /** Whether those entries have digests, which reads all payload again; on by default. */
  readonly digests?: boolean;
  /** Of how many sessions the protocols are looked at; 10,000 by default. */
  readonly protocolSessions?: number;
}

const PROTOCOL_SESSIONS = 10_000;

/** @throws ReplayError as `indexCaptures` does */
export async function inspectCaptures(
  paths: readonly string[],
  options: InspectOptions,
): Promise<InspectDocument> {
  const index = await indexCaptures(paths, options);
  try {
    const { files, sessions } = index;
    const unselected = index.whyNone();
    if (unselected !== null) options.onWarning?.(`no session is selected: ${unselected}`);
    const scripts = index.scripts();
    const document: InspectDocument = {
      schema: 'gryphon.inspect/1',
      files,
      sessions,
      clients: clientReport(scripts),
      servers: withTimings(index, scripts),
      hints: hintReports(index.hints(scripts), scripts),
      protocols: protocolReports(index, scripts, options.protocolSessions ?? PROTOCOL_SESSIONS),
    };
    if (!options.sessions) return document;
    const sessionList = [...index.sessionList({ digests: options.digests ?? true })];
    return { ...document, sessionList };
  } finally {
    index.close();
  }
}

/** How many sessions each recorded client had. */
function clientReport({ clientAddress }: Scripts): ClientReport {
  const counts = new Map<number, number>();
  for (const address of clientAddress) counts.set(address, (counts.get(address) ?? 0) + 1);
  const sorted = Float64Array.from(counts.values()).sort();
  return {
    count: sorted.length,
    sessionsMedian: sorted.at(Math.ceil(sorted.length / 2) - 1) ?? 0,
    sessionsMax: sorted.at(-1) ?? 0,
  };
}

function protocolReports(
  index: CaptureIndex,
  scripts: Scripts,
  sessionsMax: number,
): ProtocolReport[] {
  return index.protocols(scripts, sessionsMax).map(({ endpoint, ...use }) => {
    const { address, port } = scripts.endpoints[endpoint];
    return { address, port, ...use };
  });
}

/** The servers with what their recorded clients and they themselves took. */
function withTimings(index: CaptureIndex, scripts: Scripts): InspectDocument['servers'] {
  const timings = recordedTimings(scripts, index.httpRequests(scripts));
  const byEndpoint = new Map(
    scripts.endpoints.map(({ address, port }, row) => [`${address} ${port}`, timings.at(row)]),
  );
  return index.servers.map((server) => ({
    ...server,
    ...byEndpoint.get(`${server.address} ${server.port}`),
  }));
}
