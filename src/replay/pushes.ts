/** Steps over what servers say of their own accord, up to the answers that are awaited. */
import { Outcome } from '../protocol/framer.ts';
import { WebSocketPushes } from '../protocol/websocket-pushes.ts';
import type { Delivery } from '../transport/transport.ts';
import type { OpenAnswers } from './open-answers.ts';
import { NO_EXCHANGE, type OpenExchanges } from './open-exchanges.ts';
import type { PlayTable } from './play-table.ts';
import type { Stages } from './stages.ts';

/**
 * Where users are in pushes. Those amid one are in the table of open answers, too: whether it is a push may
 * not be known yet, and an answer is gone on with from there.
 */
export class Pushes {
  readonly #plays: PlayTable;
  readonly #stages: Stages;
  readonly #exchanges: OpenExchanges;
  readonly #open: OpenAnswers;
  readonly #framer: WebSocketPushes;

  constructor(plays: PlayTable, stages: Stages, exchanges: OpenExchanges, open: OpenAnswers) {
    this.#plays = plays;
    this.#stages = stages;
    this.#exchanges = exchanges;
    this.#open = open;
    this.#framer = new WebSocketPushes(new Set(stages.exchanges.webSockets?.pushes));
  }

  /**
   * Octets have come to an answer that has not begun: those of the delivery from `at` on.
   * @param isAsked whether the server had its request, or some of it, when it sent them
   * @returns where the answer begins, or goes on; the delivery's end where it is still to come
   */
  skip(user: number, delivery: Delivery, at: number, isAsked: boolean): number {
    const { stageBytes } = this.#plays;
    const framer = this.#framer;
    const exchange = this.#exchanges.of(user);
    if (this.#open.has(user)) this.#open.resume(user, framer);
    else framer.begin(exchange === NO_EXCHANGE ? 0 : this.#stages.exchanges.kind[exchange]);
    framer.isAsked = isAsked;
    const start = delivery.dataStart + at;
    const bytes = delivery.bytes - at;
    const outcome = framer.feed(
      delivery.data,
      start,
      Math.max(0, delivery.atHandBytes - at),
      bytes,
    );
    const begunAt = framer.answerAt < 0 ? -1 : framer.answerAt - delivery.dataStart;
    if (outcome === Outcome.MORE) {
      if (framer.isBetween) this.#open.forget(user);
      else this.#open.keep(user, framer, 0);
      // As long as it may be an answer its octets are one's.
      if (framer.isPush || framer.isBetween) stageBytes[user] = 0;
      else if (begunAt >= 0) stageBytes[user] = delivery.bytes - begunAt;
      else stageBytes[user] += bytes;
      return delivery.bytes;
    }
    // What is no push is for whoever reads answers, who will be lost where this one is.
    const isAnswer = outcome === Outcome.ENDS || (isAsked && !framer.isPush);
    // Its first octets came before: reading goes on from what has been kept.
    if (isAnswer && begunAt < 0) return at;
    this.#open.forget(user);
    stageBytes[user] = 0;
    return isAnswer ? begunAt : delivery.bytes;
  }
}
