import { ReplayError } from '../base/errors.ts';

/** One thing wrong with the command line: `what` names the option, its value and the limit. */
export interface UsageFault {
  readonly what: string;
  readonly hint: string | null;
}

/** The command line is wrong: every fault of it at once, in the order in which they were found. */
export class UsageError extends ReplayError {
  override readonly name = 'UsageError';
  /** At least one. */
  readonly faults: readonly UsageFault[];

  constructor(faults: readonly UsageFault[]) {
    const message = faults.map((fault) => fault.what).join('; ');
    super({ code: 'ERR_CLI_USAGE', kind: 'usage', message });
    this.faults = faults;
  }
}

/** Collects what is wrong with the options, so that one run of the command shows all of it. */
export class FaultList {
  readonly #faults: UsageFault[] = [];

  add(what: string, hint: string | null = null): void {
    // Whoever asks for an option twice finds the same fault twice.
    if (this.#faults.some((fault) => fault.what === what)) return;
    this.#faults.push({ what, hint });
  }

  /**
   * What `read` makes of a value; a ReplayError that it throws becomes a fault of `label`, and
   * `instead` stands in for the value so that the other options can be looked at too.
   */
  attempt<T>(label: string, instead: T, read: () => T): T {
    try {
      return read();
    } catch (error) {
      // Anything else is a programmer's error and none of the user's.
      if (!(error instanceof ReplayError)) throw error;
      this.add(`${label}: ${error.message}`, error.hint);
      return instead;
    }
  }

  /** @throws UsageError when anything was added */
  throwIfAny(): void {
    if (this.#faults.length > 0) throw new UsageError(this.#faults);
  }
}
