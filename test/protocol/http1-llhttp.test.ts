/**
 * Our reader of HTTP beside llhttp, which Node's own HTTP stands on: on whatever both take, they say
 * the same ends. Node hands llhttp out under an inner name only, which may change: then this file
 * fails, and the naive twins of the other files remain.
 */
import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Http1Answers } from '../../src/protocol/http1-answers.ts';
import { HttpRequestKind } from '../../src/protocol/http1-message.ts';
import { Http1Requests } from '../../src/protocol/http1-requests.ts';
import { follow, octets } from './follow.ts';

interface NodeParser {
  initialize(type: number, resource: object): void;
  execute(octets: Buffer): number | Error;
  finish(): Error | undefined;
  [callback: number]: (...values: unknown[]) => unknown;
}

const { HTTPParser } = createRequire(import.meta.url)('_http_common') as {
  HTTPParser: {
    new (): NodeParser;
    readonly REQUEST: number;
    readonly RESPONSE: number;
    readonly kOnHeadersComplete: number;
    readonly kOnMessageComplete: number;
  };
};

interface Seen {
  readonly ends: readonly number[];
  readonly takenBytes: number;
}

const SKIP_BODY = 1;
const PROCEED = 0;

/** Where llhttp sees messages end, and how many octets it takes. */
function endsByLlhttp(type: number, stream: string, isToHead: boolean): Seen {
  const ends: number[] = [];
  let at = 0;
  const parser = new HTTPParser();
  parser.initialize(type, {});
  parser[HTTPParser.kOnHeadersComplete] = () => (isToHead ? SKIP_BODY : PROCEED);
  parser[HTTPParser.kOnMessageComplete] = () => ends.push(at + 1);
  for (; at < stream.length; at++) {
    if (parser.execute(Buffer.from(stream[at] ?? '', 'latin1')) instanceof Error) break;
  }
  return { ends, takenBytes: at };
}

const startLines = ['HTTP/1.1 200 OK', 'HTTP/1.1 100 Continue', 'HTTP/1.0 404 x', 'HTTP/1.1 304 y'];
const requestLines = ['GET / HTTP/1.1', 'POST /x HTTP/1.1', 'PUT /a?b HTTP/1.0', 'HEAD / HTTP/1.1'];
/** Fields that frame a body, and one that fits; or not. */
const framings: readonly (readonly [string, string])[] = [
  ['Content-Length: 3', 'abc'],
  ['Content-Length: 0', ''],
  ['content-length:   12  ', '0\r\n\r\nHTTP/1.'],
  ['Content-Length: 1x', 'a'],
  ['Content-Length: 18446744073709551616', ''],
  ['Transfer-Encoding: chunked', '3\r\nabc\r\n0\r\n\r\n'],
  ['Transfer-Encoding: gzip, chunked', 'A;x=y\r\n0123456789\r\n0\r\nT: u\r\n\r\n'],
  ['transfer-encoding: CHUNKED ', '0\r\n\r\n'],
  ['Transfer-Encoding: chunked', '3\r\nabcd\r\n0\r\n\r\n'],
  ['Connection: keep-alive', ''],
];
const fields = ['Content-Type: a', 'Trailer: b', 'X: Content-Length: 4', 'Date: today', 'T: c'];
const seconds = ['', '', '', '', '', 'Content-Length: 3', 'Transfer-Encoding: chunked'];

const messagesOf = (lines: readonly string[]) =>
  fc.array(
    fc
      .record({
        line: fc.constantFrom(...lines),
        framing: fc.constantFrom(...framings),
        second: fc.constantFrom(...seconds),
        fields: fc.uniqueArray(fc.constantFrom(...fields), { maxLength: 2 }),
        more: fc.constantFrom('', '', '', '', '', 'x'),
      })
      .map((made) => {
        const [framing, body] = made.framing;
        const header = [made.line, framing, made.second, ...made.fields];
        const lines = [...header.filter((text) => text !== ''), '', body + made.more];
        return lines.join('\r\n');
      }),
    { minLength: 1, maxLength: 3 },
  );

describe('where llhttp sees messages end', () => {
  it('so do we for answers', () => {
    let agreed = 0;
    fc.assert(
      fc.property(messagesOf(startLines), fc.boolean(), (messages, isToHead) => {
        const stream = messages.join('');
        const { ends: theirs, takenBytes } = endsByLlhttp(HTTPParser.RESPONSE, stream, isToHead);
        const kind = isToHead ? HttpRequestKind.HEAD : HttpRequestKind.OTHER;
        const kinds = Array.from({ length: 8 }, () => kind);
        const ours = follow(new Http1Answers(), octets(stream), kinds);
        const ends = ours.map(({ end }) => end).filter((end) => end >= 0 && end <= takenBytes);
        // llhttp reports informational answers as messages of their own.
        expect(theirs.filter((end) => !isInformational(stream, theirs, end))).toEqual(ends);
        agreed += ends.length;
      }),
      { numRuns: 3000 },
    );
    expect(agreed).toBeGreaterThan(500);
  });

  it('so do we for requests', () => {
    let agreed = 0;
    fc.assert(
      fc.property(messagesOf(requestLines), (messages) => {
        const stream = messages.join('');
        const { ends: theirs, takenBytes } = endsByLlhttp(HTTPParser.REQUEST, stream, false);
        const ours = follow(new Http1Requests(), octets(stream), [0, 0, 0, 0, 0, 0, 0, 0]);
        const ends = ours.map(({ end }) => end).filter((end) => end >= 0 && end <= takenBytes);
        expect(theirs).toEqual(ends);
        agreed += ends.length;
      }),
      { numRuns: 3000 },
    );
    expect(agreed).toBeGreaterThan(500);
  });
});

function isInformational(stream: string, ends: readonly number[], end: number): boolean {
  const start = Math.max(0, ...ends.filter((other) => other < end));
  return stream.startsWith('HTTP/1.1 100', start);
}
