/** Follows both streams of a stored conversation: which request is answered where. */
import {
  type AnswerFramer,
  FIRST_REQUEST,
  NEXT_REQUEST,
  NO_ANSWER,
  type RequestFramer,
} from './framer.ts';
import { MessageEnds, type StoredStream } from './message-ends.ts';
import type { FollowedProtocol } from './registry.ts';

/** A request of a conversation. */
export interface Exchange {
  /** Offset in the client's stream just past it. */
  readonly requestEnd: number;
  /** Offset in the server's stream just past its answer; -1 where that is not known. */
  readonly answerEnd: number;
  /** The protocol has no answer to it. */
  readonly isUnanswered: boolean;
}

/** The kind of what a server says first. */
const GREETING = 0;
const SWITCHING_PROTOCOLS = 101;

/** Follows requests and answers of one connection, in the order in which they belong together. */
export class Conversation {
  readonly #requests: RequestFramer;
  readonly #answers: AnswerFramer;
  readonly #hasGreeting: boolean;
  readonly #clientEnds = new MessageEnds();
  readonly #serverEnds = new MessageEnds();

  constructor(protocol: FollowedProtocol) {
    this.#requests = protocol.requests();
    this.#answers = protocol.answers();
    this.#hasGreeting = protocol.hasGreeting;
  }

  /**
   * The requests in order, up to one that cannot be followed, or behind which the connection speaks
   * another protocol.
   */
  *exchanges(client: StoredStream, server: StoredStream): Generator<Exchange, void> {
    let answered = this.endOfGreeting(server);
    let kind: number = FIRST_REQUEST;
    for (let at = 0; ; kind = NEXT_REQUEST) {
      at = this.#clientEnds.endOf(this.#requests, client, at, kind);
      if (at < 0) return;
      const { answerKind, isSwitch } = this.#requests;
      const isUnanswered = answerKind === NO_ANSWER;
      // Behind an answer without an end nobody can tell where the next one begins.
      if (answered >= 0 && !isUnanswered)
        answered = this.#endOfAnswer(server, answered, answerKind);
      yield { requestEnd: at, answerEnd: isUnanswered ? -1 : answered, isUnanswered };
      if (isSwitch || (answered >= 0 && !isUnanswered && this.#answers.isSwitch)) return;
    }
  }

  /** Whether the last answer that was found leads over to WebSocket (RFC 6455), as far as one can tell. */
  get isUpgraded(): boolean {
    return this.#answers.isSwitch && this.#answers.code === SWITCHING_PROTOCOLS;
  }

  /** Offset just past what the server says first; 0 where it waits to be asked, -1 without an end. */
  endOfGreeting(server: StoredStream): number {
    return this.#hasGreeting ? this.#endOfAnswer(server, 0, GREETING) : 0;
  }

  #endOfAnswer(server: StoredStream, start: number, kind: number): number {
    return this.#serverEnds.endOf(this.#answers, server, start, kind);
  }
}
