/** Failures that cross a thread's border: ReplayError does not survive structured cloning. */
import { type FailureKind, ReplayError } from './errors.ts';

/** A failure as plain data. */
export interface PostedFailure {
  readonly code: string;
  readonly kind: FailureKind;
  readonly message: string;
  readonly hint: string | null;
  readonly stack: string | null;
}

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

/** The error that was posted; its cause has the stack of the thread where it happened. */
export function errorFrom({ code, kind, message, hint, stack }: PostedFailure): ReplayError {
  const cause = new Error(message);
  if (stack !== null) cause.stack = stack;
  return new ReplayError({ code, kind, message, cause, ...(hint === null ? {} : { hint }) });
}
