/** Finds out what can be said of a session's messages and stages once, before anybody plays it. */
import { Fault, Outcome } from '../protocol/framer.ts';
import { Http1Answers } from '../protocol/http1-answers.ts';
import { HttpRequestKind } from '../protocol/http1-message.ts';
import { Http1Requests } from '../protocol/http1-requests.ts';
import { MessageEnds, type StoredStream } from '../protocol/message-ends.ts';
import { Protocol, type Scripts, StreamEnd } from '../session/script/scripts.ts';
import { type ReadOctets, StreamView } from '../session/script/stream-view.ts';
import { ScriptSteps } from './script-steps.ts';
import { MessageMark, rowOf, type StageColumns } from './stage-columns.ts';
import { requestKindOf } from './stages.ts';

/** As much of a message is looked at for an HTTP header. */
const REQUEST_PREFIX_BYTES = 8_192;

/** Fills in the columns of stages, a session at a time. */
export class StageMarks {
  readonly #scripts: Scripts;
  readonly #steps: ScriptSteps;
  readonly #columns: StageColumns;
  readonly #clients: StreamView;
  readonly #servers: StreamView;
  readonly #requests = new Http1Requests();
  readonly #answers = new Http1Answers();
  readonly #ends = new MessageEnds();
  readonly #prefix = new Uint8Array(REQUEST_PREFIX_BYTES);
  readonly #data = new DataView(this.#prefix.buffer);

  constructor(scripts: Scripts, columns: StageColumns, read: ReadOctets) {
    this.#scripts = scripts;
    this.#steps = new ScriptSteps(scripts);
    this.#columns = columns;
    this.#clients = new StreamView(scripts.client, read);
    this.#servers = new StreamView(scripts.server, read);
  }

  /** All but its exchanges and pipelines. */
  mark(session: number): void {
    this.#markTurns(session);
    this.#measurePauses(session);
    if (this.#scripts.protocol[session] !== Protocol.HTTP1) return;
    this.#markRequests(session);
    this.#readStatuses(session);
  }

  /** Marks the messages that the server waited for. */
  #markTurns(session: number): void {
    const { client, server } = this.#scripts;
    const { marks } = this.#columns;
    let reply = server.firstMessage[session];
    const lastReply = server.firstMessage[session + 1];
    let start = 0;
    for (let row = client.firstMessage[session]; row < client.firstMessage[session + 1]; row++) {
      while (reply < lastReply && server.messageEnd[reply] <= client.messageAwait[row]) reply++;
      // The next thing the server said: had it seen this message's first octet by then?
      const spokeUnasked = reply < lastReply && server.messageAwait[reply] <= start;
      marks[row] = spokeUnasked ? 0 : MessageMark.TURN;
      start = client.messageEnd[row];
    }
  }

  /** The longest pause within each stage, and the longest with the one before it. */
  #measurePauses(session: number): void {
    const { client, server } = this.#scripts;
    const { pauseNs, waitNs } = this.#columns;
    const end = client.firstMessage[session + 1];
    let stage = client.firstMessage[session];
    const last = server.firstMessage[session + 1];
    for (let row = server.firstMessage[session]; row < last; row++) {
      const isFirst = row === server.firstMessage[session];
      const start = isFirst ? 0 : server.messageEnd[row - 1];
      while (stage < end && client.messageAwait[stage] <= start) stage++;
      const at = rowOf(session, stage);
      waitNs[at] = Math.max(waitNs[at], server.messageThinkNs[row]);
      const isSameTurn = !isFirst && server.messageAwait[row] === server.messageAwait[row - 1];
      if (isSameTurn) pauseNs[at] = Math.max(pauseNs[at], server.messageThinkNs[row]);
    }
  }

  /** Marks the messages that are one HTTP/1 request and nothing else. */
  #markRequests(session: number): void {
    const { client } = this.#scripts;
    const { marks } = this.#columns;
    const requests = this.#requests;
    const first = client.firstMessage[session];
    const end = client.firstMessage[session + 1];
    let start = 0;
    for (let row = first; row < end; row++) {
      const isAlone =
        (row === first || client.messageAwait[row] > client.messageAwait[row - 1]) &&
        (row + 1 === end || client.messageAwait[row + 1] > client.messageAwait[row]);
      const messageBytes = client.messageEnd[row] - start;
      if (isAlone) {
        const bytes = Math.min(messageBytes, REQUEST_PREFIX_BYTES);
        this.#clients.read(session, start, this.#prefix.subarray(0, bytes));
        requests.begin();
        const outcome = requests.feed(this.#data, 0, bytes, messageBytes);
        if (outcome === Outcome.ENDS && requests.endBytes === messageBytes) {
          marks[row] |= MessageMark.HTTP | markOfKind(requests.answerKind);
        }
      }
      start = client.messageEnd[row];
    }
  }

  /** What the recorded answers say; marks those in chunks, and those whose end nobody heard. */
  #readStatuses(session: number): void {
    const { marks, statusClass } = this.#columns;
    const steps = this.#steps;
    const servers = this.#servers;
    const http = this.#answers;
    for (let row = steps.first(session); row < steps.end(session); row++) {
      const start = steps.awaitOf(session, row);
      const heard = Math.max(0, servers.bytesOf(session) - start);
      const bytes = Math.min(steps.bytesOf(session, row + 1), heard);
      if (bytes === 0 || (marks[row] & MessageMark.TURN) === 0) continue;
      const answer: StoredStream = {
        bytes,
        read: (at, into) => servers.read(session, start + at, into),
      };
      const end = this.#ends.endOf(http, answer, 0, requestKindOf(marks[row]));
      statusClass[row] = http.replyClass;
      if (http.isChunked) marks[row] |= MessageMark.CHUNKED;
      const isCut = end < 0 ? isBeyond(http) : this.#isLeft(session, row, http);
      if (isCut) marks[row] |= MessageMark.CUT;
    }
  }

  /** Whether the recorded client left before the server's end, which is the answer's. */
  #isLeft(session: number, row: number, http: Http1Answers): boolean {
    const { client, server } = this.#scripts;
    const isLast = row + 1 === this.#steps.end(session);
    if (http.outcome !== Outcome.UNTIL_CLOSE || !isLast) return false;
    return server.end[session] !== StreamEnd.FIN || client.endAfterPeer[session] === 0;
  }
}

/** Whether an answer whose end is not in the stage goes on behind it. */
const isBeyond = (http: Http1Answers): boolean =>
  http.outcome === Outcome.ENDS || http.fault === Fault.CUT_SHORT;

function markOfKind(kind: number): number {
  if (kind === HttpRequestKind.HEAD) return MessageMark.HEAD;
  return kind === HttpRequestKind.CONNECT ? MessageMark.CONNECT : 0;
}
