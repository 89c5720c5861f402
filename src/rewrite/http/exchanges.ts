/** A recorded session as exchanges: its requests, where they lie in messages, and their answers. */
import type { RecordedSession } from '../module.ts';
import { messageAt, textOf } from '../octet-text.ts';
import { type Answer, AnswerReader } from './answers.ts';
import {
  fieldOf,
  KnownRequests,
  type PlacedRequest,
  type Range,
  readRequests,
} from './recorded-requests.ts';
import { type RecordedFrame, readFrames } from './websocket-frames.ts';

/** A request and what was said to it. */
export interface RecordedExchange extends PlacedRequest {
  /** The messages in which the request begins and ends. */
  readonly firstMessage: number;
  readonly lastMessage: number;
  /** Undefined: it was not captured, or there was none. */
  readonly answer: Answer | undefined;
  /** The stages in which the answer begins and ends; undefined: there was none. */
  readonly stages: { readonly first: number; readonly last: number } | undefined;
}

/** A session taken apart. */
export interface SessionText {
  /** Where message `i` begins in the client's stream; one more for its end. */
  readonly starts: readonly number[];
  readonly exchanges: readonly RecordedExchange[];
  /** Frames with data, where the connection became a WebSocket. */
  readonly frames: readonly RecordedFrame[];
}

/** An exchange while its answer is looked for. */
type Open = { -readonly [Key in keyof RecordedExchange]: RecordedExchange[Key] };

/** The preface of HTTP/2 (RFC 9113, section 3.4). */
const HTTP_2_PREFACE = 'PRI * HTTP/2.0';

/** Whether a session begins as HTTP/2 does. */
export const isHttp2 = (session: RecordedSession): boolean =>
  session.messages > 0 &&
  textOf(session.message(0).subarray(0, HTTP_2_PREFACE.length)) === HTTP_2_PREFACE;

/**
 * Takes a session apart.
 * @param needsAnswers whether the recorded answers are looked at
 * @param known requests that were taken apart before
 */
export function readSession(
  session: RecordedSession,
  needsAnswers: boolean,
  known = new KnownRequests(),
): SessionText {
  const messages = Array.from({ length: session.messages }, (_, i) => session.message(i));
  const starts = [0];
  for (const { length } of messages) starts.push((starts.at(-1) ?? 0) + length);
  const octets = new Uint8Array(starts.at(-1) ?? 0);
  for (const [i, message] of messages.entries()) octets.set(message, starts[i]);
  const stream = textOf(octets);
  let isSwitched = false;
  const { requests, end } = readRequests(stream, octets, known, (placed) => {
    isSwitched = switches(session, placed, messageAt(starts, placed.at.to - 1) + 1);
    return isSwitched;
  });
  const exchanges = requests.map(({ at, request }): Open => {
    const firstMessage = messageAt(starts, at.from);
    const lastMessage = messageAt(starts, at.to - 1);
    return { at, request, firstMessage, lastMessage, answer: undefined, stages: undefined };
  });
  if (needsAnswers) findAnswers(session, exchanges);
  const upgrade = fieldOf(requests.at(-1)?.request.fields ?? [], 'upgrade')?.toLowerCase();
  const isWebSocket = isSwitched && upgrade === 'websocket';
  const frames = isWebSocket ? readFrames(octets, end) : [];
  return { starts, exchanges, frames };
}

/** Whether behind a request another protocol is spoken. */
function switches(session: RecordedSession, { request }: PlacedRequest, stage: number): boolean {
  const mayBe = request.method === 'CONNECT' || fieldOf(request.fields, 'upgrade') !== undefined;
  if (!mayBe) return false;
  const octets = session.stage(stage);
  if (octets === undefined) return false;
  const reader = new AnswerReader();
  reader.add(octets);
  const answer = reader.take(request.answerKind, true);
  return typeof answer === 'object' && answer.isSwitch;
}

/** Gives each exchange its answer, stage by stage. */
function findAnswers(session: RecordedSession, exchanges: readonly Open[]): void {
  const reader = new AnswerReader();
  let next = 0;
  let begunAt = 0;
  for (let stage = 1; stage <= session.messages; stage++) {
    const octets = session.stage(stage);
    if (reader.isEmpty) begunAt = stage;
    if (octets !== undefined) reader.add(octets);
    let isLost = octets === undefined;
    for (let open = exchanges[next]; !isLost && open !== undefined; open = exchanges[next]) {
      if (open.firstMessage >= stage || reader.isEmpty) break;
      const answer = reader.take(open.request.answerKind, stage === session.messages);
      if (answer === 'more') break;
      isLost = answer === 'lost';
      if (answer === 'lost') break;
      open.answer = answer;
      open.stages = { first: begunAt, last: stage };
      begunAt = stage;
      next++;
    }
    // Whatever was asked before is answered here, in octets that nobody can read.
    for (let open = exchanges[next]; isLost && open !== undefined; open = exchanges[next]) {
      if (open.lastMessage >= stage) break;
      open.stages = { first: begunAt, last: stage };
      next++;
    }
    if (isLost) reader.clear();
  }
}

/** Whether two ranges have octets in common. */
export const overlap = (a: Range, b: Range): boolean => a.from < b.to && b.from < a.to;
