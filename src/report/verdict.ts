/** Whether a run is what was asked for: in one line, and for the shell. */

import { NS_PER_MS, NS_PER_SECOND } from '../base/time.ts';
import { formatCount, formatDuration } from '../base/units.ts';
import { failedUsers } from '../measure/ledger.ts';
import type { Ledger, RunResult } from '../measure/result.ts';
import { nonZero, reasonsText, shareText } from './format.ts';

/**
 * How a run ended; the exit code follows from it, and so does the mark of the first line, so that
 * the two never contradict each other.
 */
export type Ending =
  | 'done'
  /** A threshold did not hold. */
  | 'threshold'
  /** Nobody could connect, or nobody got to the end of a session. */
  | 'unreachable'
  /** Something of the run's own way ended before the run did (an intercept, the interface). */
  | 'cut-off'
  | 'interrupted'
  /** Nobody was started. */
  | 'nothing'
  /** The figures contradict each other, or wrong octets were sent: a fault of gryphon itself. */
  | 'fault';

/** How a run ended, for its first line and its exit code. */
export interface Verdict {
  readonly ending: Ending;
  /**
   * `bad` exactly when the ending is not `done`; `mixed`: done, but there is something to know
   * before the figures are believed.
   */
  readonly level: 'good' | 'mixed' | 'bad';
  /** One line, without mark or colour. */
  readonly headline: string;
  /** What to know before the figures are believed: clauses for the same line; or null. */
  readonly caveat: string | null;
}

/** With more late starts than this share the load was not the planned one. */
const LATE_SHARE_MAX = 0.01;

/** With more replies than this share lost in the kernel's ring the target was slowed down by it. */
const RING_LOSS_SHARE_MAX = 0.01;

/** With more answers than this share unlike the recorded ones a run is not good. */
export const UNLIKE_SHARE_MAX = 0.1;

/**
 * A run is good when its thresholds held, or, where none were asked for, when every user completed;
 * and when the answers were like the recorded ones, and there was load for as long as asked.
 */
export function verdictOf(result: RunResult): Verdict {
  const { thresholds, users } = result;
  const ending = endingOf(result);
  const unlike = [...brokenCaveat(result), ...unlikeCaveats(result)];
  const usedUp = usedUpCaveat(result);
  const own = [...lagCaveat(result), ...lateStartsCaveat(result), ...ringLossCaveat(result)];
  const caveats = [...unlike, ...usedUp, ...own];
  const caveat = caveats.length === 0 ? null : caveats.join('; ');
  if (ending !== 'done') return { ending, level: 'bad', headline: badHeadline(result), caveat };
  const isWhole = thresholds.length > 0 || users.completed === users.planned;
  const level = isWhole && unlike.length + usedUp.length === 0 ? 'good' : 'mixed';
  return { ending, level, headline: clauseOf(result), caveat };
}

/** How the run ended, by what weighs most. */
function endingOf(result: RunResult): Ending {
  const { users, embedded } = result;
  if (embedded !== null && embedded.badOctets + embedded.badChecksums > 0) return 'fault';
  if (result.faults.length > 0) return 'fault';
  if (result.interrupted) return 'interrupted';
  if (result.failure !== null) return 'cut-off';
  if (result.stopped !== null) return 'threshold';
  if (users.planned === users.waiting) return 'nothing';
  if (users.completed === 0) return 'unreachable';
  return result.thresholds.every(({ ok }) => ok) ? 'done' : 'threshold';
}

function badHeadline(result: RunResult): string {
  const { embedded, faults, failure, stopped, users } = result;
  if (embedded !== null && embedded.badOctets + embedded.badChecksums > 0) {
    const bytes = `${formatCount(embedded.badOctets)} wrong bytes`;
    const checksums = `${formatCount(embedded.badChecksums)} bad checksums`;
    return `faulty: the embedded target received ${bytes} and ${checksums}`;
  }
  if (faults.length > 0) return `faulty: the sums do not come out even (${faults.join('; ')})`;
  const clause = clauseOf(result);
  if (result.interrupted) return `interrupted: ${clause}`;
  if (failure !== null) return `${failure}: ${clause}`;
  if (stopped !== null) return stopped;
  return users.completed + failedUsers(users) === 0 ? 'nothing was replayed' : clause;
}

/** Of thresholds, where there are any, else of users. */
function clauseOf({ thresholds, users, clients }: RunResult): string {
  if (thresholds.length > 0 && users.completed > 0) {
    return thresholdsClause(thresholds.filter(({ ok }) => !ok).length, thresholds.length);
  }
  if (clients === null) return completedClause(users, 'user');
  return `${completedClause(clients, 'client')}, ${connectionsClause(users)}`;
}

function thresholdsClause(failed: number, all: number): string {
  if (failed > 0) return `${failed} of ${all} thresholds did not hold`;
  return all === 1 ? 'the threshold held' : `all ${all} thresholds held`;
}

function completedClause({ completed, planned }: Ledger, noun: string): string {
  if (completed === planned) {
    return planned === 1
      ? `the one ${noun} completed`
      : `all ${formatCount(planned)} ${noun}s completed`;
  }
  return `${formatCount(completed)} of ${formatCount(planned)} ${noun}s completed`;
}

function connectionsClause({ completed, planned }: Ledger): string {
  const of = completed === planned ? '' : `${formatCount(completed)} of `;
  return `with ${of}${formatCount(planned)} ${planned === 1 ? 'connection' : 'connections'}`;
}

/** Users were to play again and again, and had no address and port left for it. */
function usedUpCaveat({ plan, shares, users, clients, durationSeconds }: RunResult): string[] {
  const { untilSeconds, iterations } = plan;
  if (untilSeconds === null || durationSeconds >= untilSeconds) return [];
  const begun = (plan.per === 'client' ? clients : users)?.planned ?? 0;
  if (begun < plan.users * iterations * (shares.played.length / shares.of)) return [];
  const [ended, asked] = [durationSeconds, untilSeconds].map((s) =>
    formatDuration(s * NS_PER_SECOND),
  );
  return [
    `the load ended after ${ended} of ${asked}: each address and port serves once, and all were used ` +
      '(give more --ports or --clients)',
  ];
}

/** Users that started late were fewer at a time than planned. */
function lateStartsCaveat({ generator, users }: RunResult): string[] {
  const { lateStarts, heldStarts, startLagMsMax } = generator;
  if (lateStarts <= users.planned * LATE_SHARE_MAX) return [];
  const latest = formatDuration(startLagMsMax * NS_PER_MS);
  const why =
    heldStarts > lateStarts / 2
      ? 'the target left connections unanswered'
      : 'more was asked of this machine than it can do';
  return [
    `${shareText(lateStarts, users.planned)} of the users started late (up to ${latest}): ${why}`,
  ];
}

/** What the ring had no room for looks to the target like losses on the way. */
function ringLossCaveat({ packets }: RunResult): string[] {
  const lost = packets.dropped.ringFull;
  const all = packets.received + lost;
  if (lost <= all * RING_LOSS_SHARE_MAX) return [];
  return [
    `${shareText(lost, all)} of the replies were lost here, not read in time: the target takes that for a ` +
      'bad path, sends them again and slows down',
  ];
}

/** Users that ended since answers broke the rules: of all the first thing to know, for it may not be their protocol. */
function brokenCaveat({ users, answerRules }: RunResult): string[] {
  const reasons = nonZero(users.reasons.aborted).filter(([reason]) => reason.startsWith('answer'));
  if (reasons.length === 0) return [];
  const doubt =
    (answerRules.protocol ?? 0) > 0
      ? ''
      : '; no answer at all was of the protocol that was recognised (--protocol)';
  return [`users ended early: ${reasonsText(Object.fromEntries(reasons))}${doubt}`];
}

/** What was not as recorded: the status of answers, what came unasked, or lengths. */
function unlikeCaveats({ exchanges }: RunResult): string[] {
  const { planned, answered, mismatched, mismatchedBy, statuses, unsolicited } = exchanges;
  // Answers of another class count, too, where nobody was to compare them.
  const status = Math.max(mismatchedBy.status, exchanges.failed);
  const caveats: string[] = [];
  if (unsolicited > planned * UNLIKE_SHARE_MAX) {
    caveats.push(
      `the target spoke unasked ${unsolicited === 1 ? 'once' : `${formatCount(unsolicited)} times`}`,
    );
  }
  const others = mismatched - mismatchedBy.status;
  if (status > answered * UNLIKE_SHARE_MAX) {
    const seen = Object.entries(statuses).filter(([, count]) => count > 0);
    const list = seen.map(([status, count]) => `${status} ${formatCount(count)}`).join(', ');
    const share = shareText(status, answered);
    const found = list === '' ? '' : ` (${list})`;
    caveats.push(`${share} of the answers have another status than the recorded ones${found}`);
  } else if (others > answered * UNLIKE_SHARE_MAX) {
    const what =
      mismatchedBy.body > mismatchedBy.length ? 'have another body than' : 'are not as long as';
    caveats.push(`${shareText(others, answered)} of the answers ${what} recorded`);
  }
  return caveats;
}

function lagCaveat({ latency, generator }: RunResult): string[] {
  if (!generator.fellBehind) return [];
  const lag = formatDuration((latency.lag.p99 ?? 0) * NS_PER_MS);
  const bound = formatDuration(generator.lagMsP99Bound * NS_PER_MS);
  const silent = generator.interceptSilentSeconds;
  if (silent > 0) {
    const stood = formatDuration(silent * NS_PER_SECOND);
    return [
      `requests went out late (p99 of the lag ${lag}, bound ${bound}): an intercept stood still ` +
        `for ${stood}`,
    ];
  }
  return [
    `the generator fell behind its plan (p99 of its lag ${lag}, bound ${bound}): ` +
      'part of the latency is its own',
  ];
}
