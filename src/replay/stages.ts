/**
 * What a session's script says about its steps and stages (see PlayTable): arithmetic over the
 * columns of Scripts and of what was found out of them, the same for every user of the session.
 */
import { HttpRequestKind } from '../protocol/http1-message.ts';
import type { Scripts } from '../session/script/scripts.ts';
import { StreamEnd } from '../session/script/scripts.ts';
import { ScriptSteps } from './script-steps.ts';
import { MessageMark, rowOf, type StageColumns } from './stage-columns.ts';

/** What the scripts say of steps and stages, prepared once for all users. */
export class Stages extends ScriptSteps {
  readonly #columns: StageColumns;
  /** A row a message. */
  readonly #marks: Uint8Array;
  /** A row a stage: what it held where it ended otherwise than recorded; 0 while unknown. */
  readonly #learnedBytes: Uint32Array;
  /** By the message that holds several requests: where their answers end, but for the last one. */
  readonly #innerEnds = new Map<number, Uint32Array>();
  /** Likewise: the classes of the requests that are answered there. */
  readonly #innerClasses = new Map<number, Uint8Array>();

  constructor(scripts: Scripts, columns: StageColumns) {
    super(scripts);
    this.#columns = columns;
    this.#marks = columns.marks;
    this.#learnedBytes = new Uint32Array(columns.waitNs.length);
    const { message, first, end } = columns.pipelines;
    for (const [i, row] of message.entries()) {
      this.#innerEnds.set(row, end.subarray(first[i], first[i + 1]));
      this.#innerClasses.set(row, columns.classes.ofInner.subarray(first[i], first[i + 1]));
    }
  }

  /** Exchanges that the session's script holds. */
  exchangesOf(session: number): number {
    return this.#columns.exchanges[session];
  }

  /** Whether answers are as long as the recording says: not where the server was not captured. */
  isLengthKnown(session: number): boolean {
    const unheard = this.scripts.areAnswersUnheard;
    return unheard === undefined || unheard[session] === 0;
  }

  /** Recorded think time before the step. */
  thinkNs(session: number, step: number): number {
    const { client } = this.scripts;
    if (step < this.end(session)) return client.messageThinkNs[step];
    return client.end[session] === StreamEnd.OPEN ? 0 : client.endThinkNs[session];
  }

  /** Recorded time of the step, from the session's first SYN. */
  offsetNs(session: number, step: number): number {
    const { client, durationNs } = this.scripts;
    if (step < this.end(session)) return client.messageOffsetNs[step];
    return client.end[session] === StreamEnd.OPEN
      ? durationNs[session]
      : client.endOffsetNs[session];
  }

  /** Whether the server waited for this step before it spoke on: then answers can be told apart. */
  isTurn(session: number, step: number): boolean {
    return step >= this.end(session) || (this.#marks[step] & MessageMark.TURN) !== 0;
  }

  /** Whether the stage answers a single HTTP/1 request. */
  isHttpAnswer(session: number, stage: number): boolean {
    const isAfterMessage = stage > this.first(session) && stage <= this.end(session);
    const needed = MessageMark.HTTP | MessageMark.TURN;
    return isAfterMessage && (this.#marks[stage - 1] & needed) === needed;
  }

  /**
   * Where within the stage the answers to pipelined HTTP requests end, in octets from the stage's
   * start, ascending; without the last one, which ends with the stage. Empty for other stages.
   */
  innerEnds(session: number, stage: number): Uint32Array {
    const isAfterMessage = stage > this.first(session) && stage <= this.end(session);
    if (!isAfterMessage || (this.#marks[stage - 1] & MessageMark.PIPELINED) === 0) return NONE;
    return this.#innerEnds.get(stage - 1) ?? NONE;
  }

  /** The classes of the requests that are answered at `innerEnds`. */
  innerClasses(stage: number): Uint8Array {
    return this.#innerClasses.get(stage - 1) ?? NO_CLASSES;
  }

  /** The class of the request that the stage is the answer to: the last one, where it answers several. */
  classOf(session: number, stage: number): number {
    return this.#columns.classes.ofMessage[Math.min(stage, this.end(session)) - 1];
  }

  /** Of an HTTP answer: what its framing has to know of the request (`HttpRequestKind`). */
  requestKind(stage: number): number {
    return requestKindOf(this.#marks[stage - 1]);
  }

  /**
   * The class of the recorded answer's status (2 of 200), where the stage is an HTTP answer that can
   * be told apart from others; else 0.
   */
  statusClassOf(session: number, stage: number): number {
    const isAfterMessage = stage > this.first(session) && stage <= this.end(session);
    return isAfterMessage ? this.#columns.statusClass[stage - 1] : 0;
  }

  /** Of an answer: whether the recorded client ended before it did, or the recording. */
  isCut(session: number, stage: number): boolean {
    if (stage === this.end(session) && this.isEndWithin(session)) return true;
    return stage > this.first(session) && (this.#marks[stage - 1] & MessageMark.CUT) !== 0;
  }

  /** Of a stage that has a status: whether the recorded body came in chunks. */
  isChunked(stage: number): boolean {
    return (this.#marks[stage - 1] & MessageMark.CHUNKED) !== 0;
  }

  /** How long the recorded server was silent at most before the stage's end, from the request on. */
  waitNs(session: number, stage: number): number {
    return this.#columns.waitNs[rowOf(session, stage)];
  }

  /** How long the recorded server took to close once it had said all and heard all. */
  closeNs(session: number): number {
    return this.scripts.server.endThinkNs[session];
  }

  /** How long it took to accept. */
  connectNs(session: number): number {
    return this.scripts.connectNs[session];
  }

  /** The longest recorded pause between two things the server said within the stage. */
  pauseNs(session: number, stage: number): number {
    return this.#columns.pauseNs[rowOf(session, stage)];
  }

  /** The stage ended with so many octets, by quiet: the target answers otherwise than recorded. */
  learn(session: number, stage: number, bytes: number): void {
    this.#learnedBytes[rowOf(session, stage)] = bytes;
  }

  /** Whether the stage has ended with just so many octets before. */
  isLearned(session: number, stage: number, bytes: number): boolean {
    return this.#learnedBytes[rowOf(session, stage)] === bytes;
  }
}

/** The kind of the request that is marked so (`HttpRequestKind`). */
export function requestKindOf(marks: number): number {
  if (marks & MessageMark.HEAD) return HttpRequestKind.HEAD;
  return marks & MessageMark.CONNECT ? HttpRequestKind.CONNECT : HttpRequestKind.OTHER;
}

const NONE = new Uint32Array(0);
const NO_CLASSES = new Uint8Array(0);
