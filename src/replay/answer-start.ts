/**
 * How an answer begins: whether the octets that come are one at all.
 *
 * An exchange is answered only by octets that the server sent after it had (at least the beginning
 * of) the request: their segment acknowledges it. No clock is asked, since a capture's clock, the
 * kernel's and an intercept's differ. And an HTTP answer begins like one: whatever else comes is the
 * rest of the answer before.
 */
import { Counter } from '../measure/counters.ts';
import { Fault } from '../protocol/framer.ts';
import { Http1Answers } from '../protocol/http1-answers.ts';
import { octetsOf } from '../protocol/octets.ts';
import type { ClientStream } from '../transport/client-stream.ts';
import type { Delivery, Transport } from '../transport/transport.ts';
import type { BrokenAnswers } from './broken-answers.ts';
import type { ExchangeRecorder } from './exchange-recorder.ts';
import type { OpenAnswers } from './open-answers.ts';
import { NO_EXCHANGE, type OpenExchanges } from './open-exchanges.ts';
import { PlayFlag, type PlayTable } from './play-table.ts';
import { Pushes } from './pushes.ts';
import type { Stages } from './stages.ts';

const CR = 0x0d;
const LF = 0x0a;
const TIMEOUT = octetsOf('HTTP/1.1 408');
const MINOR_VERSION_AT = 'HTTP/1.'.length;

/** What says where answers begin. */
interface StartParts {
  readonly transport: Transport;
  readonly stream: ClientStream;
  readonly open: OpenAnswers;
  readonly broken: BrokenAnswers;
  readonly recorder: ExchangeRecorder;
}

/** Says whether arriving octets begin the answer that is awaited. */
export class AnswerStart {
  /** Of the last `find`: whether the recorder has been told of the first octet of the answer that begins. */
  hasToldFirst = false;
  readonly #plays: PlayTable;
  readonly #stages: Stages;
  readonly #exchanges: OpenExchanges;
  readonly #transport: Transport;
  readonly #stream: ClientStream;
  readonly #counters: Float64Array;
  readonly #pushes: Pushes;
  readonly #broken: BrokenAnswers;
  readonly #http = new Http1Answers();

  constructor(plays: PlayTable, stages: Stages, exchanges: OpenExchanges, parts: StartParts) {
    this.#plays = plays;
    this.#pushes = new Pushes(plays, stages, exchanges, parts.open, parts.recorder);
    this.#stages = stages;
    this.#exchanges = exchanges;
    this.#transport = parts.transport;
    this.#stream = parts.stream;
    this.#counters = parts.recorder.counters;
    this.#broken = parts.broken;
  }

  /**
   * Octets have come to an answer, or a stage, that has none yet.
   * @param at how many of the delivery's octets belong to what was before
   * @returns how many of its octets lie before the answer; all, where they came unasked
   */
  find(user: number, delivery: Delivery, at: number): number {
    const exchange = this.#exchanges.of(user);
    this.hasToldFirst = exchange !== NO_EXCHANGE && this.#stages.isAmidPushes(exchange);
    if (this.hasToldFirst) {
      return this.#pushes.skip(user, delivery, at, !this.#isUnasked(user, exchange));
    }
    if (this.#isUnasked(user, exchange)) {
      if (this.#isExcess(user, exchange, delivery, at)) this.#broken.breakByExcess();
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
    if (this.#isGarbage(exchange, delivery.data, start, atHand)) {
      if (this.#broken.breakBy(user, Fault.MALFORMED)) return delivery.bytes;
    }
    this.#countUnasked(user);
    const skip = this.#http.findBeginning(delivery.data, start, atHand);
    return skip < 0 ? delivery.bytes : at + skip;
  }

  /** The user has ended. */
  forget(user: number): void {
    this.#pushes.forget(user);
  }

  /** Whether octets at which a followed answer has to begin are none of HTTP's. */
  #isGarbage(exchange: number, data: DataView, start: number, bytes: number): boolean {
    if (!this.#stages.isRuled(exchange)) return false;
    const blank = lineEnds(data, start, bytes);
    return blank < bytes && !this.#http.mayBegin(data, start + blank, bytes - blank);
  }

  /**
   * Whether octets that came unasked lie behind an HTTP answer's end, so that nobody can say any more whose
   * the next ones are: clients are to close there (RFC 9112, section 9.2). A server may say that it
   * has waited too long (RFC 9110, section 15.5.9), and closes.
   */
  #isExcess(user: number, exchange: number, delivery: Delivery, at: number): boolean {
    const stages = this.#stages;
    const session = this.#plays.session[user];
    if (this.#plays.flags[user] & PlayFlag.UNASKED) return false;
    if (exchange === NO_EXCHANGE || !stages.isHttp(session) || !stages.isRuled(exchange))
      return false;
    const isFirst = exchange === stages.firstExchange(session, stages.first(session));
    if (isFirst || !this.#broken.isCertain(user)) return false;
    const { data } = delivery;
    const start = delivery.dataStart + at;
    const atHand = Math.max(0, delivery.atHandBytes - at);
    const blank = lineEnds(data, start, atHand);
    if (blank === delivery.bytes - at) return false;
    return !mayBeTimeout(data, start + blank, atHand - blank);
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
    // A server that may speak of its own accord says what it likes.
    if (this.#stages.isPushed(plays.session[user]) || this.#isAskedLast(user)) return;
    plays.flags[user] |= PlayFlag.UNASKED;
    this.#counters[Counter.EXCHANGES_UNSOLICITED]++;
  }

  /** Whether the server has been told the client's last words, which the recorded one did not answer: a goodbye. */
  #isAskedLast(user: number): boolean {
    const stages = this.#stages;
    const session = this.#plays.session[user];
    const first = stages.first(session);
    const end = stages.end(session);
    if (end === first || this.#plays.openStage[user] <= stages.lastAwaited(session)) return false;
    const last = stages.lastExchange(session, end + 1) - 1;
    const isAnswered =
      last >= stages.firstExchange(session, first) && stages.exchanges.message[last] === end - 1;
    if (isAnswered) return false;
    return this.#transport.ackedBytes(user) > this.#stream.messageStart(user, end - 1);
  }
}

/** How many octets of line ends lie in front. */
function lineEnds(data: DataView, start: number, bytes: number): number {
  let count = 0;
  while (count < bytes && isLineEnd(data.getUint8(start + count))) count++;
  return count;
}

const isLineEnd = (octet: number): boolean => octet === CR || octet === LF;

/** Whether the octets begin a 408, as far as they go. */
function mayBeTimeout(data: DataView, start: number, bytes: number): boolean {
  const count = Math.min(bytes, TIMEOUT.length);
  for (let i = 0; i < count; i++) {
    if (i !== MINOR_VERSION_AT && data.getUint8(start + i) !== TIMEOUT[i]) return false;
  }
  return true;
}
