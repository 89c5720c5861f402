import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { HttpRequestKind } from '../../src/protocol/http1-message.ts';
import { Http1Requests } from '../../src/protocol/http1-requests.ts';
import { everyCut, follow, octets } from './follow.ts';

const { OTHER, HEAD, CONNECT } = HttpRequestKind;

/** One kind for each request that is looked for: the framer of requests is told nothing. */
const ANY = [0, 0, 0, 0];

const cases: { title: string; requests: readonly string[]; rest?: string; fault?: string }[] = [
  { title: 'no body without a length', requests: ['GET / HTTP/1.1\r\nHost: a\r\n\r\n'] },
  {
    title: 'pipelined requests, with bodies',
    requests: [
      'POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc',
      '\r\n\r\nPUT /b HTTP/1.0\nTransfer-Encoding: chunked\n\n3\nabc\n0\n\n',
      'HEAD /c HTTP/1.1\r\n\r\n',
    ],
  },
  { title: 'a target with blanks', requests: ['GET /a b HTTP/1.1 HTTP/1.9 HTTP/1.1\r\n\r\n'] },
  {
    title: 'a method with any octet of a token',
    requests: ["M-SEARCH!#$%&'*+.^_`|~9 * HTTP/1.1\n\n"],
  },
  ...[
    'GET\r\n',
    ' GET / HTTP/1.1\r\n',
    'GET /\r\n',
    'GET / HTTP/2.0\r\n',
    'GET / HTTP/1.1x\r\n',
    'GET / HTTP/1.1\r\r\n',
    'G(T / HTTP/1.1\r\n',
    `${'M'.repeat(33)} / HTTP/1.1\r\n`,
    '*2\r\n$3\r\nGET\r\n',
    '\x16\x03\x01',
    'POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n',
  ].map((rest) => ({ title: JSON.stringify(rest), requests: [], rest, fault: 'MALFORMED' })),
];

describe('where HTTP/1 requests end', () => {
  test.each(cases)('$title', ({ requests, rest = '', fault = 'NONE' }) => {
    const stream = octets(requests.join('') + rest);
    const framer = new Http1Requests();
    const whole = follow(framer, stream, ANY.slice(0, requests.length + (rest === '' ? 0 : 1)));
    let at = 0;
    const ends = requests.map((text) => {
      at += text.length;
      return at;
    });
    expect(whole.map(({ end }) => end)).toEqual(rest === '' ? ends : [...ends, -1]);
    expect(whole.at(-1)?.fault).toBe(fault);
    for (const cuts of everyCut(stream.length)) {
      expect(follow(framer, stream, ANY.slice(0, whole.length), { cuts })).toEqual(whole);
    }
  });

  test.each([
    ['HEAD', HEAD],
    ['CONNECT', CONNECT],
    ['HEADS', OTHER],
    ['HEA', OTHER],
    ['HERD', OTHER],
    ['head', OTHER],
    ['CONNECTED', OTHER],
    ['COPY', OTHER],
    ['GET', OTHER],
  ])('%s has an answer of kind %i', (method, kind) => {
    const framer = new Http1Requests();
    const stream = octets(`${method} * HTTP/1.1\r\n\r\n`);
    for (const cuts of everyCut(stream.length)) {
      follow(framer, stream, [0], { cuts });
      expect(framer.answerKind).toBe(kind);
    }
  });
});

describe('whether a stream is HTTP/1', () => {
  const framer = new Http1Requests();
  test.each([
    ['', null],
    ['GE', null],
    ['GET / HTTP/1.1\r', null],
    ['GET / HTTP/1.1\r\n', true],
    ['\r\nGET / HTTP/1.0\nHost: x', true],
    ['GET / HTTP/1.1\r\n\r\nand whatever comes', true],
    ['GET HTTP/1.1\r\n', false],
    ['EHLO a\r\n', false],
    ['SELECT 1\r\n', false],
    ['\x00\x01', false],
  ])('%j: %s', (text, verdict) => {
    expect(framer.recognise(octets(text))).toBe(verdict);
  });

  it('says what its first line says as a whole', () => {
    const piece = fc.constantFrom('GET', ' ', '/', 'HTTP/1.1', '\r', '\n', 'HTTP/', '1.', '0', '-');
    const text = fc.array(fc.oneof(piece, fc.string({ maxLength: 1 })), { maxLength: 8 });
    fc.assert(
      fc.property(text, (texts) => {
        const stream = texts.join('');
        const line = /^([^\n]*)\n/.exec(stream.replace(/^[\r\n]+/, ''))?.at(1);
        if (line === undefined) return;
        const isHttp = /^[!#$%&'*+.^_`|~\w-]{1,32} [^\n]* HTTP\/1\.\d\r?$/.test(line);
        expect(framer.recognise(octets(stream))).toBe(isHttp);
      }),
      { numRuns: 2000 },
    );
  });
});
