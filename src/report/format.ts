/** Figures of a result as people read them. */
import { NS_PER_MS } from '../base/time.ts';
import { formatCount, formatDuration, formatPercentage, formatRate } from '../base/units.ts';
import type { RunResult, ThresholdOutcome, ThresholdUnit } from '../measure/result.ts';

/** A latency with its unit, `-` where nothing was measured. */
export const formatMs = (ms: number | null): string =>
  ms === null ? '-' : formatDuration(ms * NS_PER_MS);

/** What a threshold was held against, or what was found. */
export function formatMeasured(value: number | null, unit: ThresholdUnit): string {
  if (value === null) return 'nothing measured';
  if (unit === 'ms') return formatMs(value);
  if (unit === 'fraction') return formatPercentage(value);
  return unit === 'count' ? formatCount(value) : formatRate(value);
}

/** What was found, what it was held against where the expression does not say it, and what else to know. */
export function outcomeText({ expression, actual, limit, unit, note }: ThresholdOutcome): string {
  const found = formatMeasured(actual, unit);
  const isRelative = /[<>=]\s*[+-]/.test(expression);
  const notes = [
    ...(isRelative ? [`limit ${formatMeasured(limit, unit)}`] : []),
    ...(note === null ? [] : [note]),
  ];
  return notes.length === 0 ? found : `${found} (${notes.join('; ')})`;
}

/** The target, and who picks its replies up where this machine does not. */
export const targetText = ({ target, mode }: RunResult['plan']): string =>
  mode === 'local' || mode === target ? target : `${target} (replies by intercept, ${mode})`;

const PACES: ReadonlyMap<string, string> = new Map([
  ['think', 'think (closed loop)'],
  ['schedule', 'schedule (open loop)'],
  ['none', 'none (as answers come)'],
]);

/** The first of so many files; a day of rotated ones is hundreds. */
export function filesText(files: readonly string[], shown: number): string {
  if (files.length <= shown) return files.join(', ');
  const more = formatCount(files.length - shown + 1);
  return `${files.slice(0, shown - 1).join(', ')} and ${more} more`;
}

/** The pace, and what kind of load it makes. */
export const paceText = (pace: string): string => PACES.get(pace) ?? pace;

const REASONS: ReadonlyMap<string, string> = new Map([
  ['beforeAnswer', 'before an answer'],
  ['duringAnswer', 'during an answer'],
  ['afterAnswer', 'after the last answer'],
  ['connecting', 'connecting (no SYN-ACK)'],
  ['waiting', 'waiting for an answer'],
  ['retransmitting', 'sending again in vain'],
  ['closing', 'closing (their FIN was not acknowledged)'],
  ['completedWithFailures', 'with an answer of another status than recorded'],
  ['unackedFin', 'whose FIN was not acknowledged'],
  ['closedEarly', 'closed early by the server'],
  ['interrupted', 'interrupted before the end'],
  ['module', 'by a module, or since it failed'],
  ['rewriteMemory', 'longer requests than there was room for (--rewrite-memory)'],
  ['answerMalformed', 'by an answer that is none of its protocol'],
  ['answerBadLength', 'by an answer of a length that is none'],
  ['answerTooLong', 'by an answer whose header or line has no end'],
  ['answerExcess', "by octets behind an answer's end"],
  ['notStarted', 'not started, no room for their requests (--rewrite-memory)'],
]);

/** Why users ended in a state, the most frequent reason first: `3 during an answer, 1 connecting …`. */
export const reasonsText = (reasons: Readonly<Record<string, number>>): string =>
  nonZero(reasons)
    .map(([reason, count]) => `${formatCount(count)} ${REASONS.get(reason) ?? words(reason)}`)
    .join(', ');

/** `closedEarly` as `closed early`. */
export const words = (name: string): string =>
  name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

/** A share in percent; `-` of nothing. */
export const shareText = (part: number, whole: number): string =>
  whole === 0 ? '-' : formatPercentage(part / whole);

/** The counts that are not 0, the largest first. */
export const nonZero = (counts: Readonly<Record<string, number>>): readonly [string, number][] =>
  Object.entries(counts)
    .filter(([, count]) => count !== 0)
    .sort(([, a], [, b]) => b - a);

/** `1 user`, `2,000 users`. */
export const countText = (count: number, noun: string): string =>
  `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;
