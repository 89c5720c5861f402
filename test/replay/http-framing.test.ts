import { describe, expect, test } from 'vitest';
import {
  answerHead,
  endsChunks,
  findAnswerStart,
  isAnswerStart,
  UNKNOWN_END,
} from '../../src/replay/http-framing.ts';

/** The text behind octets that are none of its own. */
function viewOf(text: string): [data: DataView, start: number, bytes: number] {
  const octets = new TextEncoder().encode(`??${text}HTTP/1.1 999`);
  return [new DataView(octets.buffer), 2, octets.length - 2 - 'HTTP/1.1 999'.length];
}

describe('the head of an answer', () => {
  const nothing = { statusClass: 0, isChunked: false, hasLength: false };

  test.each([
    ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', { statusClass: 2, hasLength: true }],
    ['HTTP/1.0 404 Not Found\r\n\r\n', { statusClass: 4, hasLength: false }],
    ['HTTP/1.1 503 \r\n', { statusClass: 5 }],
    ['HTTP/1.1 302 F', { statusClass: 3 }],
    ['HTTP/1.1 304 Not Modified\r\n\r\n', { statusClass: 2 }],
    ['HTTP/1.1 101 Switching Protocols\r\n\r\n', { statusClass: 1 }],
    ['HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\n\r\n', { statusClass: 2 }],
    ['HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 500 Oh\r\n', { statusClass: 5 }],
    ['HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n', { isChunked: true }],
    ['HTTP/1.1 100 Continue\r\n\r\n', nothing],
    ['HTTP/1.1 100 Continue\r\nX: cut', nothing],
    ['HTTP/1.1 20', nothing],
    ['HTTP/1.1 x00 OK\r\n\r\n', nothing],
    ['HTTP/2 200 OK of no kind\r\n', nothing],
    ['SSH-2.0-OpenSSH_9.6\r\n', nothing],
    ['', nothing],
  ])('%j', (text, head) => {
    expect(answerHead(...viewOf(text), false)).toMatchObject(head);
  });

  test.each([
    { text: 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', toHead: false, bytes: 43 },
    { text: 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', toHead: true, bytes: 38 },
    { text: 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n', toHead: false, bytes: UNKNOWN_END },
    { text: 'HTTP/1.1 200 OK\r\nContent-Length: 4294967296\r\n\r\n', bytes: 4294967343 },
    { text: 'HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n', bytes: 38 },
    { text: 'HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n', bytes: 38 },
    { text: 'HTTP/1.1 200 OK\r\n\r\n', bytes: UNKNOWN_END },
    { text: 'HTTP/1.1 101 Up\r\nContent-Length: 5\r\n\r\n', bytes: UNKNOWN_END },
    {
      text: 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 OK\r\nContent-Length: 2\r\n\r\n',
      bytes: 65,
    },
  ])('says that $text, to HEAD $toHead, has $bytes octets', ({ text, toHead = false, bytes }) => {
    expect(answerHead(...viewOf(text), toHead).bytes).toBe(bytes);
  });

  test('is looked for within the octets alone', () => {
    for (const text of ['HTTP/1.1 200 OK\r\n\r\n', 'HTTP/1.', 'H', 'x']) {
      expect(isAnswerStart(...viewOf(text))).toBe(text.startsWith('H'));
    }
    expect(isAnswerStart(...viewOf(''))).toBe(false);
    expect(findAnswerStart(...viewOf('0\r\n\r\nHTTP/1.1 200'))).toBe(5);
    expect(findAnswerStart(...viewOf('0\r\n\r\nHTTP/'))).toBe(-1);
  });

  test('with a body in chunks says nothing of its length', () => {
    const text = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n';
    expect(answerHead(...viewOf(text), false).bytes).toBe(UNKNOWN_END);
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
  expect(endsChunks(...viewOf(text))).toBe(ends);
});
