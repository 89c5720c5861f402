import { ReplayError } from '../base/errors.ts';
import type { RunResult } from '../measure/result.ts';

/** A run that was played to its end, and then could not take away what it had changed of this machine. */
export class LeftBehindError extends ReplayError {
  /** Of the run; nothing is missing from it. */
  readonly result: RunResult;

  /** @param fault says what is left, and what removes it */
  constructor(fault: ReplayError, result: RunResult) {
    const { code, kind, message, hint, cause } = fault;
    super({ code, kind, message, cause, ...(hint === null ? {} : { hint }) });
    this.result = result;
  }
}
