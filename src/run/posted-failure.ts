/** Failures that cross a thread's border: ReplayError does not survive structured cloning. */
import { ReplayError } from '../base/errors.ts';
import type { PostedFailure } from './job.ts';

/** @param code of a fault that is no ReplayError */
export function failureOf(error: unknown, code = 'ERR_RUN_THREAD'): PostedFailure {
  if (error instanceof ReplayError) {
    const { kind, message, hint, stack = null } = error;
    return { code: error.code, kind, message, hint, stack };
  }
  const fault = error instanceof Error ? error : new Error(String(error));
  const { message, stack = null } = fault;
  return { code, kind: 'internal', message, hint: null, stack };
}

export function errorFrom({ code, kind, message, hint, stack }: PostedFailure): ReplayError {
  const cause = new Error(message);
  if (stack !== null) cause.stack = stack;
  return new ReplayError({ code, kind, message, cause, ...(hint === null ? {} : { hint }) });
}
