/** Whether a run is what was asked for, in one line. */

import { NS_PER_MS } from '../base/time.ts';
import { formatCount, formatDuration } from '../base/units.ts';
import type { RunResult } from '../measure/result.ts';
import { failedUsers } from '../measure/thresholds.ts';

export interface Verdict {
  /** `mixed`: no threshold was asked for, and not every user completed. */
  readonly level: 'good' | 'mixed' | 'bad';
  /** One line, without mark or colour. */
  readonly headline: string;
  /** Set when the figures are partly the generator's own: one clause for the same line. */
  readonly caveat: string | null;
}

/**
 * A run is good when its thresholds held, or, where none were asked for, when every user completed.
 * It is bad in any case when nothing completed, when it was interrupted, or when the embedded
 * target received what it should not have.
 */
export function verdictOf(result: RunResult): Verdict {
  const { thresholds, users, embedded } = result;
  const caveat = result.generator.fellBehind ? lagCaveat(result) : null;
  const bad = (headline: string): Verdict => ({ level: 'bad', headline, caveat });
  if (embedded !== null && embedded.badOctets + embedded.badChecksums > 0) {
    const octets = `${formatCount(embedded.badOctets)} wrong octets`;
    const checksums = `${formatCount(embedded.badChecksums)} bad checksums`;
    return bad(`faulty: the embedded target received ${octets} and ${checksums}`);
  }
  if (users.completed + failedUsers(users) === 0) return bad('nothing was replayed');
  const failed = thresholds.filter((threshold) => !threshold.ok).length;
  const clause =
    thresholds.length > 0
      ? thresholdsClause(failed, thresholds.length)
      : usersClause(users.completed, users.planned);
  if (result.interrupted) return bad(`interrupted: ${clause}`);
  if (failed > 0 || (thresholds.length === 0 && users.completed === 0)) return bad(clause);
  const isGood = thresholds.length > 0 || users.completed === users.planned;
  return { level: isGood ? 'good' : 'mixed', headline: clause, caveat };
}

function thresholdsClause(failed: number, all: number): string {
  if (failed > 0) return `${failed} of ${all} thresholds did not hold`;
  return all === 1 ? 'the threshold held' : `all ${all} thresholds held`;
}

function usersClause(completed: number, planned: number): string {
  if (completed === planned) {
    return planned === 1 ? 'the one user completed' : `all ${formatCount(planned)} users completed`;
  }
  return `${formatCount(completed)} of ${formatCount(planned)} users completed`;
}

function lagCaveat({ latency, generator }: RunResult): string {
  const lag = formatDuration((latency.lag.p99 ?? 0) * NS_PER_MS);
  const bound = formatDuration(generator.lagMsP99Bound * NS_PER_MS);
  return (
    `the generator fell behind its plan (p99 of its lag ${lag}, bound ${bound}): ` +
    'part of the latency is its own'
  );
}
