/**
 * Answers of users who answer their server: what it says is heard from the beginning, or, of those that become WebSockets,
 * behind the upgrade.
 */
import { SWITCHING_PROTOCOLS } from '../protocol/http1-answers.ts';
import { followedProtocol } from '../protocol/registry.ts';
import { PingReader } from '../protocol/websocket-pings.ts';
import type { Delivery } from '../transport/transport.ts';
import type { LiveReplies } from './live-replies.ts';
import { NO_EXCHANGE } from './open-exchanges.ts';
import { ReadAnswers } from './read-answers.ts';

/** Tells `LiveReplies` where it begins, and what follows. */
export class ReplyingAnswers extends ReadAnswers {
  readonly #answersOf: ConstructorParameters<typeof ReadAnswers>[0];
  readonly #from: Uint32Array;
  readonly #replies: LiveReplies;

  /** @param from of each session the first stage in which its server may speak so; 0 without any */
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

  override onStart(user: number): void {
    const [plays, , , stages] = this.#answersOf;
    const session = plays.session[user];
    if (this.#from[session] > 0) {
      const number = stages.protocolOf(session);
      const reader = followedProtocol(stages.exchanges.protocols[number - 1])?.replies?.();
      if (reader !== undefined) this.#replies.begin(user, reader);
    }
    super.onStart(user);
  }

  override onData(user: number, delivery: Delivery): void {
    this.#replies.feed(user, delivery, 0);
    super.onData(user, delivery);
  }

  protected override take(user: number, delivery: Delivery, at: number): number {
    const isBefore = !this.#replies.follows(user) && !this.#isBehind(user);
    const to = super.take(user, delivery, at);
    if (isBefore && this.#isBehind(user) && this.#isSwitched()) {
      this.#replies.begin(user, new PingReader());
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
