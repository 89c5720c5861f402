/**
 * The stages of the server's stream: which one is open, when it is complete, and what that says of
 * the exchange whose answer it is. A closed loop has one exchange open at a time; an open loop may
 * have several, whose answers come one after another.
 */
import { Instant } from '../base/instant.ts';
import { Counter } from '../measure/counters.ts';
import { Outcome } from '../protocol/framer.ts';
import type { ClientStream } from '../transport/client-stream.ts';
import type { Delivery, Transport } from '../transport/transport.ts';
import { AnswerFraming, type FramingOf, Tail } from './answer-framing.ts';
import { AnswerStart } from './answer-start.ts';
import { BrokenAnswers } from './broken-answers.ts';
import type { ExchangeRecorder } from './exchange-recorder.ts';
import { NO_EXCHANGE, type OpenExchanges } from './open-exchanges.ts';
import type { Pacer } from './pacer.ts';
import { OF_OPEN_ANSWER, OF_OPEN_STAGE, PlayFlag, type PlayTable } from './play-table.ts';
import { Silences } from './silences.ts';
import type { Stages } from './stages.ts';

/** Says when stages are complete, and records latencies. */
export class Answers {
  readonly silences: Silences;
  /** Whether the last `onData` has shown the user an answer that breaks its protocol's rules. */
  readonly broken = new BrokenAnswers();
  /** Where in the delivery at hand the open answer begins: known at its first octets. */
  protected begunAt = 0;
  readonly #plays: PlayTable;
  readonly #start: AnswerStart;
  readonly framing: AnswerFraming;
  protected readonly exchanges: OpenExchanges;
  readonly #recorder: ExchangeRecorder;
  readonly #stages: Stages;
  readonly #pacer: Pacer;
  /** Where nothing more came: when the last octet had. */
  readonly #lastCame = new Instant();

  constructor(
    plays: PlayTable,
    transport: Transport,
    stream: ClientStream,
    stages: Stages,
    pacer: Pacer,
    recorder: ExchangeRecorder,
    exchanges: OpenExchanges,
    framingOf: FramingOf = (...parts) => new AnswerFraming(...parts),
  ) {
    this.#plays = plays;
    this.silences = new Silences(plays, stages, transport);
    this.exchanges = exchanges;
    this.#recorder = recorder;
    this.framing = framingOf(plays, stages, exchanges, recorder, this.broken);
    const { framing, broken } = this;
    const parts = { transport, stream, open: framing.open, broken, recorder };
    this.#start = new AnswerStart(plays, stages, exchanges, parts);
    this.#stages = stages;
    this.#pacer = pacer;
  }

  /** The user starts: the stage before its first step is open, unless that has nothing to hold. */
  onStart(user: number): void {
    const plays = this.#plays;
    const session = plays.session[user];
    const first = this.#stages.first(session);
    plays.openStage[user] = first;
    plays.stageBytes[user] = 0;
    if (this.#stages.bytesOf(session, first) === 0) this.openNext(user);
  }

  /** The user has ended. */
  forget(user: number): void {
    this.exchanges.forget(user);
    this.framing.forget(user);
    this.#start.forget(user);
    this.broken.forget(user);
  }

  /** Whether every exchange of the script is answered. */
  isAllAnswered(user: number): boolean {
    return this.#plays.openStage[user] > this.#stages.lastAwaited(this.#plays.session[user]);
  }

  // ---- octets -----------------------------------------------------------------------------

  /** Octets of the server's stream have come in: of one answer, or of several. */
  onData(user: number, delivery: Delivery): void {
    this.#plays.flags[user] &= ~PlayFlag.QUIET;
    for (let at = 0; at < delivery.bytes; ) at = this.take(user, delivery, at);
  }

  /** Octets of a delivery from `at` on. @returns up to where they were taken */
  protected take(user: number, delivery: Delivery, at: number): number {
    const plays = this.#plays;
    const { bytes, arrived } = delivery;
    if (plays.flags[user] & PlayFlag.FRAMED) {
      const beyond = this.framing.take(user, delivery, at);
      if (beyond < 0) return bytes;
      this.framing.judgeFramed(user);
      this.#onAnswerEnd(user, Counter.ANSWER_BY_PROTOCOL, arrived);
      return bytes - beyond;
    }
    let start = at;
    if (!(plays.flags[user] & PlayFlag.FIRST_BYTE)) {
      if (plays.flags[user] & PlayFlag.UNFOLLOWED) {
        // The answer before ended as recorded, and where a packet does: the next one is followed again.
        plays.stageBytes[user] = 0;
        plays.flags[user] &= ~OF_OPEN_STAGE;
      }
      start = this.#start.find(user, delivery, at);
      this.begunAt = start;
      if (start >= bytes) return bytes;
      this.#onFirstByte(user, arrived, this.#start.hasToldFirst);
    }
    if (!this.framing.mayFollow(user)) return this.#count(user, delivery, start);
    switch (this.framing.feed(user, delivery, start)) {
      case Outcome.MORE:
        plays.stageBytes[user] += bytes - start;
        return bytes;
      case Outcome.ENDS:
        return this.#onEndTold(user, delivery, start);
      default:
        return this.#count(user, delivery, start);
    }
  }

  /** The framer has told where the open answer ends: in this delivery, or later. */
  #onEndTold(user: number, delivery: Delivery, start: number): number {
    const end = start + this.framing.endBytes;
    if (end > delivery.bytes) {
      this.#plays.flags[user] |= PlayFlag.FRAMED;
      this.framing.setMissing(user, end - delivery.bytes);
      return delivery.bytes;
    }
    this.#onAnswerEnd(user, Counter.ANSWER_BY_PROTOCOL, delivery.arrived);
    return end;
  }

  /** A followed answer is over, and the verdict says what it was. */
  #onAnswerEnd(user: number, rule: number, arrived: Instant): void {
    const plays = this.#plays;
    const exchange = this.exchanges.of(user);
    if (exchange !== NO_EXCHANGE) {
      if (!this.exchanges.isAsked(user, exchange)) this.#recorder.onSent(exchange, exchange + 1);
      this.#recorder.onAnswered(user, exchange, rule, arrived);
    }
    plays.stageBytes[user] = 0;
    plays.flags[user] &= ~OF_OPEN_ANSWER;
    this.framing.forget(user);
    if (exchange === NO_EXCHANGE || !this.exchanges.advance(user, exchange)) {
      this.endStage(user, arrived);
    }
  }

  #onFirstByte(user: number, arrived: Instant, isToldOf: boolean): void {
    this.#plays.flags[user] |= PlayFlag.FIRST_BYTE;
    const exchange = this.exchanges.of(user);
    if (exchange === NO_EXCHANGE || isToldOf) return;
    const isAsked = this.exchanges.isAsked(user, exchange);
    if (isAsked || this.framing.mayFollow(user)) this.#recorder.onFirstByte(user, arrived);
  }

  /** Octets of a stage that nobody follows. */
  #count(user: number, delivery: Delivery, start: number): number {
    const { bytes, arrived, isPushed } = delivery;
    this.#fill(user, bytes - start, arrived);
    const isChunked = (this.#plays.flags[user] & PlayFlag.CHUNKED) !== 0;
    const tail = isChunked ? this.framing.tailOf(delivery) : Tail.UNKNOWN;
    const beyond = this.#judge(user, isPushed, arrived, tail);
    // Of what came before this delivery nothing is at hand any more.
    return bytes - Math.min(beyond, bytes - start);
  }

  /**
   * Whether octets beyond the open stage belong to the next one: both sides were talking, more has
   * been asked already (open loop), or the client did not wait for the answer's end.
   */
  #isShared(user: number): boolean {
    const plays = this.#plays;
    const stage = plays.openStage[user];
    const session = plays.session[user];
    if (plays.nextStep[user] > stage || !this.#stages.isTurn(session, stage)) return true;
    return stage === this.#stages.end(session) && this.#stages.isEndWithin(session);
  }

  /** More octets of the open stage; of pipelined requests each has an exchange of its own. */
  #fill(user: number, bytes: number, arrived: Instant): void {
    const plays = this.#plays;
    const exchanges = this.exchanges;
    const after = plays.stageBytes[user] + bytes;
    plays.stageBytes[user] = after;
    for (let exchange = exchanges.of(user); exchanges.isAsked(user, exchange); exchange++) {
      const end = this.#stages.exchanges.answerEnd[exchange];
      if (after < end || exchange + 1 === exchanges.lastOf(user)) return;
      this.#recordCounted(user, exchange, Counter.ANSWER_BY_LENGTH, arrived);
      exchanges.advance(user, exchange);
      if (end < after) this.#recorder.onFirstByte(user, arrived);
      else plays.flags[user] &= ~PlayFlag.FIRST_BYTE;
    }
  }

  /** An exchange is answered as far as its recorded length, or something else than it, says. */
  #recordCounted(user: number, exchange: number, rule: number, done: Instant): void {
    const isLast = exchange + 1 === this.exchanges.lastOf(user);
    const { answerBytes } = this.#stages.exchanges;
    const bytes = isLast ? this.#lastBytes(user, exchange) : answerBytes[exchange];
    this.framing.judgeUnfollowed(user, bytes);
    this.framing.forget(user);
    this.#recorder.onAnswered(user, exchange, rule, done);
  }

  /** Octets of a stage's last answer, which nobody follows: what has come but for the answers before it. */
  #lastBytes(user: number, exchange: number): number {
    const plays = this.#plays;
    const { answerBytes, answerEnd } = this.#stages.exchanges;
    const expected = this.#stages.bytesOf(plays.session[user], plays.openStage[user]);
    const got = plays.stageBytes[user];
    // What lies beyond a stage that is shared belongs to the next one.
    const own = this.#isShared(user) ? Math.min(got, expected) : got;
    return Math.max(0, own - (answerEnd[exchange] - answerBytes[exchange]));
  }

  /** Whether the open stage is the answer to a turn that has been sent. */
  #isTurnOpen(user: number): boolean {
    return this.exchanges.isAsked(user, this.exchanges.of(user));
  }

  /** Whether the user waits for something that the server is to say. */
  isExpecting(user: number): boolean {
    if (this.#expectedBytes(user) > 0 || this.#isTurnOpen(user)) return true;
    return (this.#plays.flags[user] & PlayFlag.DIALOGUE) !== 0;
  }

  /** Octets that the open stage should have; 0 when nothing is expected now. */
  #expectedBytes(user: number): number {
    const plays = this.#plays;
    const session = plays.session[user];
    const stage = plays.openStage[user];
    if (stage > this.#stages.end(session) + 1 || stage > plays.nextStep[user]) return 0;
    return this.#stages.bytesOf(session, stage);
  }

  /** The user's script has gone on: what the server said before may be all that it waits for. */
  judgeAgain(user: number): void {
    const plays = this.#plays;
    if (plays.stageBytes[user] === 0 || this.framing.mayFollow(user)) return;
    for (let beyond = this.#judge(user, false, plays.now); beyond > 0; ) {
      this.#onFirstByte(user, plays.now, false);
      plays.flags[user] |= PlayFlag.UNFOLLOWED;
      this.#fill(user, beyond, plays.now);
      beyond = this.#judge(user, false, plays.now);
    }
  }

  /**
   * Is the open stage complete, which nobody follows? It is when it has the recorded length; when it
   * is longer, at a push; when it is shorter, or no push comes, after a while of quiet. Where both
   * sides were talking pushes mean nothing and the length alone counts. In chunks it is complete at the
   * last one, where that is at hand; a push says nothing there. Where the server was not captured its
   * length is none to go by, and a while of quiet behind a push must do.
   * @returns octets that belong to what comes next
   */
  #judge(user: number, isPushed: boolean, arrived: Instant, tail: Tail = Tail.UNKNOWN): number {
    const plays = this.#plays;
    const expected = this.#expectedBytes(user);
    const got = plays.stageBytes[user];
    if (expected === 0 || got === 0) return 0;
    const isShared = this.#isShared(user);
    const isChunked = !isShared && (plays.flags[user] & PlayFlag.CHUNKED) !== 0;
    if (isChunked && tail === Tail.LAST_CHUNK) {
      this.#complete(user, Counter.ANSWER_BY_PROTOCOL, arrived, arrived);
      return 0;
    }
    const isKnown = isShared || this.#stages.isLengthKnown(plays.session[user]);
    const isComplete = isChunked
      ? isKnown && got === expected && tail === Tail.UNKNOWN
      : isKnown && (got === expected || (got > expected && (isPushed || isShared)));
    if (!isComplete) {
      if (isPushed || got > expected) plays.flags[user] |= PlayFlag.QUIET;
      return 0;
    }
    this.#complete(user, Counter.ANSWER_BY_LENGTH, arrived, arrived);
    return isShared ? got - expected : 0;
  }

  /**
   * The open stage, which nobody follows, is over.
   * @param rule the counter of the rule by which that was seen, @param done when its last octet came
   * @param seen when it was seen to be over: the next step's think time begins here
   */
  #complete(user: number, rule: number, done: Instant, seen: Instant): void {
    if (this.#isTurnOpen(user)) {
      // Of pipelined requests those that have not been answered yet are so now, all at once.
      for (let exchange = this.exchanges.of(user); this.exchanges.isAsked(user, exchange); ) {
        this.#recordCounted(user, exchange, rule, done);
        if (!this.exchanges.advance(user, exchange)) break;
        exchange++;
      }
    }
    this.endStage(user, seen);
  }

  /** The open stage is over. @param seen as in `#complete` */
  protected endStage(user: number, seen: Instant): void {
    const plays = this.#plays;
    const stage = plays.openStage[user];
    plays.stageBytes[user] = 0;
    plays.flags[user] &= ~OF_OPEN_STAGE;
    this.framing.forget(user);
    this.openNext(user);
    this.exchanges.onStage(user);
    if (!this.#pacer.isOpenLoop && plays.nextStep[user] === stage)
      this.#pacer.onTrigger(user, seen);
  }

  /** The next stage that holds something is open. */
  protected openNext(user: number): void {
    const plays = this.#plays;
    const session = plays.session[user];
    const last = this.#stages.end(session) + 1;
    let stage = plays.openStage[user] + 1;
    while (stage <= last && this.isNothing(user, session, stage)) stage++;
    plays.openStage[user] = stage;
  }

  /** Whether nobody waits for a stage. */
  protected isNothing(_user: number, session: number, stage: number): boolean {
    return this.#stages.bytesOf(session, stage) === 0;
  }

  /** How many exchanges of the user's script are not to be answered. */
  leftOut(_user: number): number {
    return 0;
  }

  /**
   * The server has ended its stream: what it had begun to say is all there is.
   * @returns whether the script waits for nothing more of it, though some may still have to be asked
   */
  onPeerFin(user: number, arrived: Instant): boolean {
    const plays = this.#plays;
    const [session, stage] = [plays.session[user], plays.openStage[user]];
    plays.flags[user] &= ~PlayFlag.QUIET;
    if ((plays.flags[user] & PlayFlag.FRAMED) !== 0 || this.framing.isFollowed(user)) {
      // An answer that says how long it is, and is cut short, is none.
      const isEnd = !(plays.flags[user] & PlayFlag.FRAMED) && this.framing.endsWithClose(user);
      if (isEnd) this.#onAnswerEnd(user, Counter.ANSWER_BY_CLOSE, arrived);
    } else if (this.exchanges.isUnasked(user)) {
      // It answers nothing before its request is out (`judgeAgain`).
      return plays.stageBytes[user] >= this.#stages.bytesFrom(session, stage);
    } else if (stage <= this.#stages.end(session) && plays.stageBytes[user] > 0) {
      this.#complete(user, Counter.ANSWER_BY_CLOSE, arrived, arrived);
    }
    return this.isAllAnswered(user);
  }

  // ---- requests ---------------------------------------------------------------------------

  /**
   * A message goes out.
   * @returns whether it ends the open exchange's request: the flush will tell when it was sent
   */
  onPlayed(user: number, message: number, due: Instant): boolean {
    const plays = this.#plays;
    const stages = this.#stages;
    const exchanges = this.exchanges;
    const first = exchanges.firstSentBy(user, message);
    const last = stages.exchanges.ofMessage[message + 1];
    const exchange = exchanges.of(user);
    if (first >= last) {
      // An answer may come before its request is complete: it is timed from the request's beginning.
      if (exchange !== NO_EXCHANGE && stages.exchanges.beginMessage[exchange] === message) {
        plays.intendedNs[user] = due.ns;
        plays.sentNs[user] = plays.now.ns;
      }
      return false;
    }
    this.#recorder.onSent(first, last);
    if (exchange === NO_EXCHANGE || stages.exchanges.message[exchange] !== message) {
      exchanges.later.add(user, message, due.ns, plays.now.ns);
      return false;
    }
    plays.intendedNs[user] = due.ns;
    const isTurn = stages.isTurn(plays.session[user], plays.openStage[user] - 1);
    if (isTurn && !stages.isFollowed(exchange)) {
      // Whatever came before belongs to no answer of ours.
      plays.stageBytes[user] = 0;
      plays.flags[user] &= ~(OF_OPEN_STAGE & ~PlayFlag.UNASKED);
      this.framing.forget(user);
    }
    return true;
  }

  /** Nothing more has come for so long that the open stage counts as complete. */
  onQuiet(user: number): void {
    const plays = this.#plays;
    this.#stages.learn(plays.session[user], plays.openStage[user], plays.stageBytes[user]);
    this.#lastCame.ns = plays.progressNs[user];
    this.#complete(user, Counter.ANSWER_BY_QUIET, this.#lastCame, plays.now);
  }
}
