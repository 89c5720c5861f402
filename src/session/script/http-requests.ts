/**
 * Finds the HTTP/1 requests of recorded sessions, and where each was answered: also of requests that
 * were sent before the one in front was answered.
 *
 * Where a stream stops looking like HTTP (after an upgrade or CONNECT, or in a message that breaks
 * the rules) the requests found until then count, and what follows is none.
 */
import { Uint32Column } from '../../base/columns.ts';
import { Conversation } from '../../protocol/conversation.ts';
import type { StoredStream } from '../../protocol/message-ends.ts';
import { HTTP1 } from '../../protocol/registry.ts';
import { Protocol, type Scripts } from './scripts.ts';
import { type ReadOctets, StreamView } from './stream-view.ts';

/** The answer's end is not in the recording. */
export const NO_ANSWER = 0xffff_ffff;

/** Columns in shared memory; requests of session `s` are rows `first[s] .. first[s + 1]`. */
export interface HttpRequests {
  readonly first: Uint32Array;
  /** Offset in the client's stream just past the request, header and body. */
  readonly requestEnd: Uint32Array;
  /** Offset in the server's recorded stream just past its answer, or `NO_ANSWER`. */
  readonly answerEnd: Uint32Array;
}

/** @param read fills `into` with octets of the joined capture from `offset` */
export function findHttpRequests(scripts: Scripts, read: ReadOctets): HttpRequests {
  const first = new Uint32Column();
  const finder = new Finder(scripts, read);
  for (let session = 0; session < scripts.sessions; session++) {
    first.push(finder.requestEnd.count);
    if (scripts.protocol[session] === Protocol.HTTP1) finder.find(session);
  }
  first.push(finder.requestEnd.count);
  return {
    first: first.toShared(),
    requestEnd: finder.requestEnd.toShared(),
    answerEnd: finder.answerEnd.toShared(),
  };
}

class Finder {
  readonly requestEnd = new Uint32Column();
  readonly answerEnd = new Uint32Column();
  readonly #client: StreamView;
  readonly #server: StreamView;
  readonly #conversation = new Conversation(HTTP1);

  constructor(scripts: Scripts, read: ReadOctets) {
    this.#client = new StreamView(scripts.client, read);
    this.#server = new StreamView(scripts.server, read);
  }

  find(session: number): void {
    const client = storedIn(this.#client, session);
    const server = storedIn(this.#server, session);
    for (const { requestEnd, answerEnd } of this.#conversation.exchanges(client, server)) {
      this.requestEnd.push(requestEnd);
      this.answerEnd.push(answerEnd < 0 ? NO_ANSWER : answerEnd);
    }
  }
}

/** A session's stream as a framer reads it. */
export const storedIn = (stream: StreamView, session: number): StoredStream =>
  new SessionStream(stream, session);

class SessionStream implements StoredStream {
  readonly bytes: number;
  readonly #stream: StreamView;
  readonly #session: number;

  constructor(stream: StreamView, session: number) {
    this.bytes = stream.bytesOf(session);
    this.#stream = stream;
    this.#session = session;
  }

  read(at: number, into: Uint8Array): void {
    this.#stream.read(this.#session, at, into);
  }

  knownFrom(at: number, most: number): number {
    return this.#stream.knownFrom(this.#session, at, most);
  }
}
