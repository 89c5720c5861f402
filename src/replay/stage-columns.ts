/** What is known of recorded messages and stages before anybody plays them: columns for all threads. */
import type { Scripts } from '../session/script/scripts.ts';

/** What is known of a message; bits. */
export const MessageMark = {
  /**
   * The server spoke only after it had received this message. Where it did not (both sides were
   * talking), octets beyond a stage belong to the next one.
   */
  TURN: 1,
  /** The client waited for leave to go on with its request (HTTP's 100), and for nothing else. */
  CONTINUED: 2,
} as const;

/** A session has a stage before its end and one behind it besides those before its messages. */
const STAGES_WITHOUT_MESSAGE = 2;

/** A stage's row in columns of stages. */
export const rowOf = (session: number, stage: number): number =>
  stage + STAGES_WITHOUT_MESSAGE * session;

/** In shared memory; rows of sessions that are not played hold nothing. */
export interface StageColumns {
  /** A row a message: bits of MessageMark. */
  readonly marks: Uint8Array;
  /** A row a stage: the longest recorded pause within the server's answer. */
  readonly pauseNs: Float64Array;
  /** A row a stage: the longest time for which the recorded server said nothing before or in it. */
  readonly waitNs: Float64Array;
}

/** Columns for all of the scripts' sessions, with nothing in them. */
export function createStageColumns({ sessions, client }: Scripts): StageColumns {
  const messages = client.messageEnd.length;
  const stages = rowOf(sessions, messages);
  return {
    marks: new Uint8Array(new SharedArrayBuffer(messages)),
    pauseNs: new Float64Array(new SharedArrayBuffer(8 * stages)),
    waitNs: new Float64Array(new SharedArrayBuffer(8 * stages)),
  };
}
