/**
 * A server's octets as HTTP/1 answers, as they come in stage after stage: recorded ones before the
 * run, live ones during it. Where answers end is the business of `protocol/http1-answers.ts`.
 */
import { brotliDecompressSync, gunzipSync, inflateRawSync, inflateSync } from 'node:zlib';
import { Outcome } from '../../protocol/framer.ts';
import { Http1Answers } from '../../protocol/http1-answers.ts';
import { octetsOfText, textOf } from '../octet-text.ts';
import { type Field, fieldOf, readChunks, readFields } from './recorded-requests.ts';

const CR = 0x0d;
const LF = 0x0a;
/** More than that of a body is not unpacked: what is looked for in it stands further to the front. */
const BODY_BYTES_MAX = 4 * 2 ** 20;

/** An answer, or its beginning. */
export interface Answer {
  readonly status: number;
  readonly fields: readonly Field[];
  /** Its octets without chunks and compression, while they are there; what is not whole may end anywhere. */
  body(): string;
  /** Behind it the stream speaks another protocol. */
  readonly isSwitch: boolean;
}

const NO_OCTETS = new Uint8Array(0);

/** Puts the octets of stages together and takes answers off them. */
export class AnswerReader {
  readonly #framer = new Http1Answers();
  #octets: Uint8Array = NO_OCTETS;

  /** Forgets what has come: the next octets begin an answer. */
  clear(): void {
    this.#octets = NO_OCTETS;
  }

  /** @param octets are used until `keep`, or until all of them are taken */
  add(octets: Uint8Array): void {
    if (this.isEmpty) this.#octets = octets;
    else {
      const both = new Uint8Array(this.#octets.length + octets.length);
      both.set(this.#octets);
      both.set(octets, this.#octets.length);
      this.#octets = both;
    }
  }

  /** Copies what was not taken: the octets that were added may change from now on. */
  keep(): void {
    if (!this.isEmpty) this.#octets = this.#octets.slice();
  }

  /** Whether nothing has come that no answer was made of. */
  get isEmpty(): boolean {
    return this.#octets.length === 0;
  }

  /**
   * The next answer, where all of it has come.
   * @param kind of its request, as the framer calls it
   * @param isLast nothing more comes: then what there is of the answer is given
   * @returns `more` where more has to come, `lost` where what there is is no answer
   */
  take(kind: number, isLast: boolean): Answer | 'more' | 'lost' {
    const octets = this.#octets;
    const data = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
    this.#framer.begin(kind);
    const outcome = this.#framer.feed(data, 0, octets.length, octets.length);
    const isWhole = outcome === Outcome.ENDS && this.#framer.endBytes <= octets.length;
    if (outcome === Outcome.LOST) return 'lost';
    if (!isWhole && !isLast) return 'more';
    const end = isWhole ? this.#framer.endBytes : octets.length;
    this.#octets = octets.subarray(end);
    const { isChunked, isSwitch } = this.#framer;
    return answerOf(octets.subarray(0, end), { isChunked, isSwitch }) ?? 'lost';
  }
}

function answerOf(
  octets: Uint8Array,
  { isChunked, isSwitch }: { isChunked: boolean; isSwitch: boolean },
): Answer | undefined {
  let at = 0;
  for (;;) {
    const bodyFrom = endOfHeader(octets, at);
    const head = textOf(octets.subarray(at, bodyFrom));
    const feed = head.indexOf('\n');
    const status = Number(/^HTTP\/1\.\d (\d{3})/.exec(head)?.[1] ?? 0);
    if (feed < 0 || status === 0) return undefined;
    // Informational answers come before the one that counts (RFC 9110, section 15.2).
    if (status < 200 && status !== 101 && bodyFrom < octets.length) {
      at = bodyFrom;
      continue;
    }
    const { fields } = readFields(head, feed + 1);
    const body = (): string => bodyOf(textOf(octets.subarray(bodyFrom)), isChunked, fields);
    return { status, fields, body, isSwitch };
  }
}

/** Where the body begins, behind the first empty line; the end of what there is without one. */
function endOfHeader(octets: Uint8Array, from: number): number {
  let at = from;
  for (;;) {
    const feed = octets.indexOf(LF, at);
    if (feed < 0) return octets.length;
    if (octets[feed + 1] === LF) return feed + 2;
    if (octets[feed + 1] === CR && octets[feed + 2] === LF) return feed + 3;
    at = feed + 1;
  }
}

function bodyOf(text: string, isChunked: boolean, fields: readonly Field[]): string {
  const body = isChunked
    ? readChunks(text, 0)
        .map(({ dataAt }) => text.slice(dataAt.from, dataAt.to))
        .join('')
    : text;
  const codings = (fieldOf(fields, 'content-encoding') ?? '').toLowerCase();
  return codings
    .split(',')
    .map((coding) => coding.trim())
    .filter((coding) => coding !== '' && coding !== 'identity')
    .reduceRight(unpacked, body);
}

/** A body without its compression; empty where it is none, or one that is not known. */
function unpacked(body: string, coding: string): string {
  const octets = octetsOfText(body);
  // Of what was cut off there is as much as can be unpacked.
  const options = { maxOutputLength: BODY_BYTES_MAX, finishFlush: 2 };
  try {
    if (coding === 'gzip' || coding === 'x-gzip') return textOf(gunzipSync(octets, options));
    if (coding === 'br') {
      return textOf(brotliDecompressSync(octets, { ...options, finishFlush: 1 }));
    }
    if (coding !== 'deflate') return '';
    // What is called deflate is zlib's format, or, wrongly and often, bare deflate.
    const isZlib = (octets[0] & 0x0f) === 8 && ((octets[0] << 8) | octets[1]) % 31 === 0;
    return textOf(isZlib ? inflateSync(octets, options) : inflateRawSync(octets, options));
  } catch {
    return '';
  }
}
