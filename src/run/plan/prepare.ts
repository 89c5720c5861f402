/** Sessions are prepared, and patterns of users are stopped that do not come to an end over them. */
import { ReplayError } from '../../base/errors.ts';
import {
  type PreparedSessions,
  type PreparePlan,
  prepareTurns,
} from '../../replay/prepared-sessions.ts';
import type { CaptureBytes } from '../../transport/ports.ts';
import { endsWithin } from './slow-patterns.ts';

/** To read the bodies of one session; they may be long, and the machine busy. */
const SESSION_MS_MAX = 2_000;

/**
 * As `prepareTurns`.
 * @throws ReplayError usage, where what is left out of bodies cannot be found in time
 */
export function prepare(
  plan: PreparePlan,
  capture: CaptureBytes,
): Generator<void, PreparedSessions> {
  const { checkIgnore } = plan;
  if (checkIgnore === undefined) return prepareTurns(plan, capture);
  return prepareTurns(plan, capture, (session, read) => {
    if (endsWithin(SESSION_MS_MAX, read)) return;
    throw new ReplayError({
      code: 'ERR_CHECK_SLOW',
      kind: 'usage',
      message:
        `--check-ignore ${checkIgnore.join(', ')} takes longer than ${SESSION_MS_MAX / 1e3} s over the ` +
        `answers of session ${session}`,
      hint: 'write it without a repetition in a repetition',
    });
  });
}
