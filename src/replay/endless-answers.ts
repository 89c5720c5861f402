/**
 * Answers that never end, or never begin, although octets keep coming: no silence tells of them. One ends its user
 * when it has become more than twice as long as the recorded one, and goes on for the timeout and as long as the
 * recorded one took; an answer instead of which other things are said (pushes, pings), when that goes on for so
 * long once the target has the request.
 */
import type { Instant } from '../base/instant.ts';
import type { ClientStream } from '../transport/client-stream.ts';
import type { Transport } from '../transport/transport.ts';
import { NO_EXCHANGE, OpenExchanges } from './open-exchanges.ts';
import { PlayFlag, type PlayTable } from './play-table.ts';
import type { ReplayPlan } from './replay-plan.ts';
import type { Stages } from './stages.ts';

/** An answer is too long beyond so many times the recorded octets. */
const LONGER = 2;

/** Since when an answer has been waited for in vain. */
interface Wait {
  /** When its request was sent: tells it from others. */
  readonly sentNs: number;
  readonly sinceNs: number;
}

/** Looks at users whose servers speak long after their requests. */
export class EndlessAnswers {
  readonly #timeoutNs: number;
  readonly #plays: PlayTable;
  readonly #stages: Stages;
  readonly #stream: ClientStream;
  readonly #transport: Transport;
  readonly #exchanges: OpenExchanges;
  /** Only users who were found waiting so; of others an old entry may be left. */
  readonly #waits = new Map<number, Wait>();

  constructor(
    { timeoutNs }: Pick<ReplayPlan, 'timeoutNs'>,
    parts: {
      readonly plays: PlayTable;
      readonly stages: Stages;
      readonly stream: ClientStream;
      readonly transport: Transport;
    },
  ) {
    this.#timeoutNs = timeoutNs;
    this.#plays = parts.plays;
    this.#stages = parts.stages;
    this.#stream = parts.stream;
    this.#transport = parts.transport;
    this.#exchanges = new OpenExchanges(parts.plays, parts.stages);
  }

  /** Octets have come, and were judged. @returns whether the open answer has been waited for too long */
  isEndless(user: number, arrived: Instant): boolean {
    // All but few answers are over by then: no more than this is asked of each packet.
    if (arrived.ns <= this.#plays.sentNs[user] + this.#timeoutNs) return false;
    return this.#isInVain(user) && this.#isTooLate(user, arrived.ns);
  }

  /** Whether what comes is no answer, or one that should have ended. */
  #isInVain(user: number): boolean {
    const plays = this.#plays;
    const stages = this.#stages;
    const exchange = this.#exchanges.of(user);
    if (exchange === NO_EXCHANGE || !this.#exchanges.isAsked(user, exchange)) return false;
    const [session, stage] = [plays.session[user], plays.openStage[user]];
    if (!(plays.flags[user] & PlayFlag.FIRST_BYTE)) {
      const end = this.#stream.messageStart(user, stages.exchanges.message[exchange] + 1);
      return this.#transport.ackedBytes(user) >= end;
    }
    if (!stages.isLengthKnown(session) || stages.isCut(session, stage, exchange)) return false;
    const recordedBytes = Math.max(
      stages.exchanges.answerBytes[exchange],
      stages.bytesOf(session, stage),
    );
    // Of an answer that says how long it is those are the octets that are still to come.
    return plays.stageBytes[user] > LONGER * recordedBytes;
  }

  #isTooLate(user: number, arrivedNs: number): boolean {
    const sentNs = this.#plays.sentNs[user];
    const wait = this.#waits.get(user);
    if (wait === undefined || wait.sentNs !== sentNs) {
      this.#waits.set(user, { sentNs, sinceNs: arrivedNs });
      return false;
    }
    return arrivedNs > wait.sinceNs + this.#timeoutNs + this.#recordedNs(user);
  }

  /** From the recorded request to what the client did next; not accelerated. */
  #recordedNs(user: number): number {
    const stages = this.#stages;
    const session = this.#plays.session[user];
    const stage = Math.min(this.#plays.openStage[user], stages.end(session));
    if (stage === stages.first(session)) return 0;
    return Math.max(0, stages.offsetNs(session, stage) - stages.offsetNs(session, stage - 1));
  }
}
