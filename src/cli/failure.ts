import { lineOf, ReplayError } from '../base/errors.ts';
import { ExitCode, exitCodeOf } from './exit-codes.ts';
import { UsageError } from './usage-error.ts';

/** What the user is told of a failure, and the shell. */
export interface FailureReport {
  /** One line a fault, each with its newline; with causes and stacks below when asked for. */
  readonly text: string;
  readonly code: ExitCode;
}

/** Words a failure: `gryphon: what is wrong; what to do`. */
export function describeFailure(error: unknown, isVerbose: boolean): FailureReport {
  const details = isVerbose ? causesText(error) : '';
  if (error instanceof UsageError) {
    const lines = error.faults.map(({ what, hint }) => failureLine(what, hint));
    return { text: lines.join('') + details, code: ExitCode.USAGE };
  }
  if (error instanceof ReplayError) {
    return { text: failureLine(error.message, error.hint) + details, code: exitCodeOf(error.kind) };
  }
  const message = error instanceof Error ? error.message : String(error);
  const hint = isVerbose ? 'please report it' : 'please report it with what --verbose says';
  const text = failureLine(`a fault of gryphon itself: ${message}`, hint);
  return { text: text + details, code: ExitCode.INTERNAL };
}

function failureLine(what: string, hint: string | null): string {
  const line = hint === null ? what : `${what}; ${hint}`;
  // A message from elsewhere may have lines of its own.
  return `gryphon: ${line.trim().replace(/\s*\n\s*/g, ' ')}\n`;
}

/** The stacks of an error and of what caused it. */
function causesText(error: unknown): string {
  let text = '';
  for (let at = error; at !== undefined && at !== null; ) {
    const shown = at instanceof Error ? (at.stack ?? at.message) : lineOf(at);
    const code = at instanceof ReplayError ? ` [${at.code}]` : '';
    text += `${text === '' ? '' : 'caused by '}${shown}${code}\n`;
    at = at instanceof Error ? at.cause : undefined;
  }
  return text;
}
