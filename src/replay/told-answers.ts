/**
 * Follows answers whose ends a module tells: it is shown the answer's octets as they come, from its
 * beginning, until it knows. Most lie in one packet, and are shown where that lies; others are kept, as far
 * as there is room.
 */
import { type AnswerFramer, Fault, Outcome } from '../protocol/framer.ts';
import { MODULE_NAME } from '../protocol/registry.ts';
import { AnswerFraming } from './answer-framing.ts';
import { AnswerOctets } from './answer-octets.ts';
import type { ModuleHost } from './module-host.ts';
import { NOT_YET } from './told-ends.ts';
import { WholeAnswer } from './whole-answer.ts';

/** The framer of a thread's users, who is set before each call. Kinds are messages, from 1; 0 is a greeting. */
class ToldAnswers extends WholeAnswer {
  user = 0;
  readonly #host: ModuleHost;
  readonly #bytesMax: number;
  readonly #kept: AnswerOctets;

  constructor(host: ModuleHost, bytesMax: number, kept: AnswerOctets) {
    super();
    this.#host = host;
    this.#bytesMax = bytesMax;
    this.#kept = kept;
  }

  override feed(data: DataView, start: number, atHand: number, bytes: number): Outcome {
    const { user } = this;
    const seen = this.#kept.of(user).length;
    const readable = Math.min(atHand, this.#bytesMax - seen);
    const isFirst = seen === 0;
    if (!isFirst) this.#kept.append(user, data, start, readable);
    const octets = isFirst
      ? new Uint8Array(data.buffer, data.byteOffset + start, readable)
      : this.#kept.of(user);
    const told = this.#host.answerEnd(user, this.kind - 1, octets, seen);
    if (told > NOT_YET) {
      this.finish(0);
      this.endBytes = told - seen;
      return this.outcome;
    }
    // Behind what is not at hand nobody can tell, and a user whose module has failed ends.
    if (told === NOT_YET && readable < bytes) return this.lose(Fault.NOT_AT_HAND);
    if (isFirst) this.#kept.append(user, data, start, readable);
    return Outcome.MORE;
  }
}

/** Follows the answers of users some of whose modules tell where they end. */
export class ToldFraming extends AnswerFraming {
  readonly #parts: ConstructorParameters<typeof AnswerFraming>;
  /** As `Stages.protocolOf` has it: the protocol of those sessions. */
  readonly #protocol: number;
  readonly #answers: ToldAnswers;
  readonly #kept: AnswerOctets;

  /** @param bytesMax of an answer so many octets are kept for its module */
  constructor(
    parts: ConstructorParameters<typeof AnswerFraming>,
    host: ModuleHost,
    bytesMax: number,
  ) {
    super(...parts);
    this.#parts = parts;
    const [, stages] = parts;
    this.#protocol = stages.exchanges.protocols.indexOf(MODULE_NAME) + 1;
    this.#kept = new AnswerOctets(bytesMax);
    this.#answers = new ToldAnswers(host, bytesMax, this.#kept);
  }

  protected override framerOf(user: number, exchange: number): AnswerFramer {
    const [plays, stages] = this.#parts;
    if (stages.protocolOf(plays.session[user]) !== this.#protocol) {
      return super.framerOf(user, exchange);
    }
    this.#answers.user = user;
    return this.#answers;
  }

  override forget(user: number): void {
    super.forget(user);
    this.#kept.forget(user);
  }
}
