/** Answers of users that become WebSockets: behind the upgrade their server's pings are heard, too. */
import { SWITCHING_PROTOCOLS } from '../protocol/http1-answers.ts';
import type { Delivery } from '../transport/transport.ts';
import type { LiveReplies } from './live-replies.ts';
import { NO_EXCHANGE } from './open-exchanges.ts';
import { ReadAnswers } from './read-answers.ts';

/** Tells `LiveReplies` where frames begin, and what follows. */
export class ReplyingAnswers extends ReadAnswers {
  readonly #answersOf: ConstructorParameters<typeof ReadAnswers>[0];
  readonly #from: Uint32Array;
  readonly #replies: LiveReplies;

  /** @param from of each session the first stage behind its upgrade; 0 without any */
  constructor(
    parts: ConstructorParameters<typeof ReadAnswers>,
    from: Uint32Array,
    replies: LiveReplies,
  ) {
    super(...parts);
    this.#answersOf = parts[0];
    this.#from = from;
    this.#replies = replies;
  }

  override onData(user: number, delivery: Delivery): void {
    this.#replies.feed(user, delivery, 0);
    super.onData(user, delivery);
  }

  protected override take(user: number, delivery: Delivery, at: number): number {
    const isBefore = !this.#isBehind(user);
    const to = super.take(user, delivery, at);
    if (isBefore && this.#isBehind(user) && this.#isSwitched()) {
      this.#replies.begin(user);
      this.#replies.feed(user, delivery, to);
    }
    return to;
  }

  /** Whether the answer to the request for the upgrade is over. */
  #isBehind(user: number): boolean {
    const [plays, , , stages] = this.#answersOf;
    const from = this.#from[plays.session[user]];
    if (from === 0) return true;
    if (plays.openStage[user] >= from) return true;
    const exchange = this.exchanges.of(user);
    return exchange !== NO_EXCHANGE && stages.isMessage(exchange);
  }

  /** Whether the server has agreed to it, as the answer that was over last says. */
  #isSwitched(): boolean {
    const { verdict } = this.#answersOf[5];
    return verdict.isFollowed && verdict.code === SWITCHING_PROTOCOLS;
  }

  override forget(user: number): void {
    super.forget(user);
    this.#replies.forget(user);
  }
}
