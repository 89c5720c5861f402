/** What kind of failure it is; each kind has an exit code of its own (cli/exit-codes.ts). */
export type FailureKind =
  | 'internal'
  | 'usage'
  | 'capture'
  | 'environment'
  | 'unreachable'
  | 'interrupted';

/** What a ReplayError says of a failure. */
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

/** Whatever was thrown, as one line: modules of users throw anything. */
export function lineOf(thrown: unknown): string {
  try {
    return String(thrown instanceof Error ? thrown.message : thrown).split('\n', 1)[0];
  } catch {
    return 'something that cannot be said';
  }
}

/**
 * The error of an operation that failed and left something behind, since undoing it failed as well:
 * it says both, with the first one's code and the second one's hint, which removes what is left.
 */
export function alsoFailed(first: unknown, second: unknown): ReplayError {
  const [one, other] = [first, second].map((error) => ({
    code: error instanceof ReplayError ? error.code : 'ERR_INTERNAL',
    kind: error instanceof ReplayError ? error.kind : ('internal' as const),
    message: error instanceof Error ? error.message : String(error),
    hint: error instanceof ReplayError ? error.hint : null,
  }));
  const hint = other.hint ?? one.hint;
  return new ReplayError({
    code: one.code,
    kind: one.kind,
    message: `${one.message}; then ${other.message}`,
    cause: first,
    ...(hint === null ? {} : { hint }),
  });
}

/** Undoes what was done before an operation failed. @returns what is to be thrown */
export function undoAfter(fault: unknown, undo: () => void): unknown {
  try {
    undo();
    return fault;
  } catch (second) {
    return alsoFailed(fault, second);
  }
}
