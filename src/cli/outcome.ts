import { formatCount } from '../base/units.ts';
import type { RunResult } from '../measure/result.ts';
import { ExitCode } from './exit-codes.ts';

/** How a run ended, for the shell and for whoever reads stderr. */
export interface Outcome {
  readonly code: ExitCode;
  /** What went wrong and how to mend it, in one line; `null` when the summary says it all. */
  readonly message: string | null;
}

/** The exit code of a run that has a result. A run that played nothing never ends with 0. */
export function outcomeOf(result: RunResult): Outcome {
  const { users, exchanges, embedded, thresholds } = result;
  if (result.interrupted) return { code: ExitCode.INTERRUPTED, message: null };
  if (embedded !== null && embedded.badChecksums + embedded.badOctets > 0) {
    const message =
      'a fault of gryphon itself: the embedded target received wrong octets; please report it';
    return { code: ExitCode.INTERNAL, message };
  }
  if (users.planned === users.waiting) {
    const message = 'nobody was started; give a longer --duration';
    return { code: ExitCode.USAGE, message };
  }
  if (result.rates.connected === 0) {
    return { code: ExitCode.UNREACHABLE, message: unreachable(result) };
  }
  if (users.completed === 0 && exchanges.answered === 0) {
    const message = `the target ${result.plan.target} took connections but answered nothing; ${fates(result)}`;
    return { code: ExitCode.UNREACHABLE, message };
  }
  const isHeld = thresholds.every((threshold) => threshold.ok);
  return { code: isHeld ? ExitCode.OK : ExitCode.THRESHOLD, message: null };
}

function unreachable(result: RunResult): string {
  const { plan, users } = result;
  const hint =
    users.refused > 0
      ? 'is the server running, and on this port?'
      : `do packets get there, and do replies to ${plan.clients} come back to this machine?`;
  return `the target ${plan.target} cannot be reached: ${fates(result)}; ${hint}`;
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
