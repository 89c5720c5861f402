/**
 * Follows the answers of a thread's users to their ends, by the framers of their protocols: octets in,
 * in order, and what they make of the answer that is open.
 */
import { Counter } from '../measure/counters.ts';
import { type AnswerFramer, Outcome } from '../protocol/framer.ts';
import {
  CONTINUE,
  endsChunks,
  Http1Answers,
  SWITCHING_PROTOCOLS,
} from '../protocol/http1-answers.ts';
import { HttpRequestKind } from '../protocol/http1-message.ts';
import { followedProtocol } from '../protocol/registry.ts';
import { WebSocketMessages } from '../protocol/websocket.ts';
import type { Delivery } from '../transport/transport.ts';
import { bodyDigest } from './blanked-digest.ts';
import { OpenBodies } from './body-digest.ts';
import type { BrokenAnswers } from './broken-answers.ts';
import { ExchangeMark } from './exchange-columns.ts';
import type { ExchangeRecorder, Verdict } from './exchange-recorder.ts';
import { OpenAnswers } from './open-answers.ts';
import { NO_EXCHANGE, type OpenExchanges } from './open-exchanges.ts';
import { PlayFlag, type PlayTable } from './play-table.ts';
import type { Stages } from './stages.ts';

/** How a packet's payload ends, as far as it is at hand. */
export const Tail = { UNKNOWN: 0, OPEN: 1, LAST_CHUNK: 2 } as const;
export type Tail = (typeof Tail)[keyof typeof Tail];

/** `Counter.STATUS_1XX` is of class 1. */
const STATUS_COUNTER_BASE = Counter.STATUS_1XX - 1;
/** The column has 32 bits. */
const STAGE_BYTES_MAX = 0xffff_ffff;
/** A server's first words answer nothing. */
const GREETING = 0;

/** Makes one. */
export type FramingOf = (...parts: ConstructorParameters<typeof AnswerFraming>) => AnswerFraming;

/** The framers of a thread, and where they are in users' answers. */
export class AnswerFraming {
  /** Of the last `feed` that found an end: octets of the delivery from where it began to that end. */
  endBytes = 0;
  /** Users amid an answer, or amid what may become one. */
  readonly open = new OpenAnswers();
  #isLast = false;
  readonly #plays: PlayTable;
  readonly #stages: Stages;
  readonly #exchanges: OpenExchanges;
  readonly #counters: Float64Array;
  readonly #verdict: Verdict;
  readonly #broken: BrokenAnswers;
  readonly #framers: (AnswerFramer | undefined)[] = [];
  readonly #messages = new WebSocketMessages();
  /** Null where bodies are not compared. */
  readonly #bodies: OpenBodies | null;
  /** Octets, where an answer lacks more than `stageBytes` can hold: those beyond it. */
  readonly #moreBytes = new Map<number, number>();

  constructor(
    plays: PlayTable,
    stages: Stages,
    exchanges: OpenExchanges,
    { counters, verdict }: Pick<ExchangeRecorder, 'counters' | 'verdict'>,
    broken: BrokenAnswers,
  ) {
    this.#broken = broken;
    this.#plays = plays;
    this.#stages = stages;
    this.#exchanges = exchanges;
    this.#counters = counters;
    this.#verdict = verdict;
    const { bodyDigests, bodyIgnored } = stages.exchanges;
    this.#bodies = bodyDigests === undefined ? null : new OpenBodies(() => bodyDigest(bodyIgnored));
  }

  /** Whether the open answer is to be followed. */
  mayFollow(user: number): boolean {
    const plays = this.#plays;
    const session = plays.session[user];
    // Of most that cannot be followed nothing can: that is asked once a packet.
    if (this.#stages.isUnread(session) || plays.flags[user] & PlayFlag.UNFOLLOWED) return false;
    const exchange = this.#exchanges.of(user);
    if (exchange !== NO_EXCHANGE) return this.#stages.isFollowed(exchange);
    const stage = plays.openStage[user];
    return this.#stages.isGreeting(session, stage) || this.#stages.isLeave(session, stage);
  }

  /** What the framer is told of an answer to nothing: a server's first words, or leave to go on. */
  #kindOfStage(user: number): number {
    const { session, openStage } = this.#plays;
    return this.#stages.isLeave(session[user], openStage[user]) ? HttpRequestKind.BEGUN : GREETING;
  }

  /**
   * The open answer's next octets: those of the delivery from `at` on.
   * @returns MORE: all of them are the answer's; ENDS: it ends `endBytes` on; LOST: nobody can say.
   *   Of a broken answer (`broken`), whose user ends, MORE
   */
  feed(user: number, delivery: Delivery, at: number): Outcome {
    const exchange = this.#exchanges.of(user);
    const framer = this.framerOf(user, exchange);
    const wasOpen = this.open.has(user);
    if (wasOpen) this.open.resume(user, framer);
    else {
      const kind =
        exchange === NO_EXCHANGE ? this.#kindOfStage(user) : this.#stages.exchanges.kind[exchange];
      framer.begin(kind);
      this.#bodies?.begin(user);
    }
    const isJudged = framer.replyClass > 0;
    const bytes = delivery.bytes - at;
    const atHand = Math.max(0, delivery.atHandBytes - at);
    const outcome =
      this.#bodies === null
        ? framer.feed(delivery.data, delivery.dataStart + at, atHand, bytes)
        : this.#bodies.feed(user, framer, delivery, at);
    const isHttp = framer instanceof Http1Answers;
    if (isHttp && !isJudged && framer.replyClass > 0) {
      this.#counters[STATUS_COUNTER_BASE + framer.replyClass]++;
    }
    const isCut = this.#isCut(user, exchange);
    if (outcome === Outcome.ENDS) {
      const isEarly = exchange === NO_EXCHANGE && isHttp && framer.code !== CONTINUE;
      if (isEarly) return this.#passLeave(user, framer, wasOpen);
      const whole = this.#plays.stageBytes[user] + framer.endBytes;
      // The recorded client did not wait for the answer's end: neither do we.
      if (isCut && whole > this.#stages.exchanges.answerBytes[exchange])
        return this.#lose(user, framer);
      if (isHttp && exchange !== NO_EXCHANGE) this.#doubtSwitch(user, exchange, framer);
      this.endBytes = framer.endBytes;
      if (framer.endBytes > bytes) this.open.keep(user, framer, whole);
      else this.#end(user, framer, whole);
      return Outcome.ENDS;
    }
    // A client that goes on behind an answer without an end has one that nobody can tell.
    const isLast = this.#plays.openStage[user] === this.#stages.end(this.#plays.session[user]);
    const isFollowed = outcome === Outcome.MORE || (outcome === Outcome.UNTIL_CLOSE && isLast);
    if (isFollowed && !isCut) {
      this.open.keep(user, framer, 0);
      return Outcome.MORE;
    }
    if (!isCut) {
      const isRuled = exchange === NO_EXCHANGE || this.#stages.isRuled(exchange);
      const isBroken = outcome === Outcome.LOST && isRuled && !framer.isNegotiated;
      if (isBroken && this.#broken.breakBy(user, framer.fault)) return Outcome.MORE;
      this.#counters[Counter.ANSWERS_UNFOLLOWED]++;
    }
    return this.#lose(user, framer);
  }

  /** Behind an upgrade that only the recording has, or only this answer, another protocol is spoken. */
  #doubtSwitch(user: number, exchange: number, framer: AnswerFramer): void {
    const recorded = this.#stages.codeOf(exchange);
    if (recorded === framer.code) return;
    if (framer.isSwitch || recorded === SWITCHING_PROTOCOLS) this.#broken.doubt(user);
  }

  /**
   * Instead of leave to go on the answer itself has come: it is that of the next stage, all of it.
   * @param wasOpen whether some of its octets came before
   */
  #passLeave(user: number, framer: AnswerFramer, wasOpen: boolean): Outcome {
    if (wasOpen) return this.#lose(user, framer);
    this.endBytes = 0;
    return Outcome.ENDS;
  }

  /** The one that follows the user's answers; to an exchange, or to nothing (NO_EXCHANGE). */
  protected framerOf(user: number, exchange: number): AnswerFramer {
    if (exchange !== NO_EXCHANGE && this.#stages.isMessage(exchange)) return this.#messages;
    const number = this.#stages.protocolOf(this.#plays.session[user]);
    let framer = this.#framers[number];
    if (framer === undefined) {
      const protocol = followedProtocol(this.#stages.exchanges.protocols[number - 1]);
      framer = protocol?.answers() ?? new Http1Answers();
      this.#framers[number] = framer;
    }
    return framer;
  }

  #isCut(user: number, exchange: number): boolean {
    const plays = this.#plays;
    if (exchange === NO_EXCHANGE) return false;
    return this.#stages.isCut(plays.session[user], plays.openStage[user], exchange);
  }

  /** The answer's end is told by other rules; what it has said until now counts. */
  #lose(user: number, framer: AnswerFramer): Outcome {
    const plays = this.#plays;
    const { marks, answerEnd } = this.#stages.exchanges;
    const exchange = this.#exchanges.of(user);
    if (framer.replyClass > 0) this.open.keep(user, framer, 0);
    else this.open.forget(user);
    plays.flags[user] |= PlayFlag.UNFOLLOWED;
    this.#broken.doubt(user);
    if (exchange === NO_EXCHANGE) return Outcome.LOST;
    const isHttp = framer instanceof Http1Answers;
    const isChunkedAnswer = isHttp && framer.isChunked;
    const wasChunked =
      isHttp && !framer.hasLength && (marks[exchange] & ExchangeMark.CHUNKED) !== 0;
    const isCut = this.#isCut(user, exchange);
    if ((isChunkedAnswer || wasChunked) && !isCut) plays.flags[user] |= PlayFlag.CHUNKED;
    // From here on the stage's octets are counted, those of the answers before it as recorded.
    if (plays.answered.has(user)) plays.stageBytes[user] += answerEnd[exchange - 1];
    return Outcome.LOST;
  }

  /** What the answer that is over said: put down in the verdict. */
  #judge(user: number, framer: AnswerFramer, bytes: number): void {
    const verdict = this.#verdict;
    verdict.replyClass = framer.replyClass;
    verdict.code = framer.code;
    verdict.bytes = bytes;
    verdict.isFollowed = true;
    verdict.body = this.#bodies === null ? null : this.#bodies.finished(user);
  }

  /** A followed answer, whose end was told before it came, is over: what did it say? */
  judgeFramed(user: number): void {
    const framer = this.framerOf(user, this.#exchanges.of(user));
    this.#end(user, framer, this.open.resume(user, framer));
  }

  /** A followed answer is over, to its end. */
  #end(user: number, framer: AnswerFramer, bytes: number): void {
    this.#judge(user, framer, bytes);
    if (!framer.endsConnection) return;
    const exchange = this.#exchanges.of(user);
    // A recorded client that went on in spite of it is one that does.
    this.#isLast ||= exchange !== NO_EXCHANGE && !this.#stages.closes(exchange);
  }

  /** Whether an answer has said, unlike the recorded one, that no other will follow it; told once. */
  takeLast(): boolean {
    const isLast = this.#isLast;
    this.#isLast = false;
    return isLast;
  }

  /** An answer is over by another rule: what is known of it? @param bytes that have come of it */
  judgeUnfollowed(user: number, bytes: number): void {
    const verdict = this.#verdict;
    if (this.#stages.protocolOf(this.#plays.session[user]) > 0) {
      this.#countUnfollowed(user);
      this.#broken.doubt(user);
    }
    verdict.replyClass = 0;
    verdict.code = 0;
    if (this.open.has(user)) {
      const framer = this.framerOf(user, this.#exchanges.of(user));
      this.open.resume(user, framer);
      this.#judge(user, framer, bytes);
    }
    verdict.bytes = bytes;
    verdict.isFollowed = false;
    verdict.body = null;
  }

  /** In a followed protocol some answers cannot be: behind compression, or an upgrade to something unknown. */
  #countUnfollowed(user: number): void {
    const exchange = this.#exchanges.of(user);
    if (exchange === NO_EXCHANGE || this.#stages.isFollowed(exchange)) return;
    if (this.#stages.isStoodIn(exchange)) return;
    this.#counters[Counter.ANSWERS_UNFOLLOWED]++;
  }

  /** Whether the user is in the middle of an answer whose end its octets are going to tell. */
  isFollowed(user: number): boolean {
    return (this.#plays.flags[user] & PlayFlag.UNFOLLOWED) === 0 && this.open.has(user);
  }

  /** The server has ended its stream in the middle of a followed answer: is that the answer's end? */
  endsWithClose(user: number): boolean {
    const framer = this.framerOf(user, this.#exchanges.of(user));
    this.open.resume(user, framer);
    if (framer.close() !== Outcome.ENDS) return false;
    this.#judge(user, framer, this.#plays.stageBytes[user]);
    return true;
  }

  /** The open answer ends when so many octets have come. */
  setMissing(user: number, bytes: number): void {
    this.#plays.stageBytes[user] = Math.min(bytes, STAGE_BYTES_MAX);
    if (bytes > STAGE_BYTES_MAX) this.#moreBytes.set(user, bytes - STAGE_BYTES_MAX);
  }

  /**
   * Octets of an answer whose end is known: those of the delivery from `at` on.
   * @returns how many of them lie beyond its end; -1 while it has not come
   */
  take(user: number, delivery: Delivery, at: number): number {
    const bytes = delivery.bytes - at;
    const beyond = this.#takeOff(user, bytes);
    this.#bodies?.add(user, delivery, at, bytes - Math.max(0, beyond));
    return beyond;
  }

  #takeOff(user: number, bytes: number): number {
    const plays = this.#plays;
    const missing = plays.stageBytes[user];
    if (bytes < missing) {
      plays.stageBytes[user] = missing - bytes;
      return -1;
    }
    const more = this.#moreBytes.get(user);
    if (more === undefined) {
      plays.stageBytes[user] = 0;
      return bytes - missing;
    }
    this.#moreBytes.delete(user);
    this.setMissing(user, more);
    return this.#takeOff(user, bytes - missing);
  }

  /** Of an answer in chunks: how the packet at hand ends. */
  tailOf(delivery: Delivery): Tail {
    const { data, dataStart, atHandBytes, bytes } = delivery;
    if (atHandBytes < bytes) return Tail.UNKNOWN;
    return endsChunks(data, dataStart, bytes) ? Tail.LAST_CHUNK : Tail.OPEN;
  }

  /** The user's answer is over, or is none. */
  forget(user: number): void {
    if (this.#moreBytes.size > 0) this.#moreBytes.delete(user);
    this.open.forget(user);
    this.#bodies?.forget(user);
  }
}
