/** Sessions are prepared, and patterns of users are stopped that do not come to an end over them. */
import { ReplayError } from '../../base/errors.ts';
import {
  type PreparedSessions,
  type PreparePlan,
  prepareTurns,
} from '../../replay/prepared-sessions.ts';
import type { CaptureBytes } from '../../transport/ports.ts';
import { TimeLimit } from './slow-patterns.ts';

/** To look through one recorded body, which may be long: ms. */
const BODY_MS_MAX = 2_000;

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
  const limit = new TimeLimit(BODY_MS_MAX);
  return prepareTurns(plan, capture, (session, blank) => {
    if (limit.run(blank)) return;
    throw new ReplayError({
      code: 'ERR_CHECK_SLOW',
      kind: 'usage',
      message:
        `--check-ignore ${checkIgnore.join(', ')} takes longer than ${BODY_MS_MAX / 1e3} s over an ` +
        `answer of session ${session}`,
      hint: 'write it without a repetition in a repetition',
    });
  });
}
