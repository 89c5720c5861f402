import { formatCount } from '../base/units.ts';
import { failedUsers } from '../measure/ledger.ts';
import type { RunResult } from '../measure/result.ts';
import { type Ending, verdictOf } from '../report/verdict.ts';
import { ExitCode } from './exit-codes.ts';

/** How a run ended, for the shell and for whoever reads stderr. */
export interface Outcome {
  readonly code: ExitCode;
  /** What went wrong and how to mend it, in one line; `null` when the summary says it all. */
  readonly message: string | null;
}

const CODES = {
  done: ExitCode.OK,
  threshold: ExitCode.THRESHOLD,
  unreachable: ExitCode.UNREACHABLE,
  'cut-off': ExitCode.UNREACHABLE,
  interrupted: ExitCode.INTERRUPTED,
  nothing: ExitCode.USAGE,
  fault: ExitCode.INTERNAL,
} as const satisfies Record<Ending, ExitCode>;

/** The exit code of a run that has a result: 0 exactly when its first line has no ✗. */
export function outcomeOf(result: RunResult): Outcome {
  const { ending } = verdictOf(result);
  const isOwn = ending === 'cut-off' && result.failureKind === 'environment';
  const code = isOwn ? ExitCode.ENVIRONMENT : CODES[ending];
  return { code, message: messageOf(result, ending) };
}

function messageOf(result: RunResult, ending: Ending): string | null {
  if (ending === 'nothing') return 'nobody was started; give a longer --duration';
  if (ending === 'cut-off') return result.failure;
  if (ending === 'fault') {
    const what = result.faults.at(0) ?? 'the embedded target received wrong bytes';
    return `a fault of gryphon itself: ${what}; please report it`;
  }
  return ending === 'unreachable' ? unreachable(result) : null;
}

function unreachable(result: RunResult): string {
  const { plan, users, exchanges, rates } = result;
  const { target } = plan;
  if (rates.connected === 0) {
    const hint =
      users.refused > 0
        ? 'is the server running, and on this port?'
        : `do packets get there, and do replies to ${plan.clients} come back to this machine?`;
    return `the target ${target} cannot be reached: ${fates(result)}; ${hint}`;
  }
  if (exchanges.answered === 0) {
    return `the target ${target} took connections ${spoke(result)}; ${fates(result)}`;
  }
  const hint =
    users.reasons.aborted.closedEarly === failedUsers(users)
      ? `it closed each connection before the recorded server did${whyEarly(result)}`
      : 'can these sessions be repeated there byte by byte?';
  return `the target ${target} let no user come to the end of a session: ${fates(result)}; ${hint}`;
}

/** Whoever refuses what it is asked often closes then; what it said tells more than that it closed. */
function whyEarly({ differences }: RunResult): string {
  const [last] = differences.seen
    .filter(({ kind }) => kind === 'status')
    .map(({ example }) => example)
    .sort((a, b) => b.number - a.number);
  if (last === undefined) return ': does it keep them open after an answer (HTTP keep-alive)?';
  const { request, recorded, got } = last;
  return `, and answered '${got}' to ${request} instead of '${recorded}': does it know such requests, and these log-ins (docs/databases.md)?`;
}

/** What a target said that answered no request: a greeting may have been all, or half an answer. */
function spoke({ exchanges, bytes }: RunResult): string {
  if (bytes.received === 0) return 'but answered nothing';
  const what = exchanges.sent === 0 ? 'let nobody ask anything' : 'answered no request to its end';
  return `and said ${formatCount(bytes.received)} bytes, but ${what}`;
}

/** What became of the users: `12 refused, 3 timed out`. */
function fates({ users }: RunResult): string {
  const fate: readonly (readonly [number, string])[] = [
    [users.refused, 'refused'],
    [users.reset, 'reset'],
    [users.timedOut, 'timed out'],
    [users.aborted, 'aborted'],
  ];
  const found = fate.filter(([count]) => count > 0);
  return found.map(([count, what]) => `${formatCount(count)} ${what}`).join(', ');
}
