/** What `gryphon inspect` shows: reads captures and sends nothing. */
import type {
  ClientReport,
  InspectDocument,
  ProtocolReport,
  RecordedTimings,
} from '../report/inspect-document.ts';
import type { ProtocolModule } from '../rewrite/module.ts';
import { clientAddressText } from '../session/script/client-numbers.ts';
import { HintCount } from '../session/script/protocol-hints.ts';
import type { Scripts } from '../session/script/scripts.ts';
import { type CaptureIndex, type IndexOptions, indexCaptures } from './captures/index-captures.ts';
import { TimingsCount } from './captures/recorded-timings.ts';
import { hintReports } from './plan/capture-hints.ts';
import { modulesOfPlan } from './plan/http-rules.ts';
import type { ModuleSpec } from './plan/modules.ts';

/** What `inspect` reads and what it lists. */
export interface InspectOptions extends IndexOptions {
  /** An entry for each session, too. */
  readonly sessions: boolean;
  /** Whether those entries have digests, which reads all payload again; on by default. */
  readonly digests?: boolean;
  /** Rules whose effect is told. */
  readonly modules?: readonly ModuleSpec[];
  /** Whether to find which values of requests came from answers. */
  readonly correlate?: boolean;
  /** Of how many sessions the protocols are looked at; 10,000 by default. */
  readonly protocolSessions?: number;
}

const PROTOCOL_SESSIONS = 10_000;
/** Sessions whose scripts are there at a time: so few that what is read of them is held where they are short. */
const PART_SESSIONS = 4096;

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
    const document: InspectDocument = {
      schema: 'gryphon.inspect/1',
      files,
      sessions,
      ...scriptReports(index, options.protocolSessions ?? PROTOCOL_SESSIONS),
    };
    const specs = options.modules ?? [];
    const modules = await modulesOfPlan(specs);
    const rewriting =
      modules.length === 0 ? {} : await rewritingOf(index, index.scripts(), modules);
    const correlation =
      options.correlate === true ? { correlation: await index.correlation(index.scripts()) } : {};
    if (!options.sessions) return { ...document, ...rewriting, ...correlation };
    const sessionList = [...index.sessionList({ digests: options.digests ?? true })];
    return { ...document, ...rewriting, ...correlation, sessionList };
  } finally {
    index.close();
  }
}

/** What modules would make of all replayable sessions. */
async function rewritingOf(
  index: CaptureIndex,
  scripts: Scripts,
  modules: readonly ProtocolModule[],
): Promise<Pick<InspectDocument, 'rewriting'>> {
  const rows = Uint32Array.from({ length: scripts.sessions }, (_, row) => row);
  const { facts } = await index.rewrites(scripts, rows, modules);
  const { sessions, messages, stages, refused } = facts;
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

/**
 * What the scripts tell. They take half as much memory as the index, so there are only some of them
 * at a time; protocols are looked for in the first sessions anyway, and hints not in all: of the
 * others nothing but turns and requests is counted, which takes no script.
 */
function scriptReports(
  index: CaptureIndex,
  protocolSessions: number,
): Pick<InspectDocument, 'clients' | 'servers' | 'hints' | 'protocols'> {
  const timings = new TimingsCount();
  const hints = new HintCount(true);
  let protocols: InspectDocument['protocols'] | null = null;
  let endpoints: Scripts['endpoints'] = [];
  let sessions = 0;
  for (const part of index.scriptParts(Math.max(PART_SESSIONS, protocolSessions))) {
    const { scripts, requests, read } = part;
    if (sessions === 0) timings.expect(replayableOf(index.servers, scripts.endpoints));
    timings.add(scripts, requests);
    hints.add(scripts, read);
    protocols ??= protocolReports(index, scripts, protocolSessions);
    endpoints = scripts.endpoints;
    sessions += scripts.sessions;
    if (!hints.wantsMore) break;
  }
  index.addTurns(timings, sessions);
  return {
    clients: clientReport(index.clientCounts()),
    servers: withTimings(index.servers, endpoints, timings.finish()),
    hints: hintReports(hints.finish(), endpoints),
    protocols: protocols ?? [],
  };
}

/** How many replayable sessions each server has, by row in the scripts. */
function replayableOf(servers: CaptureIndex['servers'], endpoints: Scripts['endpoints']): number[] {
  const counts = new Map(servers.map((each) => [`${each.address} ${each.port}`, each.replayable]));
  return endpoints.map(({ address, port }) => counts.get(`${address} ${port}`) ?? 0);
}

/** @param counts sessions of each recorded client */
function clientReport(counts: Uint32Array): ClientReport {
  const sorted = counts.sort();
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
function withTimings(
  servers: CaptureIndex['servers'],
  endpoints: Scripts['endpoints'],
  timings: readonly RecordedTimings[],
): InspectDocument['servers'] {
  const byEndpoint = new Map(
    endpoints.map(({ address, port }, row) => [`${address} ${port}`, timings.at(row)]),
  );
  return servers.map((server) => ({
    ...server,
    ...byEndpoint.get(`${server.address} ${server.port}`),
  }));
}
