/** Whether a run is what was asked for, in one line. */

import { NS_PER_MS } from '../base/time.ts';
import { formatCount, formatDuration } from '../base/units.ts';
import type { RunResult } from '../measure/result.ts';
import { failedUsers } from '../measure/thresholds.ts';

export interface Verdict {
  readonly ok: boolean;
  /** One line, without mark or colour. */
  readonly headline: string;
  /** Set when the figures are partly the generator's own: one clause for the same line. */
  readonly caveat: string | null;
}

/**
 * A run is good when its thresholds held and the embedded target found nothing wrong. Without
 * thresholds it is told how the users fared, and it is good when it has played anything and was not
 * interrupted.
 */
export function verdictOf(result: RunResult): Verdict {
  const { thresholds, users, embedded, generator } = result;
  const caveat = generator.fellBehind ? lagCaveat(result) : null;
  if (embedded !== null && embedded.badOctets + embedded.badChecksums > 0) {
    const found = `${formatCount(embedded.badOctets)} wrong octets and ${formatCount(embedded.badChecksums)} bad checksums`;
    return { ok: false, headline: `faulty: the embedded target received ${found}`, caveat };
  }
  const played = users.completed + failedUsers(users);
  if (played === 0) return { ok: false, headline: 'nothing was replayed', caveat };
  const ending = result.interrupted ? 'interrupted; ' : '';
  if (thresholds.length > 0) {
    const failed = thresholds.filter((threshold) => !threshold.ok).length;
    const all = thresholds.length === 1 ? 'the threshold' : `all ${thresholds.length} thresholds`;
    if (failed === 0) return { ok: !result.interrupted, headline: `${ending}${all} held`, caveat };
    const headline = `${ending}${failed} of ${thresholds.length} thresholds did not hold`;
    return { ok: false, headline, caveat };
  }
  const headline = `${ending}${usersClause(users.completed, users.planned)}`;
  return { ok: !result.interrupted, headline, caveat };
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
  return `the generator fell behind its plan (p99 of its lag ${lag}, bound ${bound}): part of the latency is its own`;
}
