/** What can be said of recorded messages and stages once, before anybody plays them. */
import { Outcome } from '../protocol/framer.ts';
import { HttpRequestKind } from '../protocol/http1-message.ts';
import { Http1Requests } from '../protocol/http1-requests.ts';
import { Protocol, type Scripts } from '../session/script/scripts.ts';
import type { StreamView } from '../session/script/stream-view.ts';

/** What is known of a message; bits. */
export const MessageMark = {
  /**
   * The server spoke only after it had received this message. Where it did not (both sides were
   * talking), octets beyond a stage belong to the next one.
   */
  TURN: 1,
  /** One HTTP/1 request and nothing else: the answer's own header may tell where it ends. */
  HTTP: 2,
  /** And that request is HEAD. */
  HEAD: 4,
  /** Several HTTP/1 requests in one go, whose answers can be told apart: see `innerEnds`. */
  PIPELINED: 8,
  /** The recorded answer's body came in chunks: its length may be another one each time. */
  CHUNKED: 16,
  /** The recording lacks the end of the answer: it is shorter than its own header says. */
  CUT: 32,
  /** The request is CONNECT: an answer that grants it has no body. */
  CONNECT: 64,
} as const;

/** As much of a message as is looked at for an HTTP header. */
const REQUEST_PREFIX_BYTES = 8_192;
/** A session has a stage before its end and one behind it besides those before its messages. */
export const STAGES_WITHOUT_MESSAGE = 2;

/** A stage's row in columns of stages. */
export const rowOf = (session: number, stage: number): number =>
  stage + STAGES_WITHOUT_MESSAGE * session;

/** Fills in a row a stage: the longest pause within it, and the longest with the one before it. */
export function measurePauses(
  { sessions, client, server }: Scripts,
  pauseNs: Float64Array,
  waitNs: Float64Array,
): void {
  for (let session = 0; session < sessions; session++) {
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
}

/**
 * Marks the messages that are one HTTP/1 request and nothing else.
 * @param stream of the clients of `scripts`
 */
export function markHttp(scripts: Scripts, stream: StreamView, marks: Uint8Array): void {
  const { sessions, client, protocol } = scripts;
  const prefix = new Uint8Array(REQUEST_PREFIX_BYTES);
  const data = new DataView(prefix.buffer);
  const requests = new Http1Requests();
  for (let session = 0; session < sessions; session++) {
    if (protocol[session] !== Protocol.HTTP1) continue;
    const first = client.firstMessage[session];
    const end = client.firstMessage[session + 1];
    let start = 0;
    for (let row = first; row < end; row++) {
      const isAlone =
        (row === first || client.messageAwait[row] > client.messageAwait[row - 1]) &&
        (row + 1 === end || client.messageAwait[row + 1] > client.messageAwait[row]);
      const messageBytes = client.messageEnd[row] - start;
      if (isAlone) {
        const octets = prefix.subarray(0, Math.min(messageBytes, prefix.length));
        stream.read(session, start, octets);
        requests.begin();
        const outcome = requests.feed(data, 0, octets.length, messageBytes);
        if (outcome === Outcome.ENDS && requests.endBytes === messageBytes) {
          marks[row] |= MessageMark.HTTP | markOfKind(requests.answerKind);
        }
      }
      start = client.messageEnd[row];
    }
  }
}

function markOfKind(kind: number): number {
  if (kind === HttpRequestKind.HEAD) return MessageMark.HEAD;
  return kind === HttpRequestKind.CONNECT ? MessageMark.CONNECT : 0;
}

/** @returns a row a message, marked where the server waited for it */
export function markTurns({ sessions, client, server }: Scripts): Uint8Array {
  const marks = new Uint8Array(client.messageEnd.length).fill(MessageMark.TURN);
  for (let session = 0; session < sessions; session++) {
    let reply = server.firstMessage[session];
    const lastReply = server.firstMessage[session + 1];
    let start = 0;
    for (let row = client.firstMessage[session]; row < client.firstMessage[session + 1]; row++) {
      while (reply < lastReply && server.messageEnd[reply] <= client.messageAwait[row]) reply++;
      // The next thing the server said: had it seen this message's first octet by then?
      const spokeUnasked = reply < lastReply && server.messageAwait[reply] <= start;
      if (spokeUnasked) marks[row] = 0;
      start = client.messageEnd[row];
    }
  }
  return marks;
}
