/**
 * Both streams of a recorded session as its exchanges are found in them: as recorded, or, where its module plays what
 * compressed packets hold (`SessionPlan.inflatedFrom`), as if the recording had none. Offsets of messages and stages
 * are those of the recording, and are translated.
 */
import type { StoredStream } from '../protocol/message-ends.ts';
import { InflatedStream } from '../rewrite/databases/mysql-compression.ts';
import { storedIn } from '../session/script/http-requests.ts';
import { type ReadOctets, StreamView } from '../session/script/stream-view.ts';
import type { FindPlan } from './replay-plan.ts';
import { ScriptSteps } from './script-steps.ts';

const NONE: StoredStream = { bytes: 0, read: () => undefined };

/** The streams of one session at a time. */
export class SessionStreams {
  client: StoredStream = NONE;
  server: StoredStream = NONE;
  readonly read: ReadOctets;
  readonly #steps: ScriptSteps;
  readonly #clients: StreamView;
  readonly #servers: StreamView;
  readonly #inflatedFrom: Uint32Array | undefined;
  readonly #messageEnd: Uint32Array;

  constructor({ scripts, rewriting, saysRecorded = false }: FindPlan, read: ReadOctets) {
    this.read = read;
    this.#steps = new ScriptSteps(scripts);
    this.#clients = new StreamView(scripts.client, read);
    this.#servers = new StreamView(scripts.server, read);
    // Whoever says what was recorded compresses it.
    this.#inflatedFrom = saysRecorded ? undefined : rewriting?.columns.inflatedFrom;
    this.#messageEnd = scripts.client.messageEnd;
  }

  /** Goes to a session. */
  open(session: number): void {
    this.client = storedIn(this.#clients, session);
    this.server = storedIn(this.#servers, session);
    const from = this.#inflatedFrom?.[session] ?? 0;
    if (from === 0) return;
    const message = this.#steps.first(session) + from;
    const serverFrom = this.#steps.awaitOf(session, message);
    this.client = new InflatedStream(this.client, this.#messageEnd[message - 1], true);
    this.server = new InflatedStream(this.server, serverFrom, false);
  }

  /** Where in the client's stream a message ends. @param message its row */
  messageEnd(message: number): number {
    return translated(this.client, this.#messageEnd[message]);
  }

  /** Where in the server's stream the stage before a step of the session ends. */
  awaitOf(session: number, step: number): number {
    return translated(this.server, this.#steps.awaitOf(session, step));
  }
}

const translated = (stream: StoredStream, offset: number): number =>
  stream instanceof InflatedStream ? stream.offsetOf(offset) : offset;
