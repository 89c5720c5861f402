/**
 * What a session's script says about its steps and stages (see PlayTable): arithmetic over the
 * columns of Scripts, the same for every user of the session.
 */
import { Fault, Outcome } from '../protocol/framer.ts';
import { Http1Answers } from '../protocol/http1-answers.ts';
import { HttpRequestKind } from '../protocol/http1-message.ts';
import { MessageEnds, type StoredStream } from '../protocol/message-ends.ts';
import { findHttpRequests, NO_ANSWER } from '../session/script/http-requests.ts';
import { Protocol, type Scripts, StreamEnd } from '../session/script/scripts.ts';
import { type ReadOctets, StreamView } from '../session/script/stream-view.ts';
import type { CaptureBytes } from '../transport/ports.ts';
import {
  MessageMark,
  markHttp,
  markTurns,
  measurePauses,
  rowOf,
  STAGES_WITHOUT_MESSAGE,
} from './stage-marks.ts';

export class Stages {
  readonly #scripts: Scripts;
  /** A row a message. */
  readonly #marks: Uint8Array;
  /** A row a stage: what it held where it ended otherwise than recorded; 0 while unknown. */
  readonly #learnedBytes: Uint32Array;
  /** A row a stage: the longest recorded pause within the server's answer. */
  readonly #pauseNs: Float64Array;
  /** A row a stage: the longest time for which the recorded server said nothing before or in it. */
  readonly #waitNs: Float64Array;
  /** A row a message: the class (2 of 200) of the status that answers it; 0 without one. */
  readonly #statusClass: Uint8Array;
  /** A row a session: how many exchanges its script holds. */
  readonly #exchanges: Uint32Array;
  /** By the message that holds several requests: where their answers end, but for the last one. */
  readonly #innerEnds: ReadonlyMap<number, Uint32Array>;

  constructor(scripts: Scripts, capture: CaptureBytes) {
    this.#scripts = scripts;
    this.#marks = markTurns(scripts);
    const read: ReadOctets = (offset, into) => capture.read(offset, into);
    markHttp(scripts, new StreamView(scripts.client, read), this.#marks);
    const stages = scripts.client.messageEnd.length + STAGES_WITHOUT_MESSAGE * scripts.sessions;
    this.#learnedBytes = new Uint32Array(stages);
    this.#pauseNs = new Float64Array(stages);
    this.#waitNs = new Float64Array(stages);
    measurePauses(scripts, this.#pauseNs, this.#waitNs);
    this.#innerEnds = this.#findPipelines(read);
    this.#statusClass = this.#readStatuses(read);
    this.#exchanges = Uint32Array.from({ length: scripts.sessions }, (_, session) =>
      this.#countExchanges(session),
    );
  }

  #countExchanges(session: number): number {
    let exchanges = 0;
    for (let stage = this.first(session) + 1; stage <= this.end(session) + 1; stage++) {
      if (this.isAnswer(session, stage)) exchanges += 1 + this.innerEnds(session, stage).length;
    }
    return exchanges;
  }

  /** Exchanges that the session's script holds. */
  exchangesOf(session: number): number {
    return this.#exchanges[session];
  }

  /** The session's first step. */
  first(session: number): number {
    return this.#scripts.client.firstMessage[session];
  }

  /** The step that ends our stream, which has no message row of its own. */
  end(session: number): number {
    return this.#scripts.client.firstMessage[session + 1];
  }

  /** Octets of the server's stream before which the step is not played; total behind the last. */
  awaitOf(session: number, step: number): number {
    const { client, server } = this.#scripts;
    const end = client.firstMessage[session + 1];
    if (step < end) return client.messageAwait[step];
    if (step === end && client.end[session] !== StreamEnd.OPEN) return client.endAwait[session];
    const lastServerMessage = server.firstMessage[session + 1];
    return lastServerMessage > server.firstMessage[session]
      ? server.messageEnd[lastServerMessage - 1]
      : 0;
  }

  /** Whether answers are as long as the recording says: not where the server was not captured. */
  isLengthKnown(session: number): boolean {
    const unheard = this.#scripts.areAnswersUnheard;
    return unheard === undefined || unheard[session] === 0;
  }

  /** Octets that the stage before `step` holds. */
  bytesOf(session: number, step: number): number {
    const before = step === this.first(session) ? 0 : this.awaitOf(session, step - 1);
    return Math.max(0, this.awaitOf(session, step) - before);
  }

  /**
   * Whether a stage is the answer to a turn: it follows a message. The stage behind our end does
   * when the client had ended its stream before it was answered (half-close); not after an RST.
   */
  isAnswer(session: number, stage: number): boolean {
    const first = this.first(session);
    const end = this.end(session);
    if (stage <= end) return stage > first && this.bytesOf(session, stage) > 0;
    if (this.#scripts.client.end[session] === StreamEnd.RST) return false;
    return end > first && this.bytesOf(session, end) === 0 && this.bytesOf(session, end + 1) > 0;
  }

  /**
   * Whether the client ended its stream while the server was speaking: what the server says beyond
   * the stage before that end belongs to the stage behind it, and nobody waits for it.
   */
  isEndWithin(session: number): boolean {
    const end = this.end(session);
    if (this.bytesOf(session, end) === 0) return false;
    const isReset = this.#scripts.client.end[session] === StreamEnd.RST;
    return isReset || this.bytesOf(session, end + 1) > 0;
  }

  /** The stage that answers the turn which message `step` completes, or -1: more of it follows. */
  answerOf(session: number, step: number): number {
    if (this.isAnswer(session, step + 1)) return step + 1;
    const end = this.end(session);
    return step + 1 === end && this.isAnswer(session, end + 1) ? end + 1 : -1;
  }

  /** Recorded think time before the step. */
  thinkNs(session: number, step: number): number {
    const { client } = this.#scripts;
    if (step < this.end(session)) return client.messageThinkNs[step];
    return client.end[session] === StreamEnd.OPEN ? 0 : client.endThinkNs[session];
  }

  /** Recorded time of the step, from the session's first SYN. */
  offsetNs(session: number, step: number): number {
    const { client, durationNs } = this.#scripts;
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

  /** Marks the messages that hold several HTTP requests, all of which the recording answers. */
  #findPipelines(read: ReadOctets): Map<number, Uint32Array> {
    const scripts = this.#scripts;
    const { client } = scripts;
    const found = new Map<number, Uint32Array>();
    // Where every message is one request there is nothing to look for.
    const protocol = scripts.protocol.slice();
    for (let session = 0; session < scripts.sessions; session++) {
      const rows = this.#marks.subarray(this.first(session), this.end(session));
      if (rows.every((marks) => marks & MessageMark.HTTP)) protocol[session] = Protocol.UNKNOWN;
    }
    const requests = findHttpRequests({ ...scripts, protocol }, read);
    for (let session = 0; session < scripts.sessions; session++) {
      let request = requests.first[session];
      const last = requests.first[session + 1];
      for (let row = this.first(session); row < this.end(session) && request < last; row++) {
        const ends: number[] = [];
        for (
          ;
          request < last && requests.requestEnd[request] <= client.messageEnd[row];
          request++
        ) {
          ends.push(requests.answerEnd[request]);
        }
        const inner = this.#innerOf(session, row, ends);
        if (inner === null) continue;
        this.#marks[row] |= MessageMark.PIPELINED;
        found.set(row, inner);
      }
    }
    return found;
  }

  /** @param ends where the answers to a message's requests end in the server's stream */
  #innerOf(session: number, row: number, ends: readonly number[]): Uint32Array | null {
    const stageBytes = this.bytesOf(session, row + 1);
    const isTurn = (this.#marks[row] & MessageMark.TURN) !== 0;
    if (ends.length < 2 || stageBytes === 0 || !isTurn || ends.includes(NO_ANSWER)) return null;
    const start = this.awaitOf(session, row);
    const inner = ends.slice(0, -1).map((end) => end - start);
    const isWithin = inner.every(
      (end, i) => end > (i === 0 ? 0 : inner[i - 1]) && end < stageBytes,
    );
    return isWithin ? Uint32Array.from(inner) : null;
  }

  /** Of an HTTP answer: what its framing has to know of the request (`HttpRequestKind`). */
  requestKind(stage: number): number {
    const marks = this.#marks[stage - 1];
    if (marks & MessageMark.HEAD) return HttpRequestKind.HEAD;
    return marks & MessageMark.CONNECT ? HttpRequestKind.CONNECT : HttpRequestKind.OTHER;
  }

  /**
   * The class of the recorded answer's status (2 of 200), where the stage is an HTTP answer that can
   * be told apart from others; else 0.
   */
  statusClassOf(session: number, stage: number): number {
    const isAfterMessage = stage > this.first(session) && stage <= this.end(session);
    return isAfterMessage ? this.#statusClass[stage - 1] : 0;
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

  /** Fills in what the recorded answers' first octets say; marks those in chunks. */
  #readStatuses(read: ReadOctets): Uint8Array {
    const { sessions, client, server, protocol } = this.#scripts;
    const classes = new Uint8Array(client.messageEnd.length);
    const stream = new StreamView(server, read);
    const http = new Http1Answers();
    const ends = new MessageEnds();
    for (let session = 0; session < sessions; session++) {
      if (protocol[session] !== Protocol.HTTP1) continue;
      for (let row = this.first(session); row < this.end(session); row++) {
        const start = this.awaitOf(session, row);
        const heard = Math.max(0, stream.bytesOf(session) - start);
        const bytes = Math.min(this.bytesOf(session, row + 1), heard);
        if (bytes === 0 || (this.#marks[row] & MessageMark.TURN) === 0) continue;
        const answer: StoredStream = {
          bytes,
          read: (at, into) => stream.read(session, start + at, into),
        };
        const end = ends.endOf(http, answer, 0, this.requestKind(row + 1));
        classes[row] = http.replyClass;
        if (http.isChunked) this.#marks[row] |= MessageMark.CHUNKED;
        if (end < 0 ? this.#isBeyond(http) : this.#isLeft(session, row, http))
          this.#marks[row] |= MessageMark.CUT;
      }
    }
    return classes;
  }

  /** Whether an answer whose end is not in the stage goes on behind it. */
  #isBeyond(http: Http1Answers): boolean {
    return http.outcome === Outcome.ENDS || http.fault === Fault.CUT_SHORT;
  }

  /** Whether the recorded client left before the server's end, which is the answer's. */
  #isLeft(session: number, row: number, http: Http1Answers): boolean {
    const { client, server } = this.#scripts;
    const isLast = row + 1 === this.end(session);
    if (http.outcome !== Outcome.UNTIL_CLOSE || !isLast) return false;
    return server.end[session] !== StreamEnd.FIN || client.endAfterPeer[session] === 0;
  }

  /** How long the recorded server was silent at most before the stage's end, from the request on. */
  waitNs(session: number, stage: number): number {
    return this.#waitNs[rowOf(session, stage)];
  }

  /** How long the recorded server took to close once it had said all and heard all. */
  closeNs(session: number): number {
    return this.#scripts.server.endThinkNs[session];
  }

  /** How long it took to accept. */
  connectNs(session: number): number {
    return this.#scripts.connectNs[session];
  }

  /** The longest recorded pause between two things the server said within the stage. */
  pauseNs(session: number, stage: number): number {
    return this.#pauseNs[rowOf(session, stage)];
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

const NONE = new Uint32Array(0);
