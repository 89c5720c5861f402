/** Messages that hold several HTTP requests, all of which the recording answers. */
import { Uint32Column } from '../base/columns.ts';
import { findHttpRequests, NO_ANSWER } from '../session/script/http-requests.ts';
import { Protocol, type Scripts } from '../session/script/scripts.ts';
import type { ReadOctets } from '../session/script/stream-view.ts';
import { ScriptSteps } from './script-steps.ts';
import { MessageMark, NO_PIPELINES, type PipelineColumns } from './stage-columns.ts';

/**
 * Finds them, and marks them.
 * @param sessions rows that are looked at, ascending
 * @param marks a row a message, with all that StageMarks says
 */
export function findPipelines(
  scripts: Scripts,
  sessions: Uint32Array,
  marks: Uint8Array,
  read: ReadOctets,
): PipelineColumns {
  const steps = new ScriptSteps(scripts);
  const protocol = new Uint8Array(scripts.sessions).fill(Protocol.UNKNOWN);
  const suspects: number[] = [];
  for (const session of sessions) {
    if (scripts.protocol[session] !== Protocol.HTTP1) continue;
    // Where every message is one request there is nothing to look for.
    if (isEveryOne(marks, steps.first(session), steps.end(session))) continue;
    protocol[session] = Protocol.HTTP1;
    suspects.push(session);
  }
  if (suspects.length === 0) return NO_PIPELINES;
  const requests = findHttpRequests({ ...scripts, protocol }, read);
  const message = new Uint32Column();
  const first = new Uint32Column();
  const end = new Uint32Column();
  const requestEnd = new Uint32Column();
  for (const session of suspects) {
    let request = requests.first[session];
    const last = requests.first[session + 1];
    for (let row = steps.first(session); row < steps.end(session) && request < last; row++) {
      const messageEnd = scripts.client.messageEnd[row];
      const ends: number[] = [];
      const firstRequest = request;
      for (; request < last && requests.requestEnd[request] <= messageEnd; request++) {
        ends.push(requests.answerEnd[request]);
      }
      if ((marks[row] & MessageMark.TURN) === 0) continue;
      const inner = innerOf(steps, session, row, ends);
      if (inner.length === 0) continue;
      marks[row] |= MessageMark.PIPELINED;
      message.push(row);
      first.push(end.count);
      for (const [i, each] of inner.entries()) {
        end.push(each);
        requestEnd.push(requests.requestEnd[firstRequest + i]);
      }
    }
  }
  first.push(end.count);
  return {
    message: message.toShared(),
    first: first.toShared(),
    end: end.toShared(),
    requestEnd: requestEnd.toShared(),
  };
}

function isEveryOne(marks: Uint8Array, first: number, end: number): boolean {
  for (let row = first; row < end; row++) if (!(marks[row] & MessageMark.HTTP)) return false;
  return true;
}

/**
 * @param ends where the answers to a message's requests end in the server's stream
 * @returns all but the last of them from the stage's start; none where they cannot be told apart
 */
function innerOf(
  steps: ScriptSteps,
  session: number,
  row: number,
  ends: readonly number[],
): readonly number[] {
  const stageBytes = steps.bytesOf(session, row + 1);
  if (ends.length < 2 || stageBytes === 0 || ends.includes(NO_ANSWER)) return [];
  const start = steps.awaitOf(session, row);
  const inner = ends.slice(0, -1).map((each) => each - start);
  const isWithin = inner.every(
    (each, i) => each > (i === 0 ? 0 : inner[i - 1]) && each < stageBytes,
  );
  return isWithin ? inner : [];
}
