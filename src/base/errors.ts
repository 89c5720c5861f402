/** What kind of failure it is; each kind has an exit code of its own (cli/exit-codes.ts). */
export type FailureKind =
  | 'internal'
  | 'usage'
  | 'capture'
  | 'environment'
  | 'unreachable'
  | 'interrupted';

export interface ReplayErrorOptions {
  readonly code: string;
  readonly kind: FailureKind;
  /** What was expected, what was found, and where. */
  readonly message: string;
  /** What the user can do about it. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/** A failed operation: `code` is stable (`ERR_<AREA>_<WHAT>`), `hint` says what to do. */
export class ReplayError extends Error {
  override readonly name: string = 'ReplayError';
  readonly code: string;
  readonly kind: FailureKind;
  readonly hint: string | null;

  constructor(options: ReplayErrorOptions) {
    super(options.message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = options.code;
    this.kind = options.kind;
    this.hint = options.hint ?? null;
  }
}
