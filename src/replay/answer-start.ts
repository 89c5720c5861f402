/**
 * How an answer begins: whether the octets that come are one at all, and what its first octets say
 * of its status and its end.
 *
 * An exchange is answered only by octets that the server sent after it had (at least the beginning
 * of) the request: their segment acknowledges it. No clock is asked, since a capture's clock, the
 * kernel's and an intercept's differ. And an HTTP answer begins like one: whatever else comes is the
 * rest of the answer before.
 */
import { Counter } from '../measure/counters.ts';
import { Outcome } from '../protocol/framer.ts';
import { endsChunks, Http1Answers } from '../protocol/http1-answers.ts';
import type { ClientStream } from '../transport/client-stream.ts';
import type { Delivery, Transport } from '../transport/transport.ts';
import { FollowedAnswers } from './followed-answers.ts';
import { PlayFlag, type PlayTable } from './play-table.ts';
import type { Stages } from './stages.ts';

/** How a packet's payload ends, as far as it is at hand. */
export const Tail = { UNKNOWN: 0, OPEN: 1, LAST_CHUNK: 2 } as const;
export type Tail = (typeof Tail)[keyof typeof Tail];

/** `Counter.STATUS_1XX` is of class 1. */
const STATUS_COUNTER_BASE = Counter.STATUS_1XX - 1;
const STATUS_CLASSES = 5;

/** Says whether arriving octets begin the answer that is awaited. */
export class AnswerStart {
  readonly #plays: PlayTable;
  readonly #stages: Stages;
  readonly #transport: Transport;
  readonly #stream: ClientStream;
  readonly #counters: Float64Array;
  readonly #http = new Http1Answers();
  readonly #followed = new FollowedAnswers();
  /** Octets, where a framed answer lacks more than `stageBytes` can hold: those beyond it. */
  readonly #moreBytes = new Map<number, number>();

  constructor(
    plays: PlayTable,
    stages: Stages,
    transport: Transport,
    stream: ClientStream,
    counters: Float64Array,
  ) {
    this.#plays = plays;
    this.#stages = stages;
    this.#transport = transport;
    this.#stream = stream;
    this.#counters = counters;
  }

  /**
   * Octets have come to a stage that has none yet.
   * @returns how many of them, the last ones, belong to it; the others came unasked
   */
  ownBytes(user: number, delivery: Delivery): number {
    const plays = this.#plays;
    const session = plays.session[user];
    const stage = plays.openStage[user];
    if (this.#isUnasked(user, session, stage)) {
      this.#countUnasked(user);
      return 0;
    }
    const { bytes, data, payloadStart, payloadBytes, payloadCapturedBytes } = delivery;
    const isWhole = bytes >= payloadBytes && payloadCapturedBytes > 0;
    if (!isWhole || this.#stages.statusClassOf(session, stage) === 0) return bytes;
    if (this.#http.mayBegin(data, payloadStart, payloadCapturedBytes)) return bytes;
    this.#countUnasked(user);
    const skip = this.#http.findBeginning(data, payloadStart, payloadCapturedBytes);
    return skip < 0 ? 0 : bytes - skip;
  }

  #isUnasked(user: number, session: number, stage: number): boolean {
    const stages = this.#stages;
    const end = stages.end(session);
    // Beyond the script lies what is left of an answer whose end the client did not wait for.
    if (stage > end + 1) return !stages.isCut(session, end);
    if (stage === stages.first(session) || !stages.isTurn(session, stage - 1)) return false;
    if (stage === end + 1 && !stages.isAnswer(session, stage)) return false;
    // The last message that the stage answers.
    const message = Math.min(stage, end) - 1;
    return this.#transport.ackedBytes(user) <= this.#stream.messageStart(user, message);
  }

  #countUnasked(user: number): void {
    const plays = this.#plays;
    if (plays.flags[user] & PlayFlag.UNASKED) return;
    plays.flags[user] |= PlayFlag.UNASKED;
    this.#counters[Counter.EXCHANGES_UNSOLICITED]++;
  }

  /**
   * The answer to a turn begins: what do its first octets say?
   * @param ownBytes what `ownBytes` returned
   */
  read(user: number, delivery: Delivery, ownBytes: number): void {
    const plays = this.#plays;
    const stages = this.#stages;
    const session = plays.session[user];
    const stage = plays.openStage[user];
    const recordedClass = stages.statusClassOf(session, stage);
    if (!stages.isHttpAnswer(session, stage) && recordedClass === 0) return;
    // Only a packet whose payload is all new begins with the answer's first octet.
    if (delivery.bytes < delivery.payloadBytes) return;
    const skip = delivery.bytes - ownBytes;
    const start = delivery.payloadStart + skip;
    const atHand = delivery.payloadCapturedBytes - skip;
    const http = this.#http;
    http.begin(stages.requestKind(stage));
    const outcome = http.feed(delivery.data, start, atHand, ownBytes);
    this.#judgeStatus(user, http.replyClass, recordedClass);
    this.#onOutcome(user, outcome, 0);
  }

  /**
   * More of an answer has come whose end was not known yet: is it now?
   * @param delivery what has come; none of it is counted yet
   */
  follow(user: number, delivery: Delivery): void {
    if (!this.#followed.has(user)) return;
    const plays = this.#plays;
    const http = this.#http;
    this.#followed.resume(user, http);
    const isJudged = http.replyClass > 0;
    // Where part of the packet has come before, nobody says which part is new.
    const isWhole = delivery.bytes >= delivery.payloadBytes;
    const atHand = isWhole ? delivery.payloadCapturedBytes : 0;
    const outcome = http.feed(delivery.data, delivery.payloadStart, atHand, delivery.bytes);
    if (!isJudged) {
      const stage = plays.openStage[user];
      this.#judgeStatus(
        user,
        http.replyClass,
        this.#stages.statusClassOf(plays.session[user], stage),
      );
    }
    this.#onOutcome(user, outcome, plays.stageBytes[user]);
  }

  /** The server has ended its stream in the middle of a followed answer: is that the answer's end? */
  endsWithClose(user: number): boolean {
    this.#followed.resume(user, this.#http);
    this.#followed.forget(user);
    return this.#http.close() === Outcome.ENDS;
  }

  /** Whether the user is in the middle of an answer whose end its octets are going to tell. */
  isFollowed(user: number): boolean {
    return this.#followed.has(user);
  }

  /** @param before octets of the answer before those that the framer was just fed with */
  #onOutcome(user: number, outcome: Outcome, before: number): void {
    const plays = this.#plays;
    const stages = this.#stages;
    const http = this.#http;
    const session = plays.session[user];
    const stage = plays.openStage[user];
    const recordedClass = stages.statusClassOf(session, stage);
    const isHttp = stages.isHttpAnswer(session, stage);
    // The recorded client did not wait for the answer's end: neither do we.
    const isCut = stages.isCut(session, stage);
    const isChunked =
      http.isChunked || (!http.hasLength && recordedClass > 0 && stages.isChunked(stage));
    if (isChunked && !isCut) plays.flags[user] |= PlayFlag.CHUNKED;
    // A client that goes on behind such an answer has an end of it that nobody can tell.
    const isUntilClose = outcome === Outcome.UNTIL_CLOSE && stage === stages.end(session);
    if ((outcome === Outcome.MORE || isUntilClose) && isHttp && !isCut) {
      this.#followed.keep(user, http);
      return;
    }
    this.#followed.forget(user);
    // Behind a switch the other protocol may go on within the answer.
    if (outcome !== Outcome.ENDS || !isHttp || http.isSwitch) return;
    const answer = before + http.endBytes;
    const expected = stages.bytesOf(session, stage);
    if (answer > expected && isCut) return;
    plays.flags[user] &= ~PlayFlag.CHUNKED;
    plays.flags[user] |= PlayFlag.FRAMED;
    const isUnlike = answer !== expected && stages.isLengthKnown(session);
    if (isUnlike) plays.flags[user] |= PlayFlag.UNLIKE;
    this.#setMissing(user, http.endBytes);
  }

  #judgeStatus(user: number, statusClass: number, recordedClass: number): void {
    if (statusClass < 1 || statusClass > STATUS_CLASSES) return;
    this.#counters[STATUS_COUNTER_BASE + statusClass]++;
    if (recordedClass > 0 && statusClass !== recordedClass) {
      this.#plays.flags[user] |= PlayFlag.OTHER_STATUS;
    }
  }

  #setMissing(user: number, bytes: number): void {
    this.#plays.stageBytes[user] = Math.min(bytes, STAGE_BYTES_MAX);
    if (bytes > STAGE_BYTES_MAX) this.#moreBytes.set(user, bytes - STAGE_BYTES_MAX);
  }

  /**
   * Octets of a framed answer.
   * @returns how many of them lie beyond its end
   */
  take(user: number, bytes: number): number {
    const plays = this.#plays;
    const missing = plays.stageBytes[user];
    if (bytes < missing) {
      plays.stageBytes[user] = missing - bytes;
      return 0;
    }
    const more = this.#moreBytes.get(user);
    if (more === undefined) {
      plays.stageBytes[user] = 0;
      return bytes - missing;
    }
    this.#moreBytes.delete(user);
    this.#setMissing(user, more);
    return this.take(user, bytes - missing);
  }

  /** Of an answer in chunks: how the packet at hand ends. */
  tailOf(delivery: Delivery): Tail {
    const { data, payloadStart, payloadBytes, payloadCapturedBytes, bytes } = delivery;
    if (payloadCapturedBytes < payloadBytes || bytes > payloadBytes) return Tail.UNKNOWN;
    return endsChunks(data, payloadStart, payloadBytes) ? Tail.LAST_CHUNK : Tail.OPEN;
  }

  /** The user has ended, or its answer is none. */
  forget(user: number): void {
    this.#moreBytes.delete(user);
    this.#followed.forget(user);
  }
}

/** The column has 32 bits. */
const STAGE_BYTES_MAX = 0xffff_ffff;
