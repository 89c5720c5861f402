/** Keeps what came to each request, for a comparison of two targets; compared is what `--check` compares. */
import type { AnswersSeen } from '../measure/answers-seen.ts';
import type { AnswerListener, Verdict } from './exchange-recorder.ts';
import { Check } from './replay-plan.ts';

/** Is told of every answer. */
export class AnswerTally implements AnswerListener {
  readonly #check: Check;
  readonly #seen: AnswersSeen;
  readonly #answer = { replyClass: 0, code: 0, bytes: -1, low: 0, high: 0 };

  /** @param check not `OFF` */
  constructor(check: Check, seen: AnswersSeen) {
    this.#check = check;
    this.#seen = seen;
  }

  onAnswered(_user: number, exchange: number, _rule: number, verdict: Verdict): void {
    const answer = this.#answer;
    const { isFollowed, body } = verdict;
    answer.replyClass = verdict.replyClass;
    answer.code = verdict.code;
    // What nobody says to be whole may be a part of it, or more.
    answer.bytes = this.#check === Check.LENGTH || !isFollowed ? verdict.bytes : -1;
    const whole = isFollowed && body?.isWhole ? body : null;
    answer.low = whole?.low ?? 0;
    answer.high = whole?.high ?? 0;
    this.#seen.record(exchange, answer);
  }
}

/** Tells several. */
export class AnswerListeners implements AnswerListener {
  readonly #listeners: readonly AnswerListener[];

  constructor(listeners: readonly AnswerListener[]) {
    this.#listeners = listeners;
  }

  onAnswered(user: number, exchange: number, rule: number, verdict: Verdict): void {
    for (let i = 0; i < this.#listeners.length; i++) {
      this.#listeners[i].onAnswered(user, exchange, rule, verdict);
    }
  }
}
