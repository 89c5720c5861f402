/** What `gryphon inspect` shows: reads captures and sends nothing. */
import type { ClientReport, InspectDocument, ProtocolReport } from '../report/inspect-document.ts';
import type { ProtocolModule } from '../rewrite/module.ts';
import { clientAddressText } from '../session/script/client-numbers.ts';
import type { Scripts } from '../session/script/scripts.ts';
import { type CaptureIndex, type IndexOptions, indexCaptures } from './captures/index-captures.ts';
import { recordedTimings } from './captures/recorded-timings.ts';
import { hintReports } from './plan/capture-hints.ts';
import { stoppable } from './plan/http-rules.ts';
import { type ModuleSpec, makeModules } from './plan/modules.ts';

/** What `inspect` reads and what it lists. */
export interface InspectOptions extends IndexOptions {
  /** An entry for each session, too. */
  readonly sessions: boolean;
  /** Whether those entries have digests, which reads all payload again; on by default. */
  readonly digests?: boolean;
  /** Rules whose effect is told. */
  readonly modules?: readonly ModuleSpec[];
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
    const specs = options.modules ?? [];
    const modules = stoppable(specs, await makeModules(specs));
    const rewriting = modules.length === 0 ? {} : rewritingOf(index, scripts, modules);
    if (!options.sessions) return { ...document, ...rewriting };
    const sessionList = [...index.sessionList({ digests: options.digests ?? true })];
    return { ...document, ...rewriting, sessionList };
  } finally {
    index.close();
  }
}

/** What modules would make of all replayable sessions. */
function rewritingOf(
  index: CaptureIndex,
  scripts: Scripts,
  modules: readonly ProtocolModule[],
): Pick<InspectDocument, 'rewriting'> {
  const rows = Uint32Array.from({ length: scripts.sessions }, (_, row) => row);
  const { sessions, messages, stages, refused } = index.rewrites(scripts, rows, modules).facts;
  const { clientAddress, clientAddressWords, endpoint, endpoints } = scripts;
  return {
    rewriting: {
      sessions: [...sessions.values()].reduce((sum, count) => sum + count, 0),
      messages,
      answers: stages,
      refused: [...refused].map(([reason, [first = 0, ...others]]) => ({
        reason,
        sessions: others.length + 1,
        client:
          clientAddressWords === undefined
            ? ''
            : clientAddressText(clientAddressWords, clientAddress[first]),
        server: serverText(endpoints[endpoint[first]]),
      })),
    },
  };
}

const serverText = ({ address, port }: Scripts['endpoints'][number]): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;

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
