/** What is found of a session's exchanges on the way to their columns: requests, and answers to them. */
import { type AnswerFramer, Fault, Outcome } from '../protocol/framer.ts';
import { Http1Answers } from '../protocol/http1-answers.ts';
import { ExchangeMark, type ExchangeRow } from './exchange-columns.ts';

/** A request of a session that is answered. */
export interface FoundRequest {
  readonly beginMessage: number;
  readonly message: number;
  readonly kind: number;
  /** Where it lies in the client's stream. */
  readonly start: number;
  readonly end: number;
}

/** An answer, as the columns have it. */
export type FoundAnswer = Pick<
  ExchangeRow,
  'answerBytes' | 'answerEnd' | 'replyClass' | 'code' | 'marks'
>;

/** Nobody has captured the answer. */
export const UNHEARD: FoundAnswer = {
  answerBytes: 0,
  answerEnd: 0,
  replyClass: 0,
  code: 0,
  marks: ExchangeMark.FOLLOWED,
};

/** What is marked of an answer that was followed. */
export function marksOf(answers: AnswerFramer): number {
  const isChunked = answers instanceof Http1Answers && answers.isChunked;
  const marks = ExchangeMark.FOLLOWED | (isChunked ? ExchangeMark.CHUNKED : 0);
  return answers.endsConnection ? marks | ExchangeMark.CLOSES : marks;
}

/** Whether an answer whose end is not in the recording goes on behind it. */
export const isBeyond = (answers: AnswerFramer): boolean =>
  answers.outcome === Outcome.ENDS || answers.fault === Fault.CUT_SHORT;
