/** What two targets answered, request by request, gathered run by run and put into words. */
import { formatCount } from '../base/units.ts';
import { addSeenRequests, type SeenRequest, type SeenStatus } from '../measure/answers-seen.ts';
import {
  type AnswerExample,
  type AnswerSaid,
  type ComparedAnswers,
  compareAnswers,
  type UnlikeRequest,
} from '../measure/compare-answers.ts';
import type { RunAnswers } from '../run/plan/options.ts';

/** As much of a digest is shown: enough to see that two are not the same. */
const DIGEST_SHOWN = 8;

/** The answers of both sides. */
export class BothAnswers {
  readonly #seen: Record<'base' | 'new', readonly SeenRequest[]> = { base: [], new: [] };
  #compared: ComparedAnswers | null = null;

  /** A run to one of the targets has been played. @param answers holds during the call */
  add(side: 'base' | 'new', { requests, left, texts }: RunAnswers): void {
    this.#seen[side] = addSeenRequests([this.#seen[side], requests]);
    // Only now can requests be put into words; after the last run it is done with all that there is.
    const { first, ...found } = compareAnswers(this.#seen.base, this.#seen.new);
    const examples = first.map((each) => exampleOf(each, texts));
    this.#compared = found.requests === 0 ? null : { ...found, examples, left };
  }

  /** What came of it; null where no request was answered by both, or nobody compares answers. */
  get compared(): ComparedAnswers | null {
    return this.#compared;
  }
}

const exampleOf = (
  { kind, exchange, base, next, baseOf, nextOf }: UnlikeRequest,
  texts: RunAnswers['texts'],
): AnswerExample => {
  const said = (status: SeenStatus, of: number): AnswerSaid => ({
    text: textOf(kind, exchange, status, texts),
    count: status.count,
    of,
  });
  return { kind, ...texts.requestOf(exchange), base: said(base, baseOf), next: said(next, nextOf) };
};

function textOf(
  kind: UnlikeRequest['kind'],
  exchange: number,
  status: SeenStatus,
  texts: RunAnswers['texts'],
): string {
  if (kind === 'status') {
    return status.replyClass === 0 ? 'no status' : texts.statusOf(exchange, status);
  }
  if (kind === 'length') {
    return typeof status.bytes === 'number' ? `${formatCount(status.bytes)} bytes` : 'any length';
  }
  return status.body === 'varies' || status.body === null
    ? 'any body'
    : `${status.body.slice(0, DIGEST_SHOWN)}…`;
}
