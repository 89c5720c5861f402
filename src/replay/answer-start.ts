/**
 * How an answer begins: whether the octets that come are one at all.
 *
 * An exchange is answered only by octets that the server sent after it had (at least the beginning
 * of) the request: their segment acknowledges it. No clock is asked, since a capture's clock, the
 * kernel's and an intercept's differ. And an HTTP answer begins like one: whatever else comes is the
 * rest of the answer before.
 */
import { Counter } from '../measure/counters.ts';
import { Http1Answers } from '../protocol/http1-answers.ts';
import type { ClientStream } from '../transport/client-stream.ts';
import type { Delivery, Transport } from '../transport/transport.ts';
import type { ExchangeRecorder } from './exchange-recorder.ts';
import type { OpenAnswers } from './open-answers.ts';
import { NO_EXCHANGE, type OpenExchanges } from './open-exchanges.ts';
import { PlayFlag, type PlayTable } from './play-table.ts';
import { Pushes } from './pushes.ts';
import type { Stages } from './stages.ts';

/** Says whether arriving octets begin the answer that is awaited. */
export class AnswerStart {
  readonly #plays: PlayTable;
  readonly #stages: Stages;
  readonly #exchanges: OpenExchanges;
  readonly #transport: Transport;
  readonly #stream: ClientStream;
  readonly #counters: Float64Array;
  readonly #pushes: Pushes;
  readonly #http = new Http1Answers();

  constructor(
    plays: PlayTable,
    stages: Stages,
    exchanges: OpenExchanges,
    transport: Transport,
    stream: ClientStream,
    recorder: Pick<ExchangeRecorder, 'counters'>,
    open: OpenAnswers,
  ) {
    this.#plays = plays;
    this.#pushes = new Pushes(plays, stages, exchanges, open);
    this.#stages = stages;
    this.#exchanges = exchanges;
    this.#transport = transport;
    this.#stream = stream;
    this.#counters = recorder.counters;
  }

  /**
   * Octets have come to an answer, or a stage, that has none yet.
   * @param at how many of the delivery's octets belong to what was before
   * @returns how many of its octets lie before the answer; all, where they came unasked
   */
  find(user: number, delivery: Delivery, at: number): number {
    const exchange = this.#exchanges.of(user);
    if (exchange !== NO_EXCHANGE && this.#stages.isMessage(exchange)) {
      return this.#pushes.skip(user, delivery, at, !this.#isUnasked(user, exchange));
    }
    if (this.#isUnasked(user, exchange)) {
      this.#countUnasked(user);
      return delivery.bytes;
    }
    const stages = this.#stages;
    const isHttp = stages.isHttp(this.#plays.session[user]);
    const atHand = delivery.atHandBytes - at;
    if (!isHttp || exchange === NO_EXCHANGE || atHand <= 0) return at;
    if (stages.exchanges.replyClass[exchange] === 0) return at;
    const start = delivery.dataStart + at;
    if (this.#http.mayBegin(delivery.data, start, atHand)) return at;
    this.#countUnasked(user);
    const skip = this.#http.findBeginning(delivery.data, start, atHand);
    return skip < 0 ? delivery.bytes : at + skip;
  }

  #isUnasked(user: number, exchange: number): boolean {
    const plays = this.#plays;
    const stages = this.#stages;
    const session = plays.session[user];
    const stage = plays.openStage[user];
    // Beyond the script lies what is left of an answer whose end the client did not wait for.
    if (stage > stages.end(session) + 1) return !stages.isLeft(session);
    if (exchange === NO_EXCHANGE || stage === stages.first(session)) return false;
    const message = stages.exchanges.beginMessage[exchange];
    if (!stages.isFollowed(exchange) && !stages.isTurn(session, stage - 1)) return false;
    return this.#transport.ackedBytes(user) <= this.#stream.messageStart(user, message);
  }

  #countUnasked(user: number): void {
    const plays = this.#plays;
    if (plays.flags[user] & PlayFlag.UNASKED) return;
    // A WebSocket's server may say what it likes.
    if (this.#stages.isUpgraded(plays.session[user])) return;
    plays.flags[user] |= PlayFlag.UNASKED;
    this.#counters[Counter.EXCHANGES_UNSOLICITED]++;
  }
}
