/** What was recognised in recorded sessions, for `inspect` and for whoever is about to play them. */
import { hintText } from '../../report/hint-text.ts';
import type { HintReport } from '../../report/inspect-document.ts';
import type { ProtocolHint } from '../../session/script/protocol-hints.ts';
import type { Scripts } from '../../session/script/scripts.ts';
import type { CaptureIndex } from '../captures/index-captures.ts';
import type { RunPlan } from './run-plan.ts';

/** What was recognised in sessions, as `inspect` tells it. */
export function hintReports(hints: readonly ProtocolHint[], { endpoints }: Scripts): HintReport[] {
  return hints.map(({ kind, endpoint, sessions, names }) => {
    const { address, port } = endpoints[endpoint];
    const hint = { kind, address, port, sessions, names };
    return { ...hint, text: hintText(hint) };
  });
}

/**
 * What of it matters to a plan for real servers: of names only those that two users would bear at
 * the same time, by chance or since there are more users than sessions.
 */
export function warnOfHints(index: CaptureIndex, plan: RunPlan): string[] {
  const { scripts, targets, targetOf, users, played } = plan;
  const areSessionsShared = users > played.length;
  const hints = index.hints(scripts).filter(({ endpoint, names, sessions }) => {
    const isPlayed = targetOf[endpoint] < targets.length;
    return isPlayed && (names === 0 || areSessionsShared || names < sessions);
  });
  return hintReports(hints, scripts).map(({ text }) => text);
}
