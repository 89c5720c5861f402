/**
 * A server's octets as HTTP/1 answers, as they come in stage after stage: recorded ones before the
 * run, live ones during it. Where answers end is the business of `protocol/http1-answers.ts`.
 */
import { brotliDecompressSync, gunzipSync, inflateRawSync, inflateSync } from 'node:zlib';
import { Outcome } from '../../protocol/framer.ts';
import { Http1Answers } from '../../protocol/http1-answers.ts';
import { octetsOfText, textOf } from './octet-text.ts';
import { type Field, fieldOf, readChunks, readFields } from './recorded-requests.ts';

/** More than that of a body is not unpacked: what is looked for in it stands further to the front. */
const BODY_BYTES_MAX = 4 * 2 ** 20;

/** An answer, or its beginning. */
export interface Answer {
  readonly status: number;
  readonly fields: readonly Field[];
  /** Its octets without chunks and compression; what is not whole may end anywhere. */
  body(): string;
  /** Behind it the stream speaks another protocol. */
  readonly isSwitch: boolean;
}

/** Puts the octets of stages together and takes answers off them. */
export class AnswerReader {
  readonly #framer = new Http1Answers();
  #text = '';

  /** Forgets what has come: the next octets begin an answer. */
  clear(): void {
    this.#text = '';
  }

  add(octets: Uint8Array): void {
    this.#text += textOf(octets);
  }

  /** Whether nothing has come that no answer was made of. */
  get isEmpty(): boolean {
    return this.#text === '';
  }

  /**
   * The next answer, where all of it has come.
   * @param kind of its request, as the framer calls it
   * @param isLast nothing more comes: then what there is of the answer is given
   * @returns `more` where more has to come, `lost` where what there is is no answer
   */
  take(kind: number, isLast: boolean): Answer | 'more' | 'lost' {
    const octets = octetsOfText(this.#text);
    const data = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
    this.#framer.begin(kind);
    const outcome = this.#framer.feed(data, 0, octets.length, octets.length);
    const isWhole = outcome === Outcome.ENDS && this.#framer.endBytes <= octets.length;
    if (outcome === Outcome.LOST) return 'lost';
    if (!isWhole && !isLast) return 'more';
    const end = isWhole ? this.#framer.endBytes : octets.length;
    const text = this.#text.slice(0, end);
    this.#text = this.#text.slice(end);
    const { isChunked, isSwitch } = this.#framer;
    return answerOf(text, { isChunked, isSwitch }) ?? 'lost';
  }
}

function answerOf(
  text: string,
  { isChunked, isSwitch }: { isChunked: boolean; isSwitch: boolean },
): Answer | undefined {
  let at = 0;
  for (;;) {
    const feed = text.indexOf('\n', at);
    if (feed < 0) return undefined;
    const status = Number(/^HTTP\/1\.\d (\d{3})/.exec(text.slice(at, feed))?.[1] ?? 0);
    if (status === 0) return undefined;
    const { fields, end } = readFields(text, feed + 1);
    const bodyFrom = text.indexOf('\n', end) + 1;
    // Informational answers come before the one that counts (RFC 9110, section 15.2).
    if (status < 200 && status !== 101 && bodyFrom > 0) {
      at = bodyFrom;
      continue;
    }
    const read = (): string =>
      bodyOf(text, bodyFrom === 0 ? text.length : bodyFrom, isChunked, fields);
    return { status, fields, body: read, isSwitch };
  }
}

function bodyOf(text: string, from: number, isChunked: boolean, fields: readonly Field[]): string {
  const body = isChunked
    ? readChunks(text, from)
        .map(({ dataAt }) => text.slice(dataAt.from, dataAt.to))
        .join('')
    : text.slice(from);
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
