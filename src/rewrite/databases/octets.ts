/** Octets as text, one character an octet (ISO 8859-1), and what a session's client said in one piece. */
import type { RecordedSession } from '../module.ts';

/** Octets as a text of as many characters. */
export const textOf = (octets: Uint8Array): string =>
  Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString('latin1');

/** The octets of such a text. */
export const octetsOfText = (text: string): Uint8Array => Buffer.from(text, 'latin1');

/** A person's text, as its octets in UTF-8. */
export const encodeUtf8 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

/** Such octets as a person's text. */
export const decodeUtf8 = (text: string): string => Buffer.from(text, 'latin1').toString('utf8');

/** A stream as it lies in messages. */
export interface ClientText {
  readonly text: string;
  /** Where message `i` begins in it; one more for its end. */
  readonly starts: readonly number[];
}

/** All that the client said. */
export function clientTextOf(session: RecordedSession): ClientText {
  const starts = [0];
  let text = '';
  for (let i = 0; i < session.messages; i++) {
    text += textOf(session.message(i));
    starts.push(text.length);
  }
  return { text, starts };
}

/** The message in which an octet of the stream lies. */
export function messageAt(starts: readonly number[], at: number): number {
  let low = 0;
  let high = starts.length - 2;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (starts[middle] <= at) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The first stage behind a message in which the server said something; the last one where none is. */
export function answerStage(session: RecordedSession, message: number): number {
  for (let stage = message + 1; stage < session.messages; stage++) {
    if (session.stage(stage)?.length !== 0) return stage;
  }
  return session.messages;
}
