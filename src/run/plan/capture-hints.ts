/** What was recognised in recorded sessions, for `inspect` and for whoever is about to play them. */
import { hintText } from '../../report/hint-text.ts';
import type { HintReport } from '../../report/inspect-document.ts';
import { HintKind, type ProtocolHint } from '../../session/script/protocol-hints.ts';
import type { Scripts } from '../../session/script/scripts.ts';
import type { PlayedCaptures } from '../captures/index-captures.ts';
import type { ModuleSpec } from './modules.ts';
import type { RunPlan } from './run-plan.ts';

/** So many recorded ports are named. */
const PORTS_SHOWN = 5;

/** What was recognised in sessions, as `inspect` tells it. */
export function hintReports(
  hints: readonly ProtocolHint[],
  endpoints: Scripts['endpoints'],
): HintReport[] {
  return hints.map(({ kind, endpoint, sessions, names }) => {
    const { address, port } = endpoints[endpoint];
    const hint = { kind, address, port, sessions, names };
    return { ...hint, text: hintText(hint) };
  });
}

/**
 * What of it matters to a plan for real servers: of names only those that two users would bear at
 * the same time, by chance or since there are more users than sessions.
 * @param modules a log-in to MQTT gives each client an id of its own
 */
export function warnOfHints(
  index: PlayedCaptures,
  plan: RunPlan,
  modules: readonly ModuleSpec[] | undefined,
): string[] {
  const { scripts, targets, targetOf, users, played } = plan;
  const areSessionsShared = users > played.length;
  const givesIds = modules?.some((spec) => spec.kind === 'log-in' && spec.protocol === 'mqtt');
  const hints = index.hints(scripts).filter(({ kind, endpoint, names, sessions }) => {
    if (kind === HintKind.MQTT_CLIENT_ID && givesIds) return false;
    const isPlayed = targetOf[endpoint] < targets.length;
    return isPlayed && (names === 0 || areSessionsShared || names < sessions);
  });
  return hintReports(hints, scripts.endpoints).map(({ text }) => text);
}

/** Protocols and framings that are said of ports which no session has: most likely those of the target. */
export function warnOfPorts({ scripts, played, protocols = [] }: RunPlan): string[] {
  const said = new Set(protocols.map(({ port }) => port).filter((port) => port !== null));
  if (said.size === 0) return [];
  const recorded = new Set<number>();
  for (const session of played) recorded.add(scripts.endpoints[scripts.endpoint[session]].port);
  const ports = [...recorded].sort((a, b) => a - b);
  const known = `${ports.slice(0, PORTS_SHOWN).join(', ')}${ports.length > PORTS_SHOWN ? ', …' : ''}`;
  return [...said]
    .filter((port) => !recorded.has(port))
    .map(
      (port) =>
        `--protocol or --framing for port ${port} changes nothing: sessions were recorded to port ${known}`,
    );
}
