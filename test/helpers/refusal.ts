/** What something is refused with. */
import { ReplayError } from '../../src/base/errors.ts';

/** @throws what is thrown and is no ReplayError; an Error when nothing is */
export function refusal(attempt: () => unknown): ReplayError {
  try {
    attempt();
  } catch (error) {
    if (error instanceof ReplayError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}
