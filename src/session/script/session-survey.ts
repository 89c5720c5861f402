/**
 * What sessions say, for who only counts: their turns and HTTP/1 requests, without scripts of them. Both are found
 * as in scripts (`ScriptBuilder`, `findHttpRequests`), in the streams that those are made of.
 */
import type { Float64Column } from '../../base/columns.ts';
import { Conversation } from '../../protocol/conversation.ts';
import type { StoredStream } from '../../protocol/message-ends.ts';
import { HTTP1 } from '../../protocol/registry.ts';
import type { DatedStream } from '../reading/dated-stream.ts';
import { DatedSession } from './dated-session.ts';
import { nextMessage, thinkNs } from './messages.ts';
import type { ScriptCatalog } from './script-catalog.ts';
import { Protocol, type Scripts } from './scripts.ts';
import { StreamProtocol } from './stream-protocol.ts';
import type { ReadOctets } from './stream-view.ts';

/** Looks at one replayable session after another. */
export class SessionSurvey {
  readonly #catalog: ScriptCatalog;
  readonly #dated: DatedSession;
  readonly #speaks: StreamProtocol;
  readonly #read: ReadOctets;
  readonly #conversation = new Conversation(HTTP1);
  /** Of the catalog's servers: their rows in the scripts. */
  readonly #scriptRows: Uint16Array;

  /** @param read fills `into` with octets of the joined capture from `offset` */
  constructor(catalog: ScriptCatalog, files: Scripts['files'], read: ReadOctets) {
    this.#catalog = catalog;
    this.#dated = new DatedSession(catalog);
    this.#dated.begin(files);
    this.#speaks = new StreamProtocol(read);
    this.#read = read;
    this.#scriptRows = new Uint16Array(catalog.endpoints.length);
    for (const [server, row] of catalog.scriptRows) this.#scriptRows[server] = row;
  }

  /** Goes to a session. @returns the row of its server among those of the scripts */
  enter(session: number): number {
    this.#dated.enter(session);
    this.#dated.date();
    return this.#scriptRows[this.#catalog.endpointOf[session]];
  }

  /** Adds what came before each turn of a side: of messages that begin one, `messageThinkNs` of the scripts. */
  addTurns(isClient: boolean, into: Float64Column): void {
    const { streams, client } = this.#dated;
    const direction = isClient ? client : 1 - client;
    const stream = streams[direction];
    const peer = streams[1 - direction];
    const words = this.#catalog.records.segments.u32;
    let beforeNs = this.#dated.handshakeNs(isClient);
    let received = -1;
    for (let i = 0; i < stream.count; i = nextMessage(words, stream, i)) {
      const acked = stream.acked[i];
      const sentNs = stream.sentNs[i];
      if (acked > received) into.push(thinkNs(sentNs, beforeNs, peer.arrivalOf(acked)));
      received = acked;
      beforeNs = sentNs;
    }
  }

  /** How many HTTP/1 requests the client made; reads those, and their answers. */
  httpRequests(): number {
    const { streams, client } = this.#dated;
    const ofClient = streams[client];
    if (this.#speaks.of(ofClient) !== Protocol.HTTP1) return 0;
    const asked = new DatedOctets(ofClient, this.#read);
    const answered = new DatedOctets(streams[1 - client], this.#read);
    let requests = 0;
    for (const _ of this.#conversation.exchanges(asked, answered)) requests++;
    return requests;
  }
}

/** A stream that has been put together, as a framer reads it. */
class DatedOctets implements StoredStream {
  readonly bytes: number;
  readonly #stream: DatedStream;
  readonly #read: ReadOctets;

  constructor(stream: DatedStream, read: ReadOctets) {
    const { count, start, bytes } = stream;
    this.bytes = count === 0 ? 0 : start[count - 1] + bytes[count - 1];
    this.#stream = stream;
    this.#read = read;
  }

  read(at: number, into: Uint8Array): void {
    const { start, bytes, offset } = this.#stream;
    for (let done = 0, i = this.#extentAt(at); done < into.length; i++) {
      const skip = at + done - start[i];
      const count = Math.min(bytes[i] - skip, into.length - done);
      const isAll = count === into.length;
      this.#read(offset[i] + skip, isAll ? into : into.subarray(done, done + count));
      done += count;
    }
  }

  /** What the capture lacks is filled with octets from its beginning, where no payload lies. */
  knownFrom(at: number, most: number): number {
    const { count, start, bytes, offset } = this.#stream;
    let end = at;
    for (let i = this.#extentAt(at); i < count && end < at + most; i++) {
      if (offset[i] === 0) break;
      end = start[i] + bytes[i];
    }
    return Math.min(most, end - at);
  }

  /** Row of the extent that holds an octet. */
  #extentAt(at: number): number {
    const { start, count } = this.#stream;
    let low = 0;
    let high = count - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (start[middle] <= at) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
