/** A recorded session as modules see it (`RecordedSession`): read from the capture when it is asked for. */
import { RECOGNISED_BYTES, recognise } from '../protocol/recognise.ts';
import { HTTP1_NAME } from '../protocol/registry.ts';
import type { RecordedSession } from '../rewrite/module.ts';
import { clientAddressText } from '../session/script/client-numbers.ts';
import { Protocol, type Scripts } from '../session/script/scripts.ts';
import { type ReadOctets, StreamView } from '../session/script/stream-view.ts';
import { ScriptSteps } from './script-steps.ts';

/** Makes them, for the sessions of one run. */
export class RecordedTexts {
  readonly #scripts: Scripts;
  readonly #steps: ScriptSteps;
  readonly #client: StreamView;
  readonly #server: StreamView;

  constructor(scripts: Scripts, read: ReadOctets) {
    this.#scripts = scripts;
    this.#steps = new ScriptSteps(scripts);
    this.#client = new StreamView(scripts.client, read);
    this.#server = new StreamView(scripts.server, read);
  }

  /** @throws RangeError from `message` and `stage` where there is none of that number */
  of(session: number): RecordedSession {
    const { endpoint, endpoints, clientAddress, clientAddressWords } = this.#scripts;
    const { address, port } = endpoints[endpoint[session]];
    const first = this.#steps.first(session);
    const messages = this.#steps.end(session) - first;
    const within = (i: number, end: number, what: string): number => {
      if (Number.isInteger(i) && i >= 0 && i < end) return first + i;
      throw new RangeError(`session ${session} has no ${what} ${i}`);
    };
    return {
      session,
      clientAddress:
        clientAddressWords === undefined
          ? ''
          : clientAddressText(clientAddressWords, clientAddress[session]),
      server: address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`,
      protocol: this.#protocolOf(session),
      messages,
      message: (i) => this.message(session, within(i, messages, 'message')),
      stage: (i) => this.stageAt(session, within(i, messages + 1, 'stage')),
    };
  }

  /** Octets of a message, by its row; a copy. */
  message(session: number, row: number): Uint8Array<ArrayBuffer> {
    const { messageEnd } = this.#scripts.client;
    const start = row === this.#steps.first(session) ? 0 : messageEnd[row - 1];
    return read(this.#client, session, start, messageEnd[row]);
  }

  /** Octets of a stage, by its row; a copy. Undefined where they were not captured whole. */
  stageAt(session: number, row: number): Uint8Array | undefined {
    if (this.#scripts.areAnswersUnheard?.[session] === 1) return undefined;
    const end = this.#steps.awaitOf(session, row);
    const octets = read(this.#server, session, end - this.#steps.bytesOf(session, row), end);
    return octets.length < this.#steps.bytesOf(session, row) ? undefined : octets;
  }

  #protocolOf(session: number): string {
    if (this.#scripts.protocol[session] === Protocol.HTTP1) return HTTP1_NAME;
    const { firstMessage, messageAwait } = this.#scripts.client;
    const said = read(this.#client, session, 0, RECOGNISED_BYTES);
    const heard = read(this.#server, session, 0, RECOGNISED_BYTES);
    const isServerFirst = said.length === 0 || messageAwait[firstMessage[session]] > 0;
    return recognise(said, heard, isServerFirst) ?? '';
  }
}

/** A session's octets `[start, end)`, as far as the stream has them. */
function read(
  view: StreamView,
  session: number,
  start: number,
  end: number,
): Uint8Array<ArrayBuffer> {
  const octets = new Uint8Array(Math.max(0, end - start));
  return octets.subarray(0, view.read(session, start, octets));
}
