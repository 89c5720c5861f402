/** Answers of which some are handed to a module when they are over. */
import type { Instant } from '../base/instant.ts';
import type { Delivery } from '../transport/transport.ts';
import type { AnswerOctets } from './answer-octets.ts';
import { Answers } from './answers.ts';
import type { ModuleHost } from './module-host.ts';
import { NO_EXCHANGE } from './open-exchanges.ts';
import { OF_OPEN_STAGE, type PlayTable } from './play-table.ts';
import type { Stages } from './stages.ts';

/** Who is told that a module has read an answer. */
export type OnRead = (user: number) => void;

/** Who is told that a connection is over for which others may have waited. */
export type OnOver = (waiting: ReadonlySet<number>) => void;

/** Keeps the octets of stages that modules read, and passes over what they leave out. */
export class ReadAnswers extends Answers {
  /** Set by whoever plays the users. */
  onRead: OnRead = () => undefined;
  /** Likewise; told of rows that may wait for what a connection that is over has not been told. */
  onOver: OnOver = () => undefined;
  readonly #plays: PlayTable;
  readonly #stages: Stages;
  readonly #host: ModuleHost;
  readonly #octets: AnswerOctets;
  /** The stage that ended within the `take` at hand; -1 outside of one, or while none has. */
  #isTaking = false;
  #ended = -1;

  constructor(
    parts: Readonly<ConstructorParameters<typeof Answers>>,
    host: ModuleHost,
    octets: AnswerOctets,
  ) {
    super(...parts);
    const [plays, , , stages] = parts;
    this.#plays = plays;
    this.#stages = stages;
    this.#host = host;
    this.#octets = octets;
  }

  protected override take(user: number, delivery: Delivery, at: number): number {
    if (!this.#host.isRead(user, this.#plays.openStage[user]))
      return super.take(user, delivery, at);
    this.begunAt = at;
    this.#isTaking = true;
    const to = super.take(user, delivery, at);
    this.#isTaking = false;
    this.#octets.add(user, delivery, this.begunAt, to);
    const ended = this.#ended;
    this.#ended = -1;
    if (ended >= 0) this.#tell(user, ended);
    return to;
  }

  protected override endStage(user: number, seen: Instant): void {
    const stage = this.#plays.openStage[user];
    if (this.#isTaking) this.#ended = stage;
    else if (this.#host.isRead(user, stage)) this.#tell(user, stage);
    super.endStage(user, seen);
  }

  #tell(user: number, stage: number): void {
    const octets = this.#octets.of(user);
    this.#host.onAnswer(user, stage, octets, this.#octets.isWhole(user));
    this.#octets.forget(user);
    this.onRead(user);
  }

  /**
   * A message is left out that ends requests: they will not be answered.
   * @returns how many those are
   */
  onLeftOut(user: number, message: number): number {
    const exchanges = this.exchanges;
    const first = exchanges.firstSentBy(user, message);
    const last = this.#stages.exchanges.ofMessage[message + 1];
    if (first >= last) return 0;
    exchanges.leaveOut(user, first, last);
    const exchange = exchanges.of(user);
    if (exchange !== NO_EXCHANGE && exchanges.isLeftOut(user, exchange)) {
      // Nobody is told of a stage in which nothing was said.
      if (!exchanges.advance(user, exchange)) super.endStage(user, this.#plays.now);
    }
    return last - first;
  }

  /**
   * The stages up to and with `stage` are over, whatever was said in them.
   * @returns how many exchanges they hold
   */
  passTo(user: number, stage: number): number {
    const plays = this.#plays;
    const session = plays.session[user];
    const before = this.#stages.firstExchange(session, this.#stages.first(session));
    plays.openStage[user] = stage;
    plays.stageBytes[user] = 0;
    plays.flags[user] &= ~OF_OPEN_STAGE;
    this.framing.forget(user);
    this.openNext(user);
    this.exchanges.onStage(user);
    return this.#stages.lastExchange(session, stage) - before;
  }

  protected override isNothing(user: number, session: number, stage: number): boolean {
    return super.isNothing(user, session, stage) || this.exchanges.isStageLeftOut(user, stage);
  }

  override leftOut(user: number): number {
    return this.#host.engagementOf(user)?.leftOut ?? 0;
  }

  override forget(user: number): void {
    super.forget(user);
    this.#octets.forget(user);
    this.#endModule(user);
  }

  /** A row for which there was no room: nobody will be told anything by it. */
  onRoomless(row: number): void {
    this.#endModule(row);
  }

  #endModule(user: number): void {
    const waiting = this.#host.end(user);
    if (waiting !== null) this.onOver(waiting);
    this.#host.forget(user);
  }
}
