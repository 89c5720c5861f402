/** The steps and stages of sessions' scripts (see PlayTable), by number: arithmetic over their columns. */
import { type Scripts, StreamEnd } from '../session/script/scripts.ts';

/** Steps and stages of every session, by number; the same for all users who play it. */
export class ScriptSteps {
  protected readonly scripts: Scripts;

  constructor(scripts: Scripts) {
    this.scripts = scripts;
  }

  /** The session's first step. */
  first(session: number): number {
    return this.scripts.client.firstMessage[session];
  }

  /** The step that ends our stream, which has no message row of its own. */
  end(session: number): number {
    return this.scripts.client.firstMessage[session + 1];
  }

  /** Octets of the server's stream before which the step is not played; total behind the last. */
  awaitOf(session: number, step: number): number {
    const { client, server } = this.scripts;
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
   * when the client had ended its stream before it was answered (half-close); not after an RST.
   */
  isAnswer(session: number, stage: number): boolean {
    const first = this.first(session);
    const end = this.end(session);
    if (stage <= end) return stage > first && this.bytesOf(session, stage) > 0;
    if (this.scripts.client.end[session] === StreamEnd.RST) return false;
    return end > first && this.bytesOf(session, end) === 0 && this.bytesOf(session, end + 1) > 0;
  }

  /**
   * Whether the client ended its stream while the server was speaking: what the server says beyond
   * the stage before that end belongs to the stage behind it, and nobody waits for it.
   */
  isEndWithin(session: number): boolean {
    const end = this.end(session);
    if (this.bytesOf(session, end) === 0) return false;
    const isReset = this.scripts.client.end[session] === StreamEnd.RST;
    return isReset || this.bytesOf(session, end + 1) > 0;
  }
}
