/**
 * What a session's script says about its steps and stages (see PlayTable): arithmetic over the
 * columns of Scripts, the same for every user of the session.
 */
import { type Scripts, StreamEnd } from '../session/scripts.ts';

export class Stages {
  readonly #scripts: Scripts;
  /**
   * A bit a message row: the server spoke only after it had received this message. Where it did not
   * (both sides were talking), octets beyond a stage belong to the next one.
   */
  readonly #isTurn: Uint8Array;

  constructor(scripts: Scripts) {
    this.#scripts = scripts;
    this.#isTurn = markTurns(scripts);
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

  /** Octets that the stage before `step` holds. */
  bytesOf(session: number, step: number): number {
    const before = step === this.first(session) ? 0 : this.awaitOf(session, step - 1);
    return Math.max(0, this.awaitOf(session, step) - before);
  }

  /**
   * Whether a stage is the answer to a turn: it follows a message. The stage behind our end does
   * when the client had ended its stream before it was answered (half-close).
   */
  isAnswer(session: number, stage: number): boolean {
    const first = this.first(session);
    const end = this.end(session);
    if (stage <= end) return stage > first && this.bytesOf(session, stage) > 0;
    return end > first && this.bytesOf(session, end) === 0 && this.bytesOf(session, end + 1) > 0;
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
    return step >= this.end(session) || this.#isTurn[step] === 1;
  }
}

function markTurns({ sessions, client, server }: Scripts): Uint8Array {
  const isTurn = new Uint8Array(client.messageEnd.length).fill(1);
  for (let session = 0; session < sessions; session++) {
    let reply = server.firstMessage[session];
    const lastReply = server.firstMessage[session + 1];
    let start = 0;
    for (let row = client.firstMessage[session]; row < client.firstMessage[session + 1]; row++) {
      while (reply < lastReply && server.messageEnd[reply] <= client.messageAwait[row]) reply++;
      // The next thing the server said: had it seen this message's first octet by then?
      const spokeUnasked = reply < lastReply && server.messageAwait[reply] <= start;
      if (spokeUnasked) isTurn[row] = 0;
      start = client.messageEnd[row];
    }
  }
  return isTurn;
}
