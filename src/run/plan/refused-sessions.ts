/** Sessions that a module cannot play. */
import { ReplayError } from '../../base/errors.ts';
import { formatCount } from '../../base/units.ts';
import type { RewritePlan } from '../../replay/rewrite-columns.ts';

/**
 * The sessions that no module refuses.
 * @throws ReplayError usage where none is left
 */
export function withoutRefused(sessions: Uint32Array, { facts }: RewritePlan): Uint32Array {
  if (facts.refused.size === 0) return sessions;
  const refused = new Set([...facts.refused.values()].flat());
  const rest = sessions.filter((session) => !refused.has(session));
  if (rest.length > 0) return rest;
  throw new ReplayError({
    code: 'ERR_RUN_ALL_REFUSED',
    kind: 'usage',
    message: `no session can be played with this module: ${reasonsOf(facts).join('; ')}`,
    hint: 'leave the module out, or choose other sessions',
  });
}

/** What the user should know of what modules do with the sessions, a line each. */
export function warnOfRefused({ facts }: RewritePlan): string[] {
  const refused = reasonsOf(facts).map((reason) => `sessions are left out: ${reason}`);
  if (facts.sessions.size > 0) return refused;
  return [...refused, 'no module changes anything in these sessions: all is played as recorded'];
}

const reasonsOf = ({ refused }: RewritePlan['facts']): string[] =>
  [...refused].map(([reason, rows]) => `${formatCount(rows.length)}, ${reason}`);
