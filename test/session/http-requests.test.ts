import { describe, expect, test } from 'vitest';
import { findHttpRequests, NO_ANSWER } from '../../src/session/script/http-requests.ts';
import { PCAP_NANOSECONDS, pcap } from '../helpers/packets.ts';
import { frameOf, handshake, record, type SentSegment } from '../helpers/recording.ts';

/** Ends of the requests and of their answers, when the streams are cut into such segments. */
function find(requests: string, answers: string, segmentBytes = 1000) {
  const cut = (from: 'client' | 'server', text: string, atMs: number): SentSegment[] =>
    Array.from({ length: Math.ceil(text.length / segmentBytes) }, (_, i) => ({
      from,
      atMs: atMs + i,
      at: i * segmentBytes,
      acked: from === 'client' ? 0 : requests.length,
      payload: text.slice(i * segmentBytes, (i + 1) * segmentBytes),
    }));
  const talk = [...handshake(), ...cut('client', requests, 30), ...cut('server', answers, 9000)];
  const file = pcap(talk.map(frameOf), { magic: PCAP_NANOSECONDS });
  const found = findHttpRequests(record(talk).scripts(), (offset, into) =>
    into.set(file.subarray(offset, offset + into.length)),
  );
  expect([...found.first]).toEqual([0, found.requestEnd.length]);
  return [...found.requestEnd].map((end, i) => [
    end,
    found.answerEnd[i] === NO_ANSWER ? null : found.answerEnd[i],
  ]);
}

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello';
const post = (head: string, body: string) => `POST /a HTTP/1.1\r\n${head}\r\n\r\n${body}`;
const answer = (head: string, body = '') => `HTTP/1.1 ${head}\r\n\r\n${body}`;
/** Running ends of texts that follow one another. */
const ends = (...texts: readonly string[]) =>
  texts.map((_, i) => texts.slice(0, i + 1).join('').length);

describe('requests and their answers are found', () => {
  const chunks = '5;a=b\r\nhello\r\n0a\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n';
  test.each([
    { name: 'one', requests: [GET], answers: [OK] },
    { name: 'pipelined', requests: [GET, GET, GET], answers: [OK, OK, OK] },
    {
      name: 'with a body',
      requests: [post('Content-Length: 7', 'x=y&z=1'), GET],
      answers: [OK, OK],
    },
    {
      name: 'with a body that looks like a request',
      requests: [post(`content-length: ${GET.length}`, GET), GET],
      answers: [OK, OK],
    },
    {
      name: 'in chunks',
      requests: [post('Transfer-Encoding: chunked', chunks), GET],
      answers: [answer('200 OK\r\nTransfer-Encoding: gzip, chunked', chunks), OK],
    },
    {
      name: 'with bare line feeds',
      requests: [GET.replaceAll('\r', ''), GET],
      answers: [OK.replaceAll('\r', ''), OK],
    },
    {
      name: 'after an interim answer',
      requests: [post('Expect: 100-continue\r\nContent-Length: 3', 'abc'), GET],
      answers: [answer('100 Continue') + OK, OK],
    },
    {
      name: 'of HEAD',
      requests: [GET.replace('GET', 'HEAD'), GET],
      answers: [answer('200 OK\r\nContent-Length: 5000'), OK],
    },
    {
      name: 'without a body by their status',
      requests: [GET, GET, GET],
      answers: [answer('204 No Content'), answer('304 Not Modified\r\nContent-Length: 9'), OK],
    },
    {
      name: 'with an answer until the end',
      requests: [GET],
      answers: [answer('200 OK', 'until the end')],
    },
  ])('$name', ({ requests, answers }) => {
    const expected = ends(...requests).map((end, i) => [end, ends(...answers)[i]]);
    for (const segmentBytes of [1, 2, 7, 50, 1000]) {
      expect(find(requests.join(''), answers.join(''), segmentBytes)).toEqual(expected);
    }
  });

  test('through bodies larger than any buffer', () => {
    const requests = [post('Content-Length: 40000', 'x'.repeat(40_000)), GET];
    const answers = [answer('200 OK\r\nContent-Length: 30000', 'y'.repeat(30_000)), OK];
    const expected = ends(...requests).map((end, i) => [end, ends(...answers)[i]]);
    expect(find(requests.join(''), answers.join(''))).toEqual(expected);
  });
});

describe('what is no request any more is none', () => {
  test.each([
    {
      name: 'after an upgrade',
      requests: [GET, '\x81\x05hello'],
      answers: [answer('101 Switching Protocols'), 'frames'],
    },
    {
      name: 'after CONNECT',
      requests: ['CONNECT x:1 HTTP/1.1\r\n\r\n', GET],
      answers: [answer('200 OK'), OK],
    },
    { name: 'half a request', requests: [GET, GET.slice(0, 9)], answers: [OK] },
    { name: 'half a body', requests: [GET, post('Content-Length: 9', 'x')], answers: [OK] },
    {
      name: 'chunks that are none',
      requests: [GET, post('Transfer-Encoding: chunked', 'zz\r\n')],
      answers: [OK],
    },
  ])('$name', ({ requests, answers }) => {
    expect(find(requests.join(''), answers.join(''))).toEqual([
      [requests[0].length, answers[0].length],
    ]);
  });

  test('an answer that breaks off is none, and none follow it', () => {
    expect(find(GET + GET, OK.slice(0, -1))).toEqual([
      [GET.length, null],
      [2 * GET.length, null],
    ]);
  });
});
