/**
 * Finds out of which class each request of the sessions is, before anybody plays them: those that are
 * the most have a class each, all others are `other` (class 0, and the name number 0).
 */
import { Uint32Column } from '../base/columns.ts';
import { OTHER_CLASS } from '../measure/request-classes.ts';
import { NAMED_BYTES, requestName } from '../protocol/request-name.ts';
import type { ExchangeColumns } from './exchange-columns.ts';
import type { SessionStreams } from './session-streams.ts';

/** More classes than this are told apart by nobody; one more holds the rest. */
const CLASSES_MAX = 200;
/** So many names are counted, so that a path which never repeats does not fill the memory. */
const NAMES_MAX = 100_000;

/** Names requests, exchange by exchange. */
export class ClassMarks {
  readonly #streams: SessionStreams;
  readonly #prefix = new Uint8Array(NAMED_BYTES);
  /** A row an exchange: the number of its request's name. */
  readonly #names = new Uint32Column();
  readonly #numbers = new Map<string, number>();
  /** By the name's number: how many requests have it. */
  readonly #counts: number[] = [0];

  /** @param streams those of the session whose requests are added */
  constructor(streams: SessionStreams) {
    this.#streams = streams;
  }

  /**
   * Names the request of the next exchange: the octets `[start, end)` of the client's stream.
   * @param protocol a name as `recognise` gives it; null where that is not known
   */
  add(protocol: string | null, start: number, end: number): void {
    const number = protocol === null ? 0 : this.#numberOf(protocol, start, end);
    this.#names.push(number);
    this.#counts[number]++;
  }

  #numberOf(protocol: string, start: number, end: number): number {
    const octets = this.#prefix.subarray(0, Math.min(NAMED_BYTES, end - start));
    this.#streams.client.read(start, octets);
    const name = requestName(protocol, octets);
    if (name === null) return 0;
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    if (this.#numbers.size >= NAMES_MAX) return 0;
    this.#numbers.set(name, this.#counts.length);
    return this.#counts.push(0) - 1;
  }

  /** The classes, when all exchanges have been added. */
  finish(): Pick<ExchangeColumns, 'requestClass' | 'classNames'> {
    const named = [...this.#numbers].map(([name, number]) => ({
      name,
      number,
      count: this.#counts[number],
    }));
    named.sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1));
    const kept = named.slice(0, CLASSES_MAX);
    const classOf = new Uint8Array(this.#counts.length);
    for (const [i, { number }] of kept.entries()) classOf[number] = i + 1;
    const requestClass = new Uint8Array(new SharedArrayBuffer(this.#names.count));
    for (const [i, number] of this.#names.toShared().entries()) requestClass[i] = classOf[number];
    const classNames = kept.length === 0 ? [] : [OTHER_CLASS, ...kept.map(({ name }) => name)];
    return { requestClass, classNames };
  }
}
