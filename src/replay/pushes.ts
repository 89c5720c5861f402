/**
 * Steps over what servers say of their own accord, and parts of answers, up to the messages that are awaited; says
 * when answers' first octets came.
 */
import { Instant } from '../base/instant.ts';
import { Outcome, type PushFramer } from '../protocol/framer.ts';
import { followedProtocol } from '../protocol/registry.ts';
import { WebSocketPushes } from '../protocol/websocket-pushes.ts';
import type { Delivery } from '../transport/transport.ts';
import type { ExchangeRecorder } from './exchange-recorder.ts';
import type { OpenAnswers } from './open-answers.ts';
import { NO_EXCHANGE, type OpenExchanges } from './open-exchanges.ts';
import type { PlayTable } from './play-table.ts';
import type { Stages } from './stages.ts';

/** In place of a time: it has been told. */
const TOLD = -1;

/**
 * Where users are in pushes. Those amid one are in the table of open answers, too: whether it is a push may
 * not be known yet, and an answer is gone on with from there.
 */
export class Pushes {
  readonly #plays: PlayTable;
  readonly #stages: Stages;
  readonly #exchanges: OpenExchanges;
  readonly #open: OpenAnswers;
  readonly #webSocket: WebSocketPushes;
  /** By protocol, as `Stages` numbers them. */
  readonly #framers: (PushFramer | undefined)[] = [];
  /** Of whom octets have come, and what that user awaits first. */
  #user = 0;
  #exchange = NO_EXCHANGE;
  readonly #recorder: ExchangeRecorder;
  /**
   * Of users amid a message that may be their answer's first: when its first octet came; of those amid an answer in
   * parts, that this has been told.
   */
  readonly #firstNs = new Map<number, number>();
  /**
   * Users of whom a later request was answered before an earlier one. Answers count in the order of requests, so each
   * has the other's: of the later request the kind of the answer that is still to come.
   */
  readonly #swapped = new Map<number, Map<number, number>>();
  readonly #first = new Instant();

  constructor(
    plays: PlayTable,
    stages: Stages,
    exchanges: OpenExchanges,
    open: OpenAnswers,
    recorder: ExchangeRecorder,
  ) {
    this.#plays = plays;
    this.#recorder = recorder;
    this.#stages = stages;
    this.#exchanges = exchanges;
    this.#open = open;
    this.#webSocket = new WebSocketPushes({
      pushes: new Set(stages.exchanges.pushed?.pushes),
      parts: new Set(stages.exchanges.pushed?.parts),
    });
  }

  /**
   * Octets have come to an answer that has not begun: those of the delivery from `at` on.
   * @param isAsked whether the server had its request, or some of it, when it sent them
   * @returns where the answer begins, or goes on; the delivery's end where it is still to come
   */
  skip(user: number, delivery: Delivery, at: number, isAsked: boolean): number {
    const { stageBytes } = this.#plays;
    const exchange = this.#exchanges.of(user);
    const framer = this.#framerOf(user, exchange);
    this.#user = user;
    this.#exchange = exchange;
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
    const { arrived } = delivery;
    if (framer.hasPart) this.#tellFirst(user, framer.isPartOlder, arrived, TOLD);
    if (outcome === Outcome.MORE) {
      const mayBeAnswer = !framer.isPush && !framer.isBetween;
      this.#keepFirst(user, mayBeAnswer, begunAt >= 0, arrived.ns);
      if (framer.isBetween) this.#open.forget(user);
      else this.#open.keep(user, framer, 0);
      // As long as it may be an answer its octets are one's.
      if (!mayBeAnswer) stageBytes[user] = 0;
      else if (begunAt >= 0) stageBytes[user] = delivery.bytes - begunAt;
      else stageBytes[user] += bytes;
      return delivery.bytes;
    }
    // What is no push is for whoever reads answers, who will be lost where this one is.
    const isAnswer = outcome === Outcome.ENDS || (isAsked && !framer.isPush);
    if (isAnswer) this.#tellFirst(user, begunAt < 0, arrived, null);
    // Its first octets came before: reading goes on from what has been kept.
    if (isAnswer && begunAt < 0) return at;
    this.#open.forget(user);
    stageBytes[user] = 0;
    return isAnswer ? begunAt : delivery.bytes;
  }

  /** A message is the answer's first, or ends it. @param next what is kept of the user from now on */
  #tellFirst(user: number, isOlder: boolean, arrived: Instant, next: number | null): void {
    const keptNs = this.#firstNs.get(user);
    this.#first.ns = isOlder ? (keptNs ?? arrived.ns) : arrived.ns;
    if (keptNs !== TOLD) this.#recorder.onFirstByte(user, this.#first);
    if (next === null) this.#firstNs.delete(user);
    else this.#firstNs.set(user, next);
  }

  /** @param isNew whether the message at hand has begun just now */
  #keepFirst(user: number, mayBeAnswer: boolean, isNew: boolean, arrivedNs: number): void {
    if (this.#firstNs.get(user) === TOLD) return;
    if (!mayBeAnswer) this.#firstNs.delete(user);
    else if (isNew) this.#firstNs.set(user, arrivedNs);
  }

  /** The user has ended. */
  forget(user: number): void {
    if (this.#firstNs.size > 0) this.#firstNs.delete(user);
    if (this.#swapped.size > 0) this.#swapped.delete(user);
  }

  #framerOf(user: number, exchange: number): PushFramer {
    const stages = this.#stages;
    if (exchange === NO_EXCHANGE || stages.isMessage(exchange)) return this.#webSocket;
    const number = stages.protocolOf(this.#plays.session[user]);
    let framer = this.#framers[number];
    if (framer === undefined) {
      framer = followedProtocol(stages.exchanges.protocols[number - 1])?.pushes?.();
      if (framer === undefined) return this.#webSocket;
      framer.isAwaited = (isAnswerTo) => this.#isAwaited(isAnswerTo);
      this.#framers[number] = framer;
    }
    return framer;
  }

  /** Whether the answer that begins is awaited, first or later. */
  #isAwaited(isAnswerTo: (kind: number) => boolean): boolean {
    const awaited = this.#kindOf(this.#exchange);
    if (isAnswerTo(awaited)) return true;
    const stages = this.#stages;
    const user = this.#user;
    const session = this.#plays.session[user];
    const last = stages.lastExchange(session, stages.end(session) + 1);
    for (let later = this.#exchange + 1; later < last; later++) {
      if (!this.#exchanges.isAsked(user, later)) return false;
      if (!isAnswerTo(this.#kindOf(later))) continue;
      const swapped = this.#swapped.get(user) ?? new Map<number, number>();
      this.#swapped.set(user, swapped.set(later, awaited));
      return true;
    }
    return false;
  }

  #kindOf(exchange: number): number {
    const swapped = this.#swapped.size > 0 ? this.#swapped.get(this.#user) : undefined;
    return swapped?.get(exchange) ?? this.#stages.exchanges.kind[exchange];
  }
}
