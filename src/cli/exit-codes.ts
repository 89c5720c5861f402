import type { FailureKind } from '../base/errors.ts';

/** What the shell gets to know of a command: the table in docs/ci.md. */
export const ExitCode = {
  OK: 0,
  /** A fault of gryphon itself. */
  INTERNAL: 1,
  /** Wrong use; nothing was sent. */
  USAGE: 2,
  /** The capture cannot be read, or nothing in it can be replayed. */
  CAPTURE: 3,
  /** Not permitted, or the machine lacks something. */
  ENVIRONMENT: 4,
  /** The target or the intercept cannot be reached. */
  UNREACHABLE: 5,
  /** A threshold failed; the code that k6 uses. */
  THRESHOLD: 99,
  /** 128 + SIGINT, as shells have it. */
  INTERRUPTED: 130,
} as const;
/** One of the codes. */
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

const CODE_OF_KIND = {
  internal: ExitCode.INTERNAL,
  usage: ExitCode.USAGE,
  capture: ExitCode.CAPTURE,
  environment: ExitCode.ENVIRONMENT,
  unreachable: ExitCode.UNREACHABLE,
  interrupted: ExitCode.INTERRUPTED,
} as const satisfies Record<FailureKind, ExitCode>;

/** The exit code for a kind of failure. */
export const exitCodeOf = (kind: FailureKind): ExitCode => CODE_OF_KIND[kind];
