/**
 * Finds the HTTP/1 requests of recorded sessions, and where each was answered (RFC 9112, sections
 * 2, 6 and 9.3): also of requests that were sent before the one in front was answered.
 *
 * The streams are read a header at a time; bodies are stepped over. Where a stream stops looking
 * like HTTP (after an upgrade or CONNECT, or in a message that breaks the rules) the requests found
 * until then count, and what follows is none.
 */
import { Uint32Column } from '../../base/columns.ts';
import { Protocol, type Scripts } from './scripts.ts';
import { StreamText } from './stream-text.ts';

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

/** A header with more lines than this, or a longer one, is not read on (as servers refuse it). */
const HEADER_BYTES_MAX = 65_536;
/** The size of a chunk, with its extensions. */
const CHUNK_LINE_BYTES_MAX = 4096;

/** How a message goes on after its header. */
interface Framing {
  /** Octets of the body; -1: in chunks; -2: until the connection ends. */
  readonly bodyBytes: number;
}

const CHUNKED = -1;
const UNTIL_CLOSE = -2;

/** @param read fills `into` with octets of the joined capture from `offset` */
export function findHttpRequests(
  scripts: Scripts,
  read: (offset: number, into: Uint8Array) => void,
): HttpRequests {
  const first = new Uint32Column();
  const requestEnd = new Uint32Column();
  const answerEnd = new Uint32Column();
  const client = new StreamText(scripts.client, read);
  const server = new StreamText(scripts.server, read);
  for (let session = 0; session < scripts.sessions; session++) {
    first.push(requestEnd.count);
    if (scripts.protocol[session] !== Protocol.HTTP1) continue;
    client.open(session);
    server.open(session);
    addSession(client, server, requestEnd, answerEnd);
  }
  first.push(requestEnd.count);
  return {
    first: first.toShared(),
    requestEnd: requestEnd.toShared(),
    answerEnd: answerEnd.toShared(),
  };
}

function addSession(
  client: StreamText,
  server: StreamText,
  requestEnd: Uint32Column,
  answerEnd: Uint32Column,
): void {
  let at = 0;
  let answered = 0;
  for (;;) {
    const request = readRequest(client, at);
    if (request === null) return;
    requestEnd.push(request.end);
    const answer = answered < 0 ? null : readAnswer(server, answered, request.method);
    answerEnd.push(answer?.end ?? NO_ANSWER);
    answered = answer?.end ?? -1;
    at = request.end;
    // From here on the connection speaks another protocol.
    if (answer?.isSwitch === true) return;
  }
}

function readRequest(
  stream: StreamText,
  start: number,
): { readonly end: number; readonly method: string } | null {
  let at = start;
  // Empty lines in front of a request are stepped over (RFC 9112, section 2.2).
  while (at < stream.bytes && (stream.octet(at) === 0x0d || stream.octet(at) === 0x0a)) at++;
  const header = stream.header(at, HEADER_BYTES_MAX);
  if (header === null) return null;
  const method = /^([!#$%&'*+.^_`|~\w-]+) [^ ]* HTTP\/1\.\d\r?\n/.exec(header.text)?.at(1);
  if (method === undefined) return null;
  // A request without a length has no body (RFC 9112, section 6.3).
  const { bodyBytes } = framingOf(header.text, 0);
  const end = endOfBody(stream, header.end, bodyBytes);
  return end < 0 ? null : { end, method };
}

function readAnswer(
  stream: StreamText,
  start: number,
  method: string,
): { readonly end: number; readonly isSwitch: boolean } | null {
  for (let at = start; ; ) {
    const header = stream.header(at, HEADER_BYTES_MAX);
    const text = /^HTTP\/1\.\d (\d\d\d)/.exec(header?.text ?? '')?.at(1);
    if (header === null || text === undefined) return null;
    const status = Number(text);
    if (status === 101) return { end: header.end, isSwitch: true };
    if (status < 200) {
      // Informational answers are followed by another one.
      at = header.end;
      continue;
    }
    if (method === 'CONNECT' && status < 300) return { end: header.end, isSwitch: true };
    const isBodiless = method === 'HEAD' || status === 204 || status === 304;
    const bodyBytes = isBodiless ? 0 : framingOf(header.text, UNTIL_CLOSE).bodyBytes;
    const end = endOfBody(stream, header.end, bodyBytes);
    return end < 0 ? null : { end, isSwitch: false };
  }
}

/** @param fallback what holds where the header says nothing about a body */
function framingOf(header: string, fallback: number): Framing {
  const coding = /^transfer-encoding:[ \t]*([^\r\n]*)/im.exec(header)?.at(1);
  if (coding !== undefined) {
    const isChunked = /(?:^|,)[ \t]*chunked[ \t]*$/i.test(coding);
    return { bodyBytes: isChunked ? CHUNKED : UNTIL_CLOSE };
  }
  const length = /^content-length:[ \t]*(\d{1,15})[ \t]*\r?$/im.exec(header)?.at(1);
  return { bodyBytes: length === undefined ? fallback : Number(length) };
}

/** Offset just past a body that begins at `start`; -1 where the recording ends before it does. */
function endOfBody(stream: StreamText, start: number, bodyBytes: number): number {
  if (bodyBytes === UNTIL_CLOSE) return stream.bytes;
  if (bodyBytes !== CHUNKED) {
    return start + bodyBytes <= stream.bytes ? start + bodyBytes : -1;
  }
  for (let at = start; ; ) {
    const line = stream.line(at, CHUNK_LINE_BYTES_MAX);
    const size = /^[ \t]*([0-9a-f]{1,12})[ \t]*(?:;|\r?\n)/i.exec(line?.text ?? '')?.at(1);
    if (line === null || size === undefined) return -1;
    const bytes = Number.parseInt(size, 16);
    if (bytes === 0) return endOfTrailer(stream, line.end);
    // The chunk is followed by a line end of its own.
    const after = stream.line(line.end + bytes, CHUNK_LINE_BYTES_MAX);
    if (after === null || !/^\r?\n$/.test(after.text)) return -1;
    at = after.end;
  }
}

function endOfTrailer(stream: StreamText, start: number): number {
  for (let at = start; at - start < HEADER_BYTES_MAX; ) {
    const line = stream.line(at, HEADER_BYTES_MAX);
    if (line === null) return -1;
    if (/^\r?\n$/.test(line.text)) return line.end;
    at = line.end;
  }
  return -1;
}
