/** What a session's client said, in one piece. */
import type { RecordedSession } from '../module.ts';
import { textOf } from '../octet-text.ts';

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

/** The first stage behind a message in which the server said something; the last one where none is. */
export function answerStage(session: RecordedSession, message: number): number {
  for (let stage = message + 1; stage < session.messages; stage++) {
    if (session.stage(stage)?.length !== 0) return stage;
  }
  return session.messages;
}
