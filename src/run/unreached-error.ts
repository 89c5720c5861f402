import { ReplayError } from '../base/errors.ts';
import type { RunResult } from '../measure/result.ts';

/**
 * A run that started nobody, since its target or an intercept cannot be reached: for whoever reads
 * documents there is a result all the same, whose `failure` says why.
 */
export class UnreachedError extends ReplayError {
  /** Every user is waiting, nothing was sent. */
  readonly result: RunResult;

  constructor(fault: ReplayError, result: RunResult) {
    const { code, kind, message, hint, cause } = fault;
    super({ code, kind, message, cause, ...(hint === null ? {} : { hint }) });
    this.result = result;
  }
}
