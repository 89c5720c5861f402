/**
 * Which exchange of a user's script is answered next, and since when: a closed loop has one turn open
 * at a time, but requests that were sent in one go are answered one after another; in an open loop,
 * and where the recorded client did not wait, several turns are.
 */
import { LaterTurns } from './later-turns.ts';
import { PlayFlag, type PlayTable } from './play-table.ts';
import { rowOf } from './stage-columns.ts';
import type { Stages } from './stages.ts';

/** The open stage holds no answer. */
export const NO_EXCHANGE = -1;

/** Rows of exchanges, by what users have played and heard. */
export class OpenExchanges {
  readonly #plays: PlayTable;
  readonly #stages: Stages;
  /** Turns that were played whose answers wait behind the open one. */
  readonly later = new LaterTurns();
  /** Only users that have left requests out: rows of exchanges, until they are passed. */
  readonly #leftOut = new Map<number, Set<number>>();

  constructor(plays: PlayTable, stages: Stages) {
    this.#plays = plays;
    this.#stages = stages;
  }

  /** Row of the first exchange of the open stage that is not answered, or NO_EXCHANGE. */
  of(user: number): number {
    const { session: sessions, openStage, answered } = this.#plays;
    const session = sessions[user];
    const stage = openStage[user];
    const stages = this.#stages;
    if (stage > stages.end(session) + 1) return NO_EXCHANGE;
    const done = answered.size > 0 ? (answered.get(user) ?? 0) : 0;
    const { first } = stages.exchanges;
    const row = rowOf(session, stage);
    const exchange = first[row] + done;
    return exchange < first[row + 1] ? exchange : NO_EXCHANGE;
  }

  /** Row behind the open stage's last exchange. */
  lastOf(user: number): number {
    return this.#stages.lastExchange(this.#plays.session[user], this.#plays.openStage[user]);
  }

  /** Whether the exchange's request has been played to its end. */
  isAsked(user: number, exchange: number): boolean {
    return (
      exchange !== NO_EXCHANGE &&
      this.#plays.nextStep[user] > this.#stages.exchanges.message[exchange]
    );
  }

  /** Whether the open stage is awaited and has an exchange whose request has not been played to its end. */
  isUnasked(user: number): boolean {
    if (this.#plays.openStage[user] > this.#stages.lastAwaited(this.#plays.session[user]))
      return false;
    return this.of(user) !== NO_EXCHANGE && !this.isAsked(user, this.lastOf(user) - 1);
  }

  /** @returns whether the open stage holds another one behind `exchange`, which is answered */
  advance(user: number, exchange: number): boolean {
    const { answered } = this.#plays;
    const next = this.#leftOut.size > 0 ? this.#behindLeftOut(user, exchange + 1) : exchange + 1;
    if (next >= this.lastOf(user)) return false;
    answered.set(user, (answered.get(user) ?? 0) + next - exchange);
    this.#recall(user);
    return true;
  }

  /** The requests of exchanges `[from, to)` are left out, and so are their answers. */
  leaveOut(user: number, from: number, to: number): void {
    const rows = this.#leftOut.get(user) ?? new Set();
    for (let exchange = from; exchange < to; exchange++) rows.add(exchange);
    this.#leftOut.set(user, rows);
  }

  /** Whether the exchange's request was left out. */
  isLeftOut(user: number, exchange: number): boolean {
    return this.#leftOut.size > 0 && this.#leftOut.get(user)?.has(exchange) === true;
  }

  /** Whether all of a stage's exchanges were left out, of which it has some: nobody waits for it. */
  isStageLeftOut(user: number, stage: number): boolean {
    if (this.#leftOut.size === 0 || !this.#leftOut.has(user)) return false;
    const session = this.#plays.session[user];
    const first = this.#stages.firstExchange(session, stage);
    const last = this.#stages.lastExchange(session, stage);
    for (let exchange = first; exchange < last; exchange++) {
      if (!this.isLeftOut(user, exchange)) return false;
    }
    return last > first;
  }

  #behindLeftOut(user: number, from: number): number {
    let exchange = from;
    while (this.isLeftOut(user, exchange)) exchange++;
    return exchange;
  }

  /** The user's next stage is open. */
  onStage(user: number): void {
    const { answered } = this.#plays;
    if (answered.size > 0) answered.delete(user);
    if (this.#leftOut.size > 0) this.#passLeftOut(user);
    this.#recall(user);
  }

  /** The user has ended. */
  forget(user: number): void {
    this.#plays.answered.delete(user);
    this.later.forget(user);
    if (this.#leftOut.size > 0) this.#leftOut.delete(user);
  }

  /** The first exchanges of the stage that has been opened may have been left out. */
  #passLeftOut(user: number): void {
    const exchange = this.of(user);
    if (exchange === NO_EXCHANGE || !this.isLeftOut(user, exchange)) return;
    this.#plays.answered.set(user, this.#behindLeftOut(user, exchange) - exchange);
  }

  /** A message is played: row of the first of its exchanges that is not answered, if any is not. */
  firstSentBy(user: number, message: number): number {
    return Math.max(this.#stages.exchanges.ofMessage[message], this.#firstUnanswered(user));
  }

  #firstUnanswered(user: number): number {
    const { session: sessions, openStage, answered } = this.#plays;
    const stages = this.#stages;
    const session = sessions[user];
    const stage = Math.min(openStage[user], stages.end(session) + 2);
    const done = answered.size > 0 ? (answered.get(user) ?? 0) : 0;
    return stages.firstExchange(session, stage) + done;
  }

  /** Another exchange is open: where its message has been played, its times are looked up again. */
  #recall(user: number): void {
    const exchange = this.later.areThere ? this.of(user) : NO_EXCHANGE;
    if (exchange === NO_EXCHANGE) return;
    const turn = this.later.take(user, this.#stages.exchanges.message[exchange]);
    if (turn === null) return;
    const plays = this.#plays;
    plays.intendedNs[user] = turn.intendedNs;
    plays.sentNs[user] = turn.sentNs;
    // Answered before it was asked, or its answers are: it is as if it were played now.
    if (!turn.isInFrame) plays.flags[user] |= PlayFlag.STAMP | (turn.isHeld ? PlayFlag.HELD : 0);
  }
}
