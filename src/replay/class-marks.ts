/**
 * Finds out of which class each request of the sessions is, before anybody plays them: those that are
 * the most have a class each, all others are `other`.
 */
import { NAMED_BYTES, requestName } from '../protocol/request-name.ts';
import { Protocol, type Scripts } from '../session/script/scripts.ts';
import { type ReadOctets, StreamView } from '../session/script/stream-view.ts';
import { ScriptSteps } from './script-steps.ts';
import type { ClassesOfRequests, PipelineColumns } from './stage-columns.ts';

/** More classes than this are told apart by nobody; one more holds the rest. */
const CLASSES_MAX = 200;
/** So many names are counted, so that a path which never repeats does not fill the memory. */
const NAMES_MAX = 100_000;
/** Class 0, and the name number 0. */
const OTHER = 'other';

const NAMED_PROTOCOLS: ReadonlyMap<number, string> = new Map([[Protocol.HTTP1, 'http1']]);

/** Names requests, a session at a time. */
export class ClassMarks {
  readonly #scripts: Scripts;
  readonly #steps: ScriptSteps;
  readonly #clients: StreamView;
  readonly #prefix = new Uint8Array(NAMED_BYTES);
  /** A row a message: the number of the name of the request that ends with it, or goes on. */
  readonly #names: Uint32Array;
  readonly #numbers = new Map<string, number>();
  /** By the name's number: how many requests have it. */
  readonly #counts: number[] = [0];

  constructor(scripts: Scripts, read: ReadOctets) {
    this.#scripts = scripts;
    this.#steps = new ScriptSteps(scripts);
    this.#clients = new StreamView(scripts.client, read);
    this.#names = new Uint32Array(scripts.client.messageEnd.length);
  }

  /** Names the requests of one session. */
  mark(session: number): void {
    const protocol = NAMED_PROTOCOLS.get(this.#scripts.protocol[session]);
    if (protocol === undefined) return;
    const { messageEnd, messageAwait } = this.#scripts.client;
    const steps = this.#steps;
    const first = steps.first(session);
    let start = 0;
    for (let row = first; row < steps.end(session); row++) {
      const isWithinTurn = row > first && messageAwait[row] === messageAwait[row - 1];
      const number = this.#numberOf(protocol, session, start, messageEnd[row]);
      // What begins no request goes on with the one before: its body.
      this.#names[row] = number < 0 ? (isWithinTurn ? this.#names[row - 1] : 0) : number;
      if (steps.answerOf(session, row) >= 0) this.#counts[this.#names[row]]++;
      start = messageEnd[row];
    }
  }

  /** The number of the name of the request that begins at `start`; -1 where none does. */
  #numberOf(protocol: string, session: number, start: number, end: number): number {
    const octets = this.#prefix.subarray(0, Math.min(NAMED_BYTES, end - start));
    this.#clients.read(session, start, octets);
    const name = requestName(protocol, octets);
    if (name === null) return -1;
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    if (this.#numbers.size >= NAMES_MAX) return 0;
    this.#numbers.set(name, this.#counts.length);
    return this.#counts.push(0) - 1;
  }

  /**
   * The classes, when all sessions have been marked.
   * @param pipelines messages that hold several requests
   */
  finish(pipelines: PipelineColumns): ClassesOfRequests {
    const innerNames = this.#nameInner(pipelines);
    const named = [...this.#numbers].map(([name, number]) => ({
      name,
      number,
      count: this.#counts[number],
    }));
    named.sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1));
    const kept = named.slice(0, CLASSES_MAX).filter(({ count }) => count > 0);
    const classOf = new Uint8Array(this.#counts.length);
    for (const [i, { number }] of kept.entries()) classOf[number] = i + 1;
    const shared = (numbers: Uint32Array): Uint8Array => {
      const classes = new Uint8Array(new SharedArrayBuffer(numbers.length));
      for (let i = 0; i < numbers.length; i++) classes[i] = classOf[numbers[i]];
      return classes;
    };
    return {
      names: kept.length === 0 ? [] : [OTHER, ...kept.map(({ name }) => name)],
      ofMessage: shared(this.#names),
      ofInner: shared(innerNames),
    };
  }

  /** Names the requests of messages that hold several; the last one is the message's own. */
  #nameInner({ message, first, requestEnd }: PipelineColumns): Uint32Array {
    const names = new Uint32Array(requestEnd.length);
    const { messageEnd } = this.#scripts.client;
    let session = 0;
    for (const [i, row] of message.entries()) {
      while (this.#steps.end(session) <= row) session++;
      const protocol = NAMED_PROTOCOLS.get(this.#scripts.protocol[session]) ?? '';
      let start = row === this.#steps.first(session) ? 0 : messageEnd[row - 1];
      this.#counts[this.#names[row]]--;
      for (let inner = first[i]; inner < first[i + 1]; inner++) {
        names[inner] = Math.max(0, this.#numberOf(protocol, session, start, requestEnd[inner]));
        this.#counts[names[inner]]++;
        start = requestEnd[inner];
      }
      this.#names[row] = Math.max(0, this.#numberOf(protocol, session, start, messageEnd[row]));
      this.#counts[this.#names[row]]++;
    }
    return names;
  }
}
