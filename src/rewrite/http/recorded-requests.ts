/**
 * A recorded client's stream as HTTP/1 requests, each with the places of what can be changed. Where
 * requests end is the business of `protocol/http1-requests.ts`; here are their parts.
 */
import { Outcome } from '../../protocol/framer.ts';
import { Http1Requests } from '../../protocol/http1-requests.ts';
import { copyOf } from '../octet-text.ts';
import type { Packing } from './packing.ts';

/** A range of a text: `[from, to)`. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** A header field, at offsets of its message. */
export interface Field {
  /** In small letters. */
  readonly name: string;
  readonly value: string;
  /** Of the value without blanks around it. */
  readonly valueAt: Range;
  /** Of its lines with their ends. */
  readonly lineAt: Range;
}

/** A chunk of a body (RFC 9112, section 7.1); the last one has no octets. */
export interface Chunk {
  /** Of its first line, with the line's end. */
  readonly lineAt: Range;
  /** Of the digits of its size. */
  readonly sizeAt: Range;
  readonly dataAt: Range;
  /** Behind the line end that follows its octets. */
  readonly end: number;
}

/**
 * A request as it was recorded; offsets count from its first octet, so that requests of the same octets are one
 * (`KnownRequests`).
 */
export interface RecordedRequest {
  /** All of it, octets as text. */
  readonly text: string;
  readonly method: string;
  readonly target: string;
  readonly targetAt: Range;
  /** The path of the target without the query, and what stands behind the `?`; null without one. */
  readonly pathAt: Range;
  readonly path: string;
  readonly queryAt: Range | null;
  readonly fields: readonly Field[];
  /** Where a field that is added begins: at the line that ends the header. */
  readonly fieldsEnd: number;
  /** The line ends of this header. */
  readonly lineEnd: '\r\n' | '\n';
  /** Where the body begins, and its octets without chunks. */
  readonly bodyFrom: number;
  readonly body: string;
  /** Set where `body` was unpacked: how it was packed, and of how many octets it was then. */
  readonly packed?: { readonly packing: Packing; readonly bytes: number };
  /** Null where the body is not chunked. */
  readonly chunks: readonly Chunk[] | null;
  /** What the framer calls its answer. */
  readonly answerKind: number;
}

/** A request, and where it lies in the client's stream. */
export interface PlacedRequest {
  readonly at: Range;
  readonly request: RecordedRequest;
}

/** What a stream was found to be. */
export interface RequestRow {
  readonly requests: readonly PlacedRequest[];
  /** Where what follows is no whole request; the stream's length where all of it is. */
  readonly end: number;
}

/** Requests of more octets are seldom sent again as they are. */
const KNOWN_BYTES_MAX = 4096;
/** Octets of all that are remembered; beyond them it begins anew. */
const KNOWN_BYTES_SUM_MAX = 4 << 20;

/** Requests that were taken apart: clients say the same again and again, and are many. */
export class KnownRequests {
  readonly #requests = new Map<string, RecordedRequest | null>();
  #bytes = 0;

  /**
   * A request by its octets.
   * @returns the same object for the same octets, as long as it is remembered; null where it is none
   */
  of(text: string, framed: Framed): RecordedRequest | null {
    if (text.length > KNOWN_BYTES_MAX) return readRequest(text, framed);
    const known = this.#requests.get(text);
    if (known !== undefined) return known;
    this.#bytes += text.length;
    if (this.#bytes > KNOWN_BYTES_SUM_MAX) {
      this.#requests.clear();
      this.#bytes = text.length;
    }
    // Its parts would else keep all of the stream.
    const own = copyOf(text);
    const request = readRequest(own, framed);
    this.#requests.set(own, request);
    return request;
  }
}

/** What a framer has found of a request. */
interface Framed {
  readonly answerKind: number;
  readonly isChunked: boolean;
}

/**
 * Cuts a stream into requests.
 * @param stream octets as text
 * @param isLast whether behind this request the stream speaks another protocol
 */
export function readRequests(
  stream: string,
  octets: Uint8Array,
  known: KnownRequests,
  isLast: (request: PlacedRequest) => boolean,
): RequestRow {
  const data = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  const framer = new Http1Requests();
  const requests: PlacedRequest[] = [];
  let at = 0;
  while (at < octets.length) {
    framer.begin();
    const bytes = octets.length - at;
    if (framer.feed(data, at, bytes, bytes) !== Outcome.ENDS) break;
    const end = at + framer.endBytes;
    if (end > octets.length) break;
    const request = known.of(stream.slice(at, end), framer);
    if (request === null) break;
    const placed = { at: { from: at, to: end }, request };
    requests.push(placed);
    at = end;
    if (isLast(placed)) break;
  }
  return { requests, end: at };
}

function readRequest(text: string, { answerKind, isChunked }: Framed): RecordedRequest | null {
  let from = 0;
  while (text[from] === '\r' || text[from] === '\n') from++;
  const lineFeed = text.indexOf('\n', from);
  const line = text.slice(from, lineFeed).replace(/\r$/, '');
  const match = /^(\S+) (.*) HTTP\/1\.\d$/.exec(line);
  if (match === null) return null;
  const [, method = '', target = ''] = match;
  const targetFrom = from + method.length + 1;
  const { fields, end: fieldsEnd } = readFields(text, lineFeed + 1);
  const bodyFrom = text.indexOf('\n', fieldsEnd) + 1;
  const chunks = isChunked ? readChunks(text, bodyFrom) : null;
  const body =
    chunks === null
      ? text.slice(bodyFrom)
      : chunks.map(({ dataAt }) => text.slice(dataAt.from, dataAt.to)).join('');
  return {
    ...{ text, method, target, answerKind, fields, fieldsEnd, bodyFrom, body, chunks },
    targetAt: { from: targetFrom, to: targetFrom + target.length },
    ...partsOfTarget(target, targetFrom),
    lineEnd: text[lineFeed - 1] === '\r' ? '\r\n' : '\n',
  };
}

/** Path and query of a target in any of its forms (RFC 9112, section 3.2). */
function partsOfTarget(
  target: string,
  from: number,
): Pick<RecordedRequest, 'path' | 'pathAt' | 'queryAt'> {
  const authority = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i.exec(target)?.[0] ?? '';
  const mark = target.indexOf('?', authority.length);
  const pathEnd = mark < 0 ? target.length : mark;
  return {
    path: target.slice(authority.length, pathEnd),
    pathAt: { from: from + authority.length, to: from + pathEnd },
    queryAt: mark < 0 ? null : { from: from + mark + 1, to: from + target.length },
  };
}

/**
 * The fields of a header whose first line begins at `from`. A line that begins with a blank goes on
 * with the field before it (RFC 9112, section 5.2).
 * @returns also where the line begins that ends the header; the text's end where there is none
 */
export function readFields(text: string, from: number): { fields: Field[]; end: number } {
  const fields: Field[] = [];
  let at = from;
  while (at < text.length) {
    let feed = text.indexOf('\n', at);
    if (feed < 0) break;
    if (feed === at || (feed === at + 1 && text[at] === '\r')) return { fields, end: at };
    while (text[feed + 1] === ' ' || text[feed + 1] === '\t') {
      const next = text.indexOf('\n', feed + 1);
      if (next < 0) break;
      feed = next;
    }
    const line = text.slice(at, feed);
    const colon = line.indexOf(':');
    if (colon > 0) {
      const raw = line.slice(colon + 1);
      const value = raw.trim();
      const valueFrom = at + colon + 1 + (value === '' ? 0 : raw.indexOf(value));
      fields.push({
        name: line.slice(0, colon).trimEnd().toLowerCase(),
        value,
        valueAt: { from: valueFrom, to: valueFrom + value.length },
        lineAt: { from: at, to: feed + 1 },
      });
    }
    at = feed + 1;
  }
  return { fields, end: text.length };
}

/** The chunks of a body that a framer has followed to its end, the last one included. */
export function readChunks(text: string, from: number): Chunk[] {
  const chunks: Chunk[] = [];
  let at = from;
  for (;;) {
    const feed = text.indexOf('\n', at);
    if (feed < 0) return chunks;
    const digits = /^[0-9a-f]+/i.exec(text.slice(at, feed))?.[0] ?? '';
    if (digits === '') return chunks;
    const bytes = Number.parseInt(digits, 16);
    const lineAt = { from: at, to: feed + 1 };
    const sizeAt = { from: at, to: at + digits.length };
    const dataAt = { from: feed + 1, to: Math.min(feed + 1 + bytes, text.length) };
    if (bytes === 0) {
      chunks.push({ lineAt, sizeAt, dataAt: { from: feed + 1, to: feed + 1 }, end: feed + 1 });
      return chunks;
    }
    const lineEnd = text.indexOf('\n', dataAt.to);
    const end = lineEnd < 0 ? text.length : lineEnd + 1;
    chunks.push({ lineAt, sizeAt, dataAt, end });
    if (lineEnd < 0) return chunks;
    at = end;
  }
}

/** The value of a field, by its name in small letters; the first one's where there are several. */
export const fieldOf = (fields: readonly Field[], name: string): string | undefined =>
  fields.find((field) => field.name === name)?.value;
