/** Finds out what can be said of a session's messages and stages once, before anybody plays it. */
import type { Scripts } from '../session/script/scripts.ts';
import { MessageMark, rowOf, type StageColumns } from './stage-columns.ts';

/** Fills in the columns of stages, a session at a time. */
export class StageMarks {
  readonly #scripts: Scripts;
  readonly #columns: StageColumns;

  constructor(scripts: Scripts, columns: StageColumns) {
    this.#scripts = scripts;
    this.#columns = columns;
  }

  /** All of the session's messages and stages. */
  mark(session: number): void {
    this.#markTurns(session);
    this.#measurePauses(session);
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
}
