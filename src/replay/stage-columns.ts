/** What is known of recorded messages and stages before anybody plays them: columns for all threads. */
import type { Scripts } from '../session/script/scripts.ts';

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

/** A session has a stage before its end and one behind it besides those before its messages. */
const STAGES_WITHOUT_MESSAGE = 2;

/** A stage's row in columns of stages. */
export const rowOf = (session: number, stage: number): number =>
  stage + STAGES_WITHOUT_MESSAGE * session;

/** In shared memory; rows of sessions that are not played hold nothing. */
export interface StageColumns {
  /** A row a message: bits of MessageMark. */
  readonly marks: Uint8Array;
  /** A row a message: the class (2 of 200) of the status that answers it; 0 without one. */
  readonly statusClass: Uint8Array;
  /** A row a stage: the longest recorded pause within the server's answer. */
  readonly pauseNs: Float64Array;
  /** A row a stage: the longest time for which the recorded server said nothing before or in it. */
  readonly waitNs: Float64Array;
  /** A row a session: how many exchanges its script holds. */
  readonly exchanges: Uint32Array;
  readonly pipelines: PipelineColumns;
  readonly classes: ClassesOfRequests;
}

/** Of which class each request is: a number, 0 for all that have none of their own. */
export interface ClassesOfRequests {
  /** By number; none where no request could be named. */
  readonly names: readonly string[];
  /** A row a message: the class of the request that it ends. */
  readonly ofMessage: Uint8Array;
  /** In the order of `PipelineColumns.end`. */
  readonly ofInner: Uint8Array;
}

/** Messages that hold several requests: where within their stage the answers end, but for the last. */
export interface PipelineColumns {
  /** Rows of those messages, ascending. */
  readonly message: Uint32Array;
  /** The ends of entry `i` are `end[first[i]] .. end[first[i + 1]]` (length messages + 1). */
  readonly first: Uint32Array;
  /** In octets from the stage's start, ascending. */
  readonly end: Uint32Array;
  /** Likewise: offset in the client's stream just past the request that is answered there. */
  readonly requestEnd: Uint32Array;
}

/** No message holds several requests. */
export const NO_PIPELINES: PipelineColumns = {
  message: new Uint32Array(0),
  first: new Uint32Array(1),
  end: new Uint32Array(0),
  requestEnd: new Uint32Array(0),
};

/** Columns for all of the scripts' sessions, with nothing in them. */
export function createStageColumns({ sessions, client }: Scripts): StageColumns {
  const messages = client.messageEnd.length;
  const stages = rowOf(sessions, messages);
  return {
    marks: new Uint8Array(new SharedArrayBuffer(messages)),
    statusClass: new Uint8Array(new SharedArrayBuffer(messages)),
    pauseNs: new Float64Array(new SharedArrayBuffer(8 * stages)),
    waitNs: new Float64Array(new SharedArrayBuffer(8 * stages)),
    exchanges: new Uint32Array(new SharedArrayBuffer(4 * sessions)),
    pipelines: NO_PIPELINES,
    classes: { names: [], ofMessage: new Uint8Array(0), ofInner: new Uint8Array(0) },
  };
}
