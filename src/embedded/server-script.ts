/**
 * What the recorded server says on a connection, and when.
 *
 * A message waits until the client's stream has got as far as it had in the capture, then for its
 * think time; the end of the stream likewise. A client that ends its stream before it has said what
 * the server waits for gets a FIN: a real server reads the end of its input and closes.
 */
import { NEVER_NS } from '../base/time.ts';
import { type Scripts, StreamEnd } from '../session/script/scripts.ts';
import type { ClientTexts } from '../transport/ports.ts';
import { type ConnectionTable, Flag, U16, U32 } from './connection-table.ts';

/** The recorded servers' steps: when the next one of a connection is due, and what it does. */
export class ServerScript {
  readonly #scripts: Scripts;
  readonly #table: ConnectionTable;
  readonly #accel: number;
  /** Null where clients say what was recorded. */
  texts: ClientTexts | null = null;

  /** @param accel what recorded times are divided by */
  constructor(scripts: Scripts, table: ConnectionTable, accel: number) {
    this.#scripts = scripts;
    this.#table = table;
    this.#accel = accel;
  }

  /** How long the recorded server took to accept, accelerated. */
  connectNs(session: number): number {
    return this.#scripts.connectNs[session] / this.#accel;
  }

  /** Puts a connection at the start of its session. */
  begin(user: number, session: number): void {
    this.#table.session[user * U32] = session;
    this.#table.nextMessage[user * U32] = this.#scripts.server.firstMessage[session];
    this.#table.writtenBytes[user * U32] = 0;
  }

  /**
   * When the next step is due, seen from `nowNs`, at which the step before it was taken or what it
   * waits for came in; NEVER_NS while it has to wait.
   */
  dueNs(user: number, nowNs: number): number {
    const table = this.#table;
    if (table.flags[user * U16] & Flag.SCRIPT_ENDED) return NEVER_NS;
    const { server } = this.#scripts;
    const hasPeerEnded = (table.flags[user * U16] & Flag.PEER_FIN) !== 0;
    const message = table.nextMessage[user * U32];
    const session = table.session[user * U32];
    if (message < server.firstMessage[session + 1]) {
      if (this.#heardBytes(user) >= server.messageAwait[message]) {
        return nowNs + server.messageThinkNs[message] / this.#accel;
      }
    } else if (this.#isEndReady(user, session)) {
      return nowNs + server.endThinkNs[session] / this.#accel;
    }
    return hasPeerEnded ? nowNs : NEVER_NS;
  }

  /** Takes the step that is due: raises `writtenBytes`, or sets how the stream ends. */
  step(user: number): void {
    const table = this.#table;
    const { server } = this.#scripts;
    const message = table.nextMessage[user * U32];
    const session = table.session[user * U32];
    const lastMessage = server.firstMessage[session + 1];
    if (message < lastMessage && this.#heardBytes(user) >= server.messageAwait[message]) {
      table.writtenBytes[user * U32] = server.messageEnd[message];
      table.nextMessage[user * U32] = message + 1;
      return;
    }
    const isReset =
      message === lastMessage &&
      server.end[session] === StreamEnd.RST &&
      this.#isEndReady(user, session);
    table.flags[user * U16] |= Flag.SCRIPT_ENDED | (isReset ? Flag.RST_QUEUED : Flag.FIN_QUEUED);
  }

  /** How far the client has got in what was recorded. */
  #heardBytes(user: number): number {
    const bytes = this.#table.receivedBytes(user);
    return this.texts === null ? bytes : this.texts.recordedOffset(user, bytes);
  }

  #isEndReady(user: number, session: number): boolean {
    const { server } = this.#scripts;
    if (server.end[session] === StreamEnd.OPEN) return false;
    if (this.#heardBytes(user) < server.endAwait[session]) return false;
    return (
      server.endAfterPeer[session] === 0 || (this.#table.flags[user * U16] & Flag.PEER_FIN) !== 0
    );
  }
}
