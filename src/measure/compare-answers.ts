/**
 * Which requests two targets answer unlike each other. What varies by itself at both targets (a token, a
 * time of day) is no difference: nobody can tell it from one.
 */

import { isSameStatus, type SeenRequest, type SeenStatus } from './answers-seen.ts';
import { DIFFERENCE_NAMES, type DifferenceName } from './differences.ts';
import type { Counts } from './run-facts.ts';

/** More requests than these are counted, not shown. */
export const EXAMPLES_MAX = 20;

/** What a target answered to a request, in words, and how often of all its answers to it. */
export interface AnswerSaid {
  readonly text: string;
  readonly count: number;
  readonly of: number;
}

/** A request that the targets answer unlike each other. */
export interface AnswerExample {
  readonly kind: DifferenceName;
  /** Which of the replayable sessions, and which of its requests: both from 1. */
  readonly session: number;
  readonly number: number;
  readonly request: string;
  readonly base: AnswerSaid;
  readonly next: AnswerSaid;
}

/** The answers of both sides, request by request. */
export interface ComparedAnswers {
  /** Recorded requests that both have answered. */
  readonly requests: number;
  /** Of these: those answered unlike each other, and by what is unlike first. */
  readonly unlike: number;
  readonly unlikeBy: Counts;
  /** Of these: those of which something was left out, since it varies from play to play at both. */
  readonly varying: number;
  /** Those of status first; of each kind in the order of the capture. */
  readonly examples: readonly AnswerExample[];
  /** Recorded requests beyond those of which answers are kept. */
  readonly left: number;
}

/** A difference that has not been put into words. */
export interface UnlikeRequest {
  readonly kind: DifferenceName;
  readonly exchange: number;
  readonly base: SeenStatus;
  readonly next: SeenStatus;
  /** Answers to the request, at each side. */
  readonly baseOf: number;
  readonly nextOf: number;
}

/** What was found, and the first differences, which are still to be put into words. */
export interface FoundAnswers extends Omit<ComparedAnswers, 'examples' | 'left'> {
  readonly first: readonly UnlikeRequest[];
}

/** Compares what both sides have answered; rows ascend (`addSeenRequests`). */
export function compareAnswers(
  base: readonly SeenRequest[],
  next: readonly SeenRequest[],
): FoundAnswers {
  const others = new Map(next.map((each) => [each.exchange, each]));
  const unlikeBy = Object.fromEntries(DIFFERENCE_NAMES.map((name) => [name, 0]));
  const firstOf: Readonly<Record<DifferenceName, UnlikeRequest[]>> = {
    ...{ status: [], length: [], body: [] },
  };
  let [requests, unlike, varying] = [0, 0, 0];
  for (const before of base) {
    const after = others.get(before.exchange);
    if (after === undefined) continue;
    requests++;
    const found = differenceOf(before, after);
    if (found === 'varies') varying++;
    if (found === null || found === 'varies') continue;
    unlike++;
    unlikeBy[found.kind]++;
    if (firstOf[found.kind].length < EXAMPLES_MAX) firstOf[found.kind].push(found);
  }
  const first = DIFFERENCE_NAMES.flatMap((kind) => firstOf[kind]).slice(0, EXAMPLES_MAX);
  return { requests, unlike, unlikeBy, varying, first };
}

function differenceOf(base: SeenRequest, next: SeenRequest): UnlikeRequest | 'varies' | null {
  const known = { exchange: base.exchange, baseOf: totalOf(base), nextOf: totalOf(next) };
  const status = otherStatus(base, next);
  if (status !== null) return { kind: 'status', ...known, ...status };
  let isVarying = base.others > 0 || next.others > 0;
  for (const kind of ['length', 'body'] as const) {
    for (const before of base.statuses) {
      const after = next.statuses.find((each) => isSameStatus(each, before));
      if (after === undefined) continue;
      const [one, other] =
        kind === 'length' ? [before.bytes, after.bytes] : [before.body, after.body];
      if (one === null || other === null) continue;
      if (one === 'varies' && other === 'varies') isVarying = true;
      else if (one !== other && isEnough(before, one, after, other)) {
        return { kind, ...known, base: before, next: after };
      }
    }
  }
  return isVarying ? 'varies' : null;
}

/** That one side varies says something only where the other had the chance to. */
const isEnough = (before: SeenStatus, one: unknown, after: SeenStatus, other: unknown): boolean =>
  (one !== 'varies' || after.count > 1) && (other !== 'varies' || before.count > 1);

/** A status that only one side has, beside the most frequent one of the other. */
function otherStatus(
  base: SeenRequest,
  next: SeenRequest,
): Pick<UnlikeRequest, 'base' | 'next'> | null {
  // A status that found no room may be any.
  if (base.others > 0 || next.others > 0) return null;
  const onlyNext = mostOf(lacking(next, base));
  if (onlyNext !== null) return { base: mostOf(base.statuses) ?? onlyNext, next: onlyNext };
  const onlyBase = mostOf(lacking(base, next));
  return onlyBase === null ? null : { base: onlyBase, next: mostOf(next.statuses) ?? onlyBase };
}

const lacking = (of: SeenRequest, from: SeenRequest): readonly SeenStatus[] =>
  of.statuses.filter((each) => !from.statuses.some((other) => isSameStatus(each, other)));

const mostOf = (statuses: readonly SeenStatus[]): SeenStatus | null =>
  statuses.reduce<SeenStatus | null>(
    (most, each) => (most === null || each.count > most.count ? each : most),
    null,
  );

const totalOf = ({ statuses, others }: SeenRequest): number =>
  statuses.reduce((sum, { count }) => sum + count, others);
