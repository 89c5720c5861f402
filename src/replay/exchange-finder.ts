/**
 * Finds the exchanges of recorded sessions: by the framers of a session's protocol, request by request
 * and answer by answer; where they cannot follow, by turns alone, until the next stage.
 */
import {
  type AnswerFramer,
  Fault,
  FIRST_REQUEST,
  NEXT_REQUEST,
  NO_ANSWER,
  Outcome,
} from '../protocol/framer.ts';
import { CONTINUE, Http1Answers } from '../protocol/http1-answers.ts';
import { HttpRequestKind } from '../protocol/http1-message.ts';
import { MessageEnds, type StoredStream } from '../protocol/message-ends.ts';
import { MQTT_NAME } from '../protocol/registry.ts';
import { type Scripts, StreamEnd } from '../session/script/scripts.ts';
import { upgradeBy } from '../session/script/websocket-sessions.ts';
import type { ClassMarks } from './class-marks.ts';
import {
  type ExchangeColumns,
  type ExchangeColumnsBuilder,
  ExchangeMark,
  GREETS,
} from './exchange-columns.ts';
import {
  type FoundAnswer,
  type FoundRequest,
  isBeyond,
  marksOf,
  UNHEARD,
} from './found-exchanges.ts';
import { PushedExchanges } from './pushed-exchanges.ts';
import type { FindPlan } from './replay-plan.ts';
import { ScriptSteps } from './script-steps.ts';
import { type Framers, SessionFramers } from './session-framers.ts';
import type { SessionStreams } from './session-streams.ts';
import { MessageMark, rowOf } from './stage-columns.ts';
import { ToldExchanges } from './told-exchanges.ts';

/** Kind of a server's first words, which answer nothing. */
const GREETING = 0;
/** Messages of one session at which requests are looked for anew where one could not be followed. */
const RETRIES_MAX = 64;

/** Where exchanges of one session are written; `find` is called in the order of sessions. */
export class ExchangeFinder {
  readonly #scripts: Scripts;
  readonly #steps: ScriptSteps;
  readonly #marks: Uint8Array;
  readonly #columns: ExchangeColumnsBuilder;
  readonly #classes: ClassMarks;
  readonly #streams: SessionStreams;
  readonly #ends = new MessageEnds();
  readonly #pushed: PushedExchanges;
  readonly #framers: SessionFramers;
  readonly #told: ToldExchanges;
  readonly #saysRecorded: boolean;
  /** Of the session at hand: requests whose answers have not been found yet, and how many have. */
  #requests: FoundRequest[] = [];
  #done = 0;
  /** The client speaks another protocol behind some answer. */
  #isSwitched = false;
  /** Where the next answer begins in the server's stream, as far as they have been followed. */
  #at = 0;
  /** Answers of the stage at hand; whether the last one goes on behind it. */
  readonly #found: FoundAnswer[] = [];
  #isCut = false;
  /** Whether of an answer of the stage the target has only octets that stand in for it. */
  #isStoodIn = false;

  /** @param marks a row a message: those that the server waited for are marked */
  constructor(
    plan: FindPlan,
    marks: Uint8Array,
    columns: ExchangeColumnsBuilder,
    classes: ClassMarks,
    streams: SessionStreams,
  ) {
    const { scripts, saysRecorded = false } = plan;
    this.#scripts = scripts;
    this.#steps = new ScriptSteps(scripts);
    this.#marks = marks;
    this.#columns = columns;
    this.#classes = classes;
    this.#pushed = new PushedExchanges(plan, columns, classes, streams.read);
    this.#framers = new SessionFramers(plan, columns);
    this.#told = new ToldExchanges(scripts, columns, classes, plan.rewriting?.columns ?? null);
    this.#saysRecorded = saysRecorded;
    this.#streams = streams;
  }

  /** Adds the session's exchanges. */
  find(session: number): void {
    const steps = this.#steps;
    this.#streams.open(session);
    const { client, server } = this.#streams;
    const isTold = this.#told.begin(session);
    const framers = isTold ? null : this.#framers.of(session, client, server);
    this.#requests = framers === null ? [] : this.#requestsOf(session, framers, client);
    this.#done = 0;
    this.#isSwitched = false;
    this.#at = 0;
    this.#isCut = false;
    this.#pushed.beginSession();
    // What nobody has heard is nobody's push.
    if (framers?.name === MQTT_NAME && !this.#isUnheard(session)) this.#pushed.beginMqtt(session);
    const end = steps.end(session);
    for (let stage = steps.first(session); stage <= end + 1; stage++) {
      this.#columns.beginStage(rowOf(session, stage));
      if (this.#pushed.isTheirs) {
        this.#pushed.addStage(session, stage);
        continue;
      }
      if (steps.bytesOf(session, stage) === 0) continue;
      if (isTold) this.#toldStage(session, stage);
      else if (framers !== null && stage === steps.first(session)) {
        this.#greeting(session, stage, framers, server);
      } else if (steps.isAnswer(session, stage)) this.#stage(session, stage, framers, server);
      this.#at = Math.max(this.#at, this.#streams.awaitOf(session, stage));
    }
  }

  /** A stage of a session whose module tells where answers end. */
  #toldStage(session: number, stage: number): void {
    const steps = this.#steps;
    if (stage === steps.first(session)) {
      if (this.#told.isGreeting(session, stage)) this.#columns.protocol[session] |= GREETS;
    } else if (steps.isAnswer(session, stage)) {
      const isUnheard = this.#isUnheard(session);
      this.#isStoodIn = isUnheard && this.#saysRecorded;
      if (!this.#isStoodIn && this.#told.addStage(session, stage, isUnheard)) return;
      const message = Math.min(stage, steps.end(session)) - 1;
      this.#addTurn(session, message, null, steps.bytesOf(session, stage));
    }
  }

  /** The requests that are answered, up to one behind which the client speaks another protocol. */
  #requestsOf(session: number, { requests }: Framers, client: StoredStream): FoundRequest[] {
    const { firstMessage } = this.#scripts.client;
    const streams = this.#streams;
    const found: FoundRequest[] = [];
    const last = firstMessage[session + 1];
    let row = firstMessage[session];
    let kind: number = FIRST_REQUEST;
    let retries = 0;
    for (let at = 0; at < client.bytes && row < last; kind = NEXT_REQUEST) {
      while (row < last && streams.messageEnd(row) <= at) row++;
      const beginMessage = row;
      const end = this.#ends.endOf(requests, client, at, kind);
      if (end < 0) {
        if (++retries > RETRIES_MAX) break;
        at = streams.messageEnd(row);
        continue;
      }
      while (row + 1 < last && streams.messageEnd(row) < end) row++;
      const { answerKind, isSwitch } = requests;
      if (answerKind !== NO_ANSWER) {
        found.push({ beginMessage, message: row, kind: answerKind, start: at, end });
      }
      at = end;
      if (isSwitch) break;
    }
    return found;
  }

  #greeting(session: number, stage: number, framers: Framers, server: StoredStream): void {
    if (!framers.hasGreeting || this.#isUnheard(session)) return;
    const end = this.#ends.endOf(framers.answers, server, 0, GREETING);
    if (end === this.#streams.awaitOf(session, stage)) this.#columns.protocol[session] |= GREETS;
  }

  /** A stage that answers something. */
  #stage(session: number, stage: number, framers: Framers | null, server: StoredStream): void {
    const steps = this.#steps;
    const message = Math.min(stage, steps.end(session)) - 1;
    let asked = this.#done;
    while (asked < this.#requests.length && this.#requests[asked].message <= message) asked++;
    this.#found.length = 0;
    this.#isCut = false;
    this.#isStoodIn = false;
    // HTTP's answers are found behind the rest of one that the client did not wait for.
    const isHttp = framers?.answers instanceof Http1Answers;
    const isBeginning = this.#at <= this.#streams.awaitOf(session, isHttp ? stage : stage - 1);
    if (isHttp && isBeginning && asked === this.#done && !this.#isUnheard(session)) {
      const amid = this.#amidRequest(session, stage, framers.answers, server);
      if (amid === 'leave') return;
      const isLone = amid === null && this.#addLone(session, stage, framers.answers, server);
      if (amid === 'answer' || isLone) asked++;
    }
    if (framers === null || asked === this.#done || !isBeginning) this.#done = asked;
    else if (this.#isUnheard(session)) {
      if (this.#saysRecorded) this.#isStoodIn = true;
      else while (this.#done + this.#found.length < asked) this.#found.push(UNHEARD);
    } else this.#answers(session, stage, asked, framers.answers, server);
    if (this.#found.length === 0) {
      this.#done = asked;
      this.#addTurn(session, message, framers, steps.bytesOf(session, stage));
    }
    for (const answer of this.#found) {
      const request = this.#requests[this.#done++];
      this.#columns.add({ ...request, ...answer });
      this.#classes.add(framers?.name ?? null, request.start, request.end);
    }
    if (this.#isCut) this.#done = asked;
  }

  /**
   * What the server says while the next request is not complete. Leave to go on (HTTP's 100) fills the stage:
   * the client has waited for it, and it is no answer.
   */
  #amidRequest(
    session: number,
    stage: number,
    answers: AnswerFramer,
    server: StoredStream,
  ): 'leave' | 'answer' | null {
    const request = this.#requests.at(this.#done);
    if (request === undefined || request.beginMessage >= stage) return null;
    const at = Math.max(this.#streams.awaitOf(session, stage - 1), this.#at);
    const end = this.#ends.endOf(answers, server, at, HttpRequestKind.BEGUN);
    if (end < 0) return null;
    if (answers.code !== CONTINUE || end < this.#streams.awaitOf(session, stage)) return 'answer';
    this.#marks[stage] |= MessageMark.CONTINUED;
    return 'leave';
  }

  /**
   * A turn that breaks HTTP's rules may be answered by HTTP all the same (400): then it is a request.
   * @returns whether it is
   */
  #addLone(session: number, stage: number, answers: AnswerFramer, server: StoredStream): boolean {
    const message = Math.min(stage, this.#steps.end(session)) - 1;
    const next = this.#requests.at(this.#done);
    const isNone = next === undefined || next.beginMessage > message;
    if (this.#isSwitched || !isNone || !this.#isTurn(session, stage)) return false;
    const at = Math.max(this.#streams.awaitOf(session, stage - 1), this.#at);
    this.#ends.endOf(answers, server, at, HttpRequestKind.OTHER);
    if (answers.replyClass === 0) return false;
    const request = { ...this.#turnOf(session, message), message, kind: HttpRequestKind.OTHER };
    this.#requests.splice(this.#done, 0, request);
    return true;
  }

  /**
   * Follows the stage's answers one after another, into `#found`; none where they do not fill it.
   * @param asked how many requests had been sent before the stage
   */
  #answers(
    session: number,
    stage: number,
    asked: number,
    answers: AnswerFramer,
    server: StoredStream,
  ): void {
    const start = this.#streams.awaitOf(session, stage - 1);
    const stageEnd = this.#streams.awaitOf(session, stage);
    const found = this.#found;
    let at = Math.max(start, this.#at);
    while (this.#done + found.length < asked && at < stageEnd && !this.#isCut) {
      const { kind } = this.#requests[this.#done + found.length];
      const end = this.#ends.endOf(answers, server, at, kind);
      const marks = marksOf(answers);
      const { replyClass } = answers;
      const code = replyClass > 0 ? answers.code : 0;
      this.#isCut =
        end < 0 ? isBeyond(answers) : end > stageEnd || this.#isLeft(session, stage, answers);
      if (this.#isCut) {
        const bytes = { answerBytes: stageEnd - at, answerEnd: stageEnd - start };
        const answer = { ...bytes, replyClass, code };
        found.push({ ...answer, marks: marks | ExchangeMark.CUT });
        // Behind an answer without an end nobody can tell where the next one begins: with the stage.
        const isEndless = answers.outcome === Outcome.UNTIL_CLOSE;
        if (isEndless) at = stageEnd;
        else at = end < 0 ? server.bytes : end;
      } else if (end < 0) {
        // What the recorded server said is not of the protocol: what ours says may be.
        const isAlone = found.length === 0 && asked === this.#done + 1;
        // What nobody has captured may have said how it goes on.
        const isUnknown = answers.fault === Fault.NOT_AT_HAND;
        this.#isStoodIn = isUnknown && this.#saysRecorded;
        if (!isAlone || !this.#isTurn(session, stage) || this.#isStoodIn) found.length = 0;
        else {
          const mark = marks | (isUnknown ? ExchangeMark.CHUNKED : ExchangeMark.BROKEN);
          const answerBytes = stageEnd - at;
          found.push({ answerBytes, answerEnd: answerBytes, replyClass, code, marks: mark });
        }
        return;
      } else {
        found.push({ answerBytes: end - at, answerEnd: end - start, replyClass, code, marks });
        this.#isSwitched ||= answers.isSwitch;
        if (answers.isSwitch && this.#isWebSocket(session, stage, server, at, end)) return;
        at = end;
      }
    }
    this.#at = at;
    // Behind the answers the server has said more, which is waited for, too.
    const isMore = at < stageEnd;
    const isHttp = answers instanceof Http1Answers && found.length === 1 && !answers.isSwitch;
    if (isMore && !isHttp) found.length = 0;
  }

  /** Whether the answer at `[start, end)`, the last one found, makes the session a WebSocket. */
  #isWebSocket(
    session: number,
    stage: number,
    server: StoredStream,
    start: number,
    end: number,
  ): boolean {
    const request = this.#requests[this.#done + this.#found.length - 1];
    const upgrade = upgradeBy(server, start, end, request.end);
    if (upgrade === null) return false;
    this.#pushed.upgrade(session, stage, upgrade);
    return true;
  }

  /** What was found of WebSockets. */
  finish(): Pick<ExchangeColumns, 'pushed'> {
    const pushed = this.#pushed.finish();
    return pushed === undefined ? {} : { pushed };
  }

  /** A turn and its stage are an exchange that nobody can follow. */
  #addTurn(session: number, message: number, framers: Framers | null, bytes: number): void {
    const { start, end } = this.#turnOf(session, message);
    const marks = this.#isStoodIn ? ExchangeMark.STOOD_IN : 0;
    const answer = { answerBytes: bytes, answerEnd: bytes, replyClass: 0, code: 0, marks };
    this.#columns.add({ beginMessage: message, message, kind: 0, ...answer });
    this.#classes.add(framers?.name ?? null, start, end);
  }

  /** What the client says in one go, up to the end of the message. */
  #turnOf(session: number, message: number): Pick<FoundRequest, 'start' | 'end' | 'beginMessage'> {
    const { messageAwait } = this.#scripts.client;
    const streams = this.#streams;
    const firstOfSession = this.#steps.first(session);
    let first = message;
    while (first > firstOfSession && messageAwait[first - 1] === messageAwait[message]) first--;
    const start = first === firstOfSession ? 0 : streams.messageEnd(first - 1);
    return { start, end: streams.messageEnd(message), beginMessage: first };
  }

  #isTurn(session: number, stage: number): boolean {
    const message = Math.min(stage, this.#steps.end(session)) - 1;
    return (this.#marks[message] & MessageMark.TURN) !== 0;
  }

  #isUnheard(session: number): boolean {
    return this.#scripts.areAnswersUnheard?.[session] === 1;
  }

  /** Whether the recorded client left before the server's end, which is the answer's. */
  #isLeft(session: number, stage: number, answers: AnswerFramer): boolean {
    const { client, server } = this.#scripts;
    if (answers.outcome !== Outcome.UNTIL_CLOSE || stage !== this.#steps.end(session)) return false;
    return server.end[session] !== StreamEnd.FIN || client.endAfterPeer[session] === 0;
  }
}
