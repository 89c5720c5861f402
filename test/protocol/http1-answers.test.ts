import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { FRAMER_WORDS } from '../../src/protocol/framer.ts';
import { endsChunks, Http1Answers } from '../../src/protocol/http1-answers.ts';
import { HttpRequestKind } from '../../src/protocol/http1-message.ts';
import { everyCut, follow, octets } from './follow.ts';

const { OTHER, HEAD, CONNECT } = HttpRequestKind;

interface Row {
  readonly title: string;
  readonly stream: string;
  readonly kinds?: readonly number[];
  readonly isClosed?: boolean;
  /** Offset just past each answer; -1: goes on, or lost. */
  readonly ends: readonly number[];
  readonly codes?: readonly number[];
  readonly fault?: string;
  readonly isSwitch?: boolean;
}

/** A stream of parts, and where each of them ends. */
const parts = (...texts: string[]): Pick<Row, 'stream' | 'ends'> => {
  let at = 0;
  return {
    stream: texts.join(''),
    ends: texts.map((text) => {
      at += text.length;
      return at;
    }),
  };
};

const rows: Row[] = [
  { title: 'a length', ...parts('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello') },
  {
    title: 'no reason phrase, bare line feeds, a name in capitals',
    ...parts('HTTP/1.0 404\nCONTENT-LENGTH:2\n\nno'),
    codes: [404],
  },
  {
    title: 'answers to pipelined requests',
    ...parts(
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx',
      'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n',
      'HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n',
      'HTTP/1.1 204 No Content\r\n\r\n',
    ),
    kinds: [OTHER, OTHER, OTHER, OTHER],
    codes: [200, 404, 304, 204],
  },
  {
    title: 'an answer to HEAD has no body',
    ...parts('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', 'HTTP/1.1 200 OK\r\n\r\n'),
    kinds: [HEAD, HEAD],
    codes: [200, 200],
  },
  {
    title: 'informational answers before the final one',
    ...parts(
      'HTTP/1.1 100 Continue\r\nContent-Length: 7\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok',
    ),
    codes: [201],
  },
  {
    title: 'chunks with extensions and a trailer',
    ...parts(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a="b"\r\nhello\r\n00A \r\n0\r\n\r\n0\r\n\r\n\r\n0;z\r\nDigest: x\r\n\r\n',
    ),
  },
  {
    title: 'chunks whatever the length says, chunked being the last coding',
    ...parts(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nContent-Length: 3\r\ntransfer-encoding: x, CHUNKED \r\n\r\n1\na\n0\n\n',
    ),
  },
  {
    title: 'fields whose names only begin or end like those that count',
    ...parts(
      'HTTP/1.1 200 OK\r\nContent-Length-Hint: 9\r\nX-Content-Length: 8\r\nContent-Type: a\r\nContent-Length : 7\r\nTransfer-Encodin: chunked\r\nTrailer: content-length: 4\r\nContent-Length:3\r\n\r\nabc',
    ),
  },
  {
    title: 'the same length twice',
    ...parts('HTTP/1.1 200 OK\r\nContent-Length: 2, 02\r\nContent-Length: 2\r\n\r\nab'),
  },
  {
    title: 'a body that the close ends',
    ...parts('HTTP/1.1 200 OK\r\nServer: x\r\n\r\nabc'),
    isClosed: true,
  },
  {
    title: 'a coding that is not chunked: until the close',
    ...parts('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\nContent-Length: 1\r\n\r\nabc'),
    isClosed: true,
  },
  {
    title: 'until the close, which has not come',
    stream: 'HTTP/1.1 200 OK\r\n\r\nabc',
    ends: [-1],
  },
  {
    title: 'switching protocols',
    stream: 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x00',
    ends: [54 + '\r\n'.length],
    codes: [101],
    isSwitch: true,
  },
  {
    title: 'a tunnel',
    stream: 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
    kinds: [CONNECT],
    ends: [38],
    isSwitch: true,
  },
  {
    title: 'a tunnel that is refused',
    ...parts('HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno'),
    kinds: [CONNECT],
    codes: [403],
  },
  {
    title: 'a length of 2^53 - 1',
    stream: 'HTTP/1.1 200 OK\r\nContent-Length: 9007199254740991\r\n\r\n',
    ends: [53 + Number.MAX_SAFE_INTEGER],
  },
  {
    title: 'an answer that is cut',
    stream: 'HTTP/1.1 200 OK\r\nContent-Le',
    isClosed: true,
    ends: [-1],
    codes: [200],
    fault: 'CUT_SHORT',
  },
  ...[
    ['HTTP/2 200\r\n\r\n', 'MALFORMED'],
    ['HTTP/1.1 20 OK\r\n\r\n', 'MALFORMED'],
    ['HTTP/1.1 099 OK\r\n\r\n', 'MALFORMED'],
    ['HTTP/1.1 2000\r\n\r\n', 'MALFORMED'],
    ['HTTP/1.1  200\r\n\r\n', 'MALFORMED'],
    ['\r\nHTTP/1.1 200\r\n\r\n', 'MALFORMED'],
    ['220 ready\r\n', 'MALFORMED'],
    ['\x15\x03\x03\x00\x02\x02\x28', 'MALFORMED'],
    ['HTTP/1.1 200 OK\r\n\rX', 'MALFORMED'],
  ].map(([stream, fault]) => ({ title: JSON.stringify(stream), stream, ends: [-1], fault })),
  ...[
    ['Content-Length: 9007199254740993', 'BAD_LENGTH'],
    ['Content-Length: 9223372036854775808', 'BAD_LENGTH'],
    ['Content-Length: -1', 'BAD_LENGTH'],
    ['Content-Length: +1', 'BAD_LENGTH'],
    ['Content-Length: 1 2', 'BAD_LENGTH'],
    ['Content-Length: 0x10', 'BAD_LENGTH'],
    ['Content-Length:', 'BAD_LENGTH'],
    ['Content-Length: 1, 2', 'BAD_LENGTH'],
    ['Content-Length: 1\r\nContent-Length: 2', 'BAD_LENGTH'],
    ['Transfer-Encoding: chunked\r\n\r\nx', 'MALFORMED'],
    ['Transfer-Encoding: chunked\r\n\r\n\r\n', 'MALFORMED'],
    ['Transfer-Encoding: chunked\r\n\r\n-1\r\n', 'MALFORMED'],
    ['Transfer-Encoding: chunked\r\n\r\n1 1\r\n', 'MALFORMED'],
    ['Transfer-Encoding: chunked\r\n\r\n1\r\nabc', 'MALFORMED'],
    ['Transfer-Encoding: chunked\r\n\r\n1\r\na\r\r\n', 'MALFORMED'],
    ['Transfer-Encoding: chunked\r\n\r\n20000000000000\r\n', 'BAD_LENGTH'],
    ['Transfer-Encoding: chunked\r\n\r\n8000000000000000\r\n', 'BAD_LENGTH'],
  ].map(([field, fault]) => ({
    title: JSON.stringify(field),
    stream: `HTTP/1.1 200 OK\r\n${field}\r\n\r\n`,
    ends: [-1],
    codes: [200],
    fault,
  })),
];

describe('where HTTP/1 answers end', () => {
  test.each(rows)('$title', ({ stream, kinds = [OTHER], isClosed = false, ...expected }) => {
    const framer = new Http1Answers();
    const whole = follow(framer, octets(stream), kinds, { cuts: [], isClosed });
    expect(whole.map(({ end }) => end)).toEqual(expected.ends);
    if (expected.codes !== undefined) {
      expect(whole.map(({ code }) => code)).toEqual(expected.codes);
    }
    expect(whole.at(-1)?.fault).toBe(expected.fault ?? 'NONE');
    expect(whole.at(-1)?.isSwitch).toBe(expected.isSwitch ?? false);
    for (const cuts of everyCut(stream.length)) {
      expect(follow(framer, octets(stream), kinds, { cuts, isClosed }), String(cuts)).toEqual(
        whole,
      );
    }
  });

  it('says the class of the status, and that 304 is as good as the answer', () => {
    const framer = new Http1Answers();
    const classOf = (status: number): number | undefined =>
      follow(framer, octets(`HTTP/1.1 ${status} X\r\nContent-Length: 0\r\n\r\n`), [OTHER]).at(0)
        ?.replyClass;
    expect([200, 206, 301, 304, 404, 503, 101].map(classOf)).toEqual([2, 2, 3, 2, 4, 5, 1]);
    expect(framer.codeText()).toBe('101');
  });

  it('reads heads of ten pages that come in turn once each', () => {
    let read = 0;
    class Counting extends Http1Answers {
      protected override startLine(data: DataView, at: number, end: number): number {
        read++;
        return super.startLine(data, at, end);
      }
    }
    const answer = (bytes: number): string =>
      `HTTP/1.1 200 OK\r\nContent-Length: ${bytes}\r\n\r\n${'x'.repeat(bytes)}`;
    const pages = Array.from({ length: 10 }, (_, i) => octets(answer(600 + 100 * i)));
    const framer = new Counting();
    for (let round = 0; round < 50; round++) {
      for (const page of pages) {
        framer.begin(OTHER);
        framer.feed(new DataView(page.buffer), 0, page.length, page.length);
        expect(framer.endBytes).toBe(page.length);
        expect(framer.replyClass).toBe(2);
      }
    }
    // Two pages may share a memory, and take turns there.
    expect(read).toBeLessThan(150);
  });

  it('reads no octet of a body', () => {
    const header = 'HTTP/1.1 200 OK\r\nContent-Length: 5000000000\r\n\r\n';
    const framer = new Http1Answers();
    framer.begin(OTHER);
    const memory = octets(header);
    framer.feed(new DataView(memory.buffer), 0, header.length, header.length + 1000);
    expect(framer.endBytes).toBe(header.length + 5_000_000_000);
  });

  it('steps over a chunk whose octets are not at hand, and needs those between chunks', () => {
    const header = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100\r\n';
    const stream = octets(`${header}${'x'.repeat(256)}\r\n0\r\n\r\n`);
    const framer = new Http1Answers();
    const cuts = [header.length + 200, header.length + 256];
    const prefixBytes = header.length;
    expect(follow(framer, stream, [OTHER], { cuts, prefixBytes }).at(0)?.end).toBe(stream.length);
    const late = follow(framer, stream, [OTHER], { cuts: [header.length + 200], prefixBytes });
    expect(late.at(0)?.fault).toBe('NOT_AT_HAND');
  });

  it('finds the next answer after one that was lost', () => {
    const framer = new Http1Answers();
    const next = octets('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    expect(follow(framer, octets('garbage'), [OTHER]).at(0)?.fault).toBe('MALFORMED');
    expect(follow(framer, next, [OTHER]).at(0)?.end).toBe(next.length);
  });

  const endless = [
    ['a header', 'HTTP/1.1 200 OK\r\n', 'X-Filler: 0123456789\r\n', 10 << 20],
    ['a line', 'HTTP/1.1 200 OK\r\nX: ', 'x'.repeat(1000), 10 << 20],
    ['a reason', 'HTTP/1.1 200 ', 'x'.repeat(1000), 10 << 20],
    ['informational answers', '', 'HTTP/1.1 100 Continue\r\n\r\n', 10 << 20],
    [
      'an extension',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;',
      'x'.repeat(100),
      1 << 20,
    ],
    ['a size', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', '0'.repeat(100), 1 << 20],
    [
      'a trailer',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n',
      'X: y\r\n',
      10 << 20,
    ],
  ] as const;
  test.each(endless)('%s without an end is lost', (_title, start, filler, bytes) => {
    const stream = octets(start + filler.repeat(bytes / filler.length));
    const cuts = Array.from({ length: stream.length / 1448 }, (_, i) => 1448 * (i + 1));
    expect(follow(new Http1Answers(), stream, [OTHER], { cuts }).at(0)?.fault).toBe('TOO_LONG');
  });

  it('knows how an answer may begin', () => {
    const framer = new Http1Answers();
    const mayBegin = (text: string): boolean =>
      framer.mayBegin(new DataView(octets(text).buffer), 0, text.length);
    expect(['HTTP/1.1 200', 'HTTP/', 'H'].map(mayBegin)).toEqual([true, true, true]);
    expect(['', 'HTTP/2', 'x', '\r\nHTTP/1.1'].map(mayBegin)).toEqual([false, false, false, false]);
  });

  it('looks for the next one within the octets alone', () => {
    const framer = new Http1Answers();
    const find = (text: string): number => {
      const memory = octets(`${text}P/1.1 200`);
      return framer.findBeginning(new DataView(memory.buffer), 0, text.length);
    };
    expect(find('0\r\n\r\nHTTP/1.1 200')).toBe(5);
    expect(find('0\r\n\r\nHTTP/')).toBe(-1);
    expect(find('HTT')).toBe(-1);
  });
});

test.each([
  ['0\r\n\r\n', true],
  ['5\r\nhello\r\n0\r\n\r\n', true],
  // The beginning of a chunk of 16 octets, and of one whose octets are a line end.
  ['10\r\n\r\n', false],
  ['5\r\nhello\r\n', false],
  ['\r\n\r\n', false],
  ['0\r\n\r', false],
  ['', false],
])('the last chunk ends %j: %s', (text, ends) => {
  expect(endsChunks(new DataView(octets(text).buffer), 0, text.length)).toBe(ends);
});

// ---- against a naive twin -------------------------------------------------------------------

interface MadeAnswer {
  readonly text: string;
  readonly kind: number;
}

const status = fc.constantFrom('200 OK', '404 Not Found', '204', '304 ', '500 x y', '301 \t');
const lineEnd = fc.constantFrom('\r\n', '\n');
const otherField = fc.constantFrom(
  'Server: x',
  'Content-Type: text/html',
  'Trailer: a',
  'T:',
  'c: d',
);

const madeAnswer: fc.Arbitrary<MadeAnswer> = fc
  .record({
    status,
    lineEnd,
    fields: fc.array(otherField, { maxLength: 4 }),
    interim: fc.boolean(),
    body: fc.string({ unit: 'binary-ascii', maxLength: 40 }),
    chunks: fc.option(fc.array(fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 20 }))),
    trailer: fc.array(otherField, { maxLength: 2 }),
    kind: fc.constantFrom(OTHER, HEAD),
  })
  .map((made) => {
    const { lineEnd: eol, kind } = made;
    const isBodiless = kind === HEAD || /^(204|304)/.test(made.status);
    const framing =
      made.chunks === null ? `Content-Length: ${made.body.length}` : 'Transfer-Encoding: chunked';
    const head = [`HTTP/1.1 ${made.status}`, ...made.fields, framing, '', ''].join(eol);
    const chunks = (made.chunks ?? []).map(
      (text) => `${text.length.toString(16)}${eol}${text}${eol}`,
    );
    const body =
      made.chunks === null
        ? made.body
        : `${chunks.join('')}0${eol}${made.trailer.map((field) => field + eol).join('')}${eol}`;
    const interim = made.interim ? `HTTP/1.1 100 Continue${eol}${eol}` : '';
    return { text: interim + head + (isBodiless ? '' : body), kind };
  });

describe('HTTP/1 answers made at random', () => {
  it('end where they were made to end, however the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(madeAnswer, { minLength: 1, maxLength: 5 }),
        fc.array(fc.nat(600), { maxLength: 12 }),
        (answers, cuts) => {
          const stream = octets(answers.map(({ text }) => text).join(''));
          let at = 0;
          const ends = answers.map(({ text }) => {
            at += text.length;
            return at;
          });
          const sorted = [...new Set(cuts)].sort((a, b) => a - b);
          const kinds = answers.map(({ kind }) => kind);
          const followed = follow(new Http1Answers(), stream, kinds, { cuts: sorted });
          expect(followed.map(({ end }) => end)).toEqual(ends);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('are the same for any octets, however they are cut', () => {
    const piece = fc.constantFrom(
      'HTTP/1.1 200 OK\r\n',
      'Content-Length: 3\r\n',
      'Content-Length: 12',
      'Transfer-Encoding: chunked\r\n',
      '\r\n',
      '\r',
      '\n',
      '3\r\n',
      '0\r\n',
      'abc',
      ',',
      ' ',
      ':',
      ';',
    );
    fc.assert(
      fc.property(
        fc.array(fc.oneof(piece, fc.string({ unit: 'binary', maxLength: 2 })), { maxLength: 12 }),
        fc.array(fc.nat(80), { maxLength: 10 }),
        (texts, cuts) => {
          const stream = octets(`HTTP/1.1 200 OK\r\n${texts.join('')}`);
          const sorted = [...new Set(cuts)].sort((a, b) => a - b);
          const kinds = [OTHER, HEAD, OTHER];
          const framer = new Http1Answers();
          expect(follow(framer, stream, kinds, { cuts: sorted })).toEqual(
            follow(framer, stream, kinds),
          );
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('are what they are, whatever the framer has read before', () => {
    const head = fc.constantFrom(
      'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc',
      'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nabcdefg',
      'HTTP/1.1 200 OK\r\nServer: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n',
      'HTTP/1.1 101 Switching Protocols\r\n\r\n',
      'HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n',
      'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc',
      `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(1_000)}\r\nContent-Length: 1\r\n\r\na`,
    );
    const turn = fc.record({
      text: head,
      kind: fc.constantFrom(OTHER, OTHER, OTHER, HEAD, CONNECT),
      // Mostly whole and as it was.
      change: fc.option(fc.record({ at: fc.nat(60), octet: fc.nat(255) }), { freq: 6, nil: null }),
      atHand: fc.option(fc.nat(90), { freq: 4, nil: null }),
      times: fc.integer({ min: 1, max: 4 }),
    });
    fc.assert(
      fc.property(fc.array(turn, { minLength: 1, maxLength: 12 }), (turns) => {
        const used = new Http1Answers();
        for (const { text, kind, change, atHand, times } of turns) {
          const stream = octets(` ${text}`);
          if (change !== null && change.at + 1 < stream.length)
            stream[change.at + 1] = change.octet;
          const bytes = stream.length - 1;
          for (let time = 0; time < times; time++) {
            const [was, is] = [new Http1Answers(), used].map((framer) => {
              framer.begin(kind);
              const there = Math.min(atHand ?? bytes, bytes);
              const outcome = framer.feed(new DataView(stream.buffer), 1, there, bytes);
              const words = new Uint32Array(FRAMER_WORDS);
              framer.save(words, 0);
              const { endBytes, fault, code, replyClass, isSwitch, skipBytes } = framer;
              return { outcome, words, endBytes, fault, code, replyClass, isSwitch, skipBytes };
            });
            expect(is).toEqual(was);
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});
