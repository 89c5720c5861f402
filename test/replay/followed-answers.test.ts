/** Answers of other lengths than recorded, in protocols that tell where an answer ends. */
import { describe, expect, test } from 'vitest';
import { Counter } from '../../src/measure/counters.ts';
import { Latency } from '../../src/measure/histograms.ts';
import { Conversation } from '../../src/protocol/conversation.ts';
import {
  MemcachedBinaryAnswers,
  MemcachedBinaryRequests,
} from '../../src/protocol/memcached-binary.ts';
import { recognise } from '../../src/protocol/recognise.ts';
import type { Said, SessionSpec } from '../helpers/scripts.ts';
import { named, play } from './play.ts';

const storedOctets = (octets: Uint8Array) => ({
  bytes: octets.length,
  read: (at: number, into: Uint8Array) => into.set(octets.subarray(at, at + into.length)),
});

const resp = (...words: string[]): string =>
  `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`;
const bulk = (bytes: number): string => `$${bytes}\r\n${'v'.repeat(bytes)}\r\n`;

/** What each side says, in turn, so many milliseconds apart; the client first. */
const talk = (...texts: (string | readonly string[])[]): SessionSpec => ({
  said: texts.flatMap((text, i): Said[] =>
    [text].flat().map((piece, j) => ({
      from: i % 2 === 0 ? 'client' : 'server',
      text: piece,
      afterMs: j === 0 ? 10 : 2,
    })),
  ),
});

describe('Redis', () => {
  const commands = Array.from({ length: 16 }, (_, i) => resp('GET', `key:${i}`));
  const all = commands.join('');
  const recorded = talk(all, commands.map(() => bulk(10)).join(''), resp('PING'), '+PONG\r\n');

  test.each([
    ['in one packet', [commands.map((_, i) => bulk(3 * i)).join('')]],
    ['a packet each', commands.map((_, i) => bulk(40 - i))],
    [
      'cut anywhere',
      commands
        .map((_, i) => bulk(i))
        .join('')
        .match(/.{1,7}/gs) ?? [],
    ],
    [
      'nulls, errors and lists',
      [commands.map((_, i) => ['$-1\r\n', '-ERR no\r\n', '*1\r\n:1\r\n'][i % 3]).join('')],
    ],
  ])('commands in one segment are exchanges of their own, answered %s', (_, answers) => {
    const server = talk(all, answers, resp('PING'), '+PONG\r\n');
    const played = play([recorded], { users: 3, server: [server] });
    expect(named(played.counters)).toMatchObject({
      COMPLETED: 3,
      EXCHANGES_PLANNED: 51,
      EXCHANGES_SENT: 51,
      EXCHANGES_ANSWERED: 51,
      ANSWER_BY_PROTOCOL: 51,
    });
    expect(played.latency.row(Latency.FIRST_BYTE).count).toBe(51);
    expect(played.latency.row(Latency.SERVICE).count).toBe(51);
    expect(played.latency.row(Latency.SERVICE).max).toBeCloseTo(10 + 2 * (answers.length - 1), 0);
  });

  test('in an open loop as well', () => {
    const server = talk(
      all,
      commands.map((_, i) => bulk(40 - i)),
      resp('PING'),
      '+PONG\r\n',
    );
    const played = play([recorded], { users: 3, server: [server], pace: 'schedule' });
    expect(named(played.counters)).toMatchObject({ COMPLETED: 3, ANSWER_BY_PROTOCOL: 51 });
  });

  test('a push that nobody asked for is no answer', () => {
    const session = talk(resp('GET', 'a'), '$1\r\n1\r\n', resp('GET', 'b'), '$1\r\n2\r\n');
    const push = '>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n';
    const server = talk(
      resp('GET', 'a'),
      `${push}$3\r\n111\r\n`,
      resp('GET', 'b'),
      `$4\r\n2222\r\n`,
    );
    const played = play([session], { server: [server] });
    expect(named(played.counters)).toMatchObject({ COMPLETED: 1, ANSWER_BY_PROTOCOL: 2 });
  });

  test('an error where a value was recorded has failed', () => {
    const session = talk(resp('GET', 'a'), '$1\r\n1\r\n');
    const played = play([session], { server: [talk(resp('GET', 'a'), '-WRONGTYPE no\r\n')] });
    expect(named(played.counters)).toMatchObject({
      COMPLETED: 1,
      EXCHANGES_FAILED: 1,
      COMPLETED_WITH_FAILURES: 1,
    });
  });
});

describe('a server that speaks first', () => {
  const session = (host: string, text: string): SessionSpec => ({
    said: [
      { from: 'server', text: `220 ${host} ready\r\n`, afterMs: 5 },
      { from: 'client', text: 'EHLO me\r\n', afterMs: 1 },
      { from: 'server', text: `250-${host}\r\n250-SIZE\r\n250 HELP\r\n`, afterMs: 5 },
      { from: 'client', text: 'QUIT\r\n', afterMs: 1 },
      { from: 'server', text: `221 ${text}\r\n`, afterMs: 5 },
    ],
  });

  test.each([
    ['mail.example.org', 'see you later'],
    ['mx', 'so'],
  ])('may greet as %s', (host, text) => {
    const played = play([session('host', 'bye')], { users: 5, server: [session(host, text)] });
    expect(named(played.counters)).toMatchObject({
      COMPLETED: 5,
      EXCHANGES_ANSWERED: 10,
      ANSWER_BY_PROTOCOL: 10,
      EXCHANGES_OTHER_LENGTH: 10,
    });
    expect(played.counters[Counter.EXCHANGES_UNSOLICITED]).toBe(0);
    expect(played.endMs).toBeLessThan(100);
  });
});

describe('MySQL whose packets are compressed', () => {
  const bytes = (...values: number[]): string => String.fromCharCode(...values);
  const packet = (number: number, payload: string): string =>
    bytes(payload.length, 0, 0, number) + payload;
  const compressed = (number: number, payload: string): string =>
    bytes(payload.length, 0, 0, number, 0x20, 0, 0) + payload;
  /** PROTOCOL_41 and COMPRESS. */
  const login = packet(1, `${bytes(0x20, 0x02, 0, 0)}${'x'.repeat(60)}`);
  const conversation = (...answers: string[]): SessionSpec => ({
    said: [
      { from: 'server', text: packet(0, '\x0a8.0.36\x00abcdefgh'), afterMs: 5 },
      { from: 'client', text: login, afterMs: 5 },
      { from: 'server', text: packet(2, '\x00\x00\x00\x02\x00\x00\x00'), afterMs: 5 },
      ...answers.flatMap((answer): Said[] => [
        { from: 'client', text: compressed(0, 'x\x9cselect'), afterMs: 5 },
        { from: 'server', text: compressed(1, answer), afterMs: 5 },
      ]),
    ],
  });

  test('is followed up to there, and then each answer is counted as one that is not', () => {
    const recorded = conversation('abc', 'defg', 'hij');
    const played = play([recorded], { server: [conversation('abcd', 'def', 'hij')], users: 2 });
    expect(named(played.counters)).toMatchObject({
      COMPLETED: 2,
      EXCHANGES_ANSWERED: 8,
      ANSWERS_UNFOLLOWED: 6,
      ANSWER_BY_PROTOCOL: 2,
      ANSWER_BY_LENGTH: 4,
      ANSWER_BY_QUIET: 2,
    });
  });
});

describe('requests that break the rules of HTTP', () => {
  const refusal = (bytes: number): string =>
    `HTTP/1.1 400 Bad Request\r\nContent-Length: ${bytes}\r\n\r\n${'x'.repeat(bytes)}`;
  const page = (bytes: number): string =>
    `HTTP/1.1 200 OK\r\nContent-Length: ${bytes}\r\n\r\n${'x'.repeat(bytes)}`;
  const broken = 'OPTIONS HTTP/1.1\r\nHost: a\r\n\r\n';
  const whole = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

  test.each([
    ['alone', [broken], [refusal(990)], [refusal(3)]],
    [
      'in two messages',
      [['OPTIONS HTTP/1.1\r\n', 'Host: a\r\n\r\n']],
      [refusal(990)],
      [refusal(3)],
    ],
    ['behind one that does not', [whole, broken], [page(5), refusal(990)], [page(7), refusal(3)]],
    ['before one that does not', [broken, whole], [refusal(990), page(5)], [refusal(3), page(7)]],
  ] as const)('%s are answered by HTTP: by its status and its own length', (_, said, was, is) => {
    const turns = (answers: readonly string[]) =>
      talk(...said.flatMap((each, i) => [each, answers[i] ?? '']));
    const { counters, classes } = play([turns(was)], { users: 3, server: [turns(is)] });
    const answered = 3 * said.length;
    expect(named(counters)).toMatchObject({
      ...{ COMPLETED: 3, EXCHANGES_SENT: answered, EXCHANGES_ANSWERED: answered },
      ...{ ANSWER_BY_PROTOCOL: answered, STATUS_4XX: 3 },
    });
    expect(named(counters).EXCHANGES_MISMATCHED ?? 0).toBe(0);
    expect(named(counters).EXCHANGES_FAILED ?? 0).toBe(0);
    expect(classes.names).toEqual(said.length === 1 ? [] : ['GET /', 'other']);
  });

  test('an answer that is none of HTTP is as long as it was', () => {
    const { counters } = play([talk(whole, page(5), broken, 'what do you want?')], { users: 2 });
    expect(named(counters)).toMatchObject({ EXCHANGES_ANSWERED: 4, ANSWER_BY_LENGTH: 2 });
  });

  test('what goes through a tunnel is not of HTTP', () => {
    const opened = 'HTTP/1.1 200 Connection Established\r\n\r\n';
    const tunnel = talk('CONNECT a:25 HTTP/1.1\r\n\r\n', opened, broken, refusal(990));
    expect(named(play([tunnel]).counters)).toMatchObject({
      ...{ EXCHANGES_ANSWERED: 2, ANSWER_BY_PROTOCOL: 1, ANSWER_BY_LENGTH: 1 },
    });
  });
});

describe('HTTP requests of several messages', () => {
  const head = 'POST /upload HTTP/1.1\r\nContent-Length: 3000\r\n\r\n';
  const body = 'b'.repeat(1000);
  const answer = (status: number, bytes: number): string =>
    `HTTP/1.1 ${status} X\r\nContent-Length: ${bytes}\r\n\r\n${'x'.repeat(bytes)}`;
  const piece = (text: string, afterMs: number): Said => ({ from: 'client', text, afterMs });
  const upload = (answers: readonly Said[]): SessionSpec => ({
    said: [piece(head, 1), piece(body, 10), piece(body, 10), piece(body, 10), ...answers],
  });
  const recorded = upload([{ from: 'server', text: answer(200, 5), afterMs: 10 }]);

  test('are one exchange', () => {
    const played = play([recorded]);
    expect(named(played.counters)).toMatchObject({ COMPLETED: 1, ANSWER_BY_PROTOCOL: 1 });
    expect(played.latency.row(Latency.SERVICE).max).toBeCloseTo(10, 0);
  });

  test('may be answered before they are complete', () => {
    const early: SessionSpec = {
      said: [
        piece(head, 1),
        { from: 'server', text: answer(413, 9), afterMs: 5, awaited: head.length },
        piece(body, 10),
        piece(body, 10),
        piece(body, 10),
      ],
    };
    const played = play([recorded], { server: [early] });
    expect(named(played.counters)).toMatchObject({
      COMPLETED: 1,
      EXCHANGES_SENT: 1,
      ANSWER_BY_PROTOCOL: 1,
      STATUS_4XX: 1,
    });
    expect(played.counters[Counter.EXCHANGES_UNSOLICITED]).toBe(0);
    expect(played.latency.row(Latency.SERVICE).max).toBeCloseTo(5, 0);
  });
});

describe('a request whose client waits for leave to go on', () => {
  const head = 'POST /upload HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n';
  const body = 'b'.repeat(1000);
  const leave = 'HTTP/1.1 100 Continue\r\n\r\n';
  const answer = (status: number, bytes: number): string =>
    `HTTP/1.1 ${status} X\r\nContent-Length: ${bytes}\r\n\r\n${'x'.repeat(bytes)}`;
  const get = 'GET / HTTP/1.1\r\n\r\n';
  const recorded = talk(head, leave, body, answer(200, 5), get, answer(200, 7));

  test.each([
    ['as recorded', recorded],
    [
      'which is longer',
      talk(
        head,
        'HTTP/1.1 100 Continue\r\nServer: a\r\n\r\n',
        body,
        answer(201, 50),
        get,
        answer(200, 70),
      ),
    ],
    [
      'in pieces, behind hints',
      talk(
        head,
        ['HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 1', '00 Continue\r\n\r\n'],
        body,
        [answer(200, 50).slice(0, 9), answer(200, 50).slice(9)],
        get,
        answer(200, 70),
      ),
    ],
  ])('is one exchange: %s', (_, server) => {
    const played = play([recorded], { server: [server], users: 2 });
    expect(named(played.counters)).toMatchObject({
      COMPLETED: 2,
      EXCHANGES_PLANNED: 4,
      EXCHANGES_ANSWERED: 4,
      ANSWER_BY_PROTOCOL: 4,
      STATUS_2XX: 4,
    });
    expect(named(played.counters)).not.toHaveProperty('ANSWERS_UNFOLLOWED');
    expect(played.latency.row(Latency.SERVICE).min).toBeGreaterThan(9);
  });

  test('may be refused at once, and goes on as it was recorded', () => {
    const server: SessionSpec = {
      said: [
        { from: 'client', text: head, afterMs: 10 },
        { from: 'server', text: answer(413, 9), afterMs: 10 },
        { from: 'client', text: body, afterMs: 10 },
        { from: 'client', text: get, afterMs: 10 },
        { from: 'server', text: answer(200, 70), afterMs: 10 },
      ],
    };
    const played = play([recorded], { server: [server], users: 2 });
    expect(named(played.counters)).toMatchObject({
      COMPLETED: 2,
      EXCHANGES_ANSWERED: 4,
      ANSWER_BY_PROTOCOL: 4,
      STATUS_2XX: 2,
      STATUS_4XX: 2,
      MISMATCHED_STATUS: 2,
    });
  });

  test('an answer that was recorded before its request was complete is that of this request', () => {
    const early = (...bytes: readonly number[]): SessionSpec => {
      const [first, second, third] = bytes.map((each) => answer(each === 9 ? 413 : 200, each));
      const half = body.slice(500);
      return talk(head + half, first ?? '', half, [], get, second ?? '', get, third ?? '');
    };
    const played = play([early(9, 7, 8)], { server: [early(9, 70, 80)], users: 2 });
    expect(named(played.counters)).toMatchObject({
      COMPLETED: 2,
      EXCHANGES_ANSWERED: 6,
      ANSWER_BY_PROTOCOL: 6,
      STATUS_4XX: 2,
    });
    expect(named(played.counters)).not.toHaveProperty('EXCHANGES_MISMATCHED');
    expect(played.classes.names).toEqual(['GET /', 'POST /upload']);
  });
});

describe('a framing that the user declares', () => {
  const big = (text: string): string => `\x00\x00\x00${String.fromCharCode(text.length)}${text}`;
  const field = { offset: 0, bytes: 4, endian: 'big', add: 4 } as const;
  const recorded = talk(big('ask') + big('again'), big('yes') + big('no'), big('bye'), big('bye'));
  const server = talk(
    big('ask') + big('again'),
    [big('a longer one') + big('x').slice(0, 2), big('x').slice(2)],
    big('bye'),
    big(''),
  );

  test.each([
    ['of its port', [{ port: 80, protocol: field }], 3],
    ['of all that nobody knows', [{ port: null, protocol: field }], 3],
    ['of another port', [{ port: 81, protocol: field }], 0],
    [
      'and nothing of its port',
      [
        { port: 80, protocol: 'none' },
        { port: null, protocol: field },
      ],
      0,
    ],
  ])('tells where answers end: %s', (_, protocols, byProtocol) => {
    const played = play([recorded], { server: [server], protocols });
    expect(played.counters[Counter.COMPLETED]).toBe(1);
    expect(played.counters[Counter.ANSWER_BY_PROTOCOL]).toBe(byProtocol);
    expect(played.counters[Counter.EXCHANGES_ANSWERED]).toBe(byProtocol === 0 ? 2 : 3);
  });

  test('may be lines', () => {
    const lines = talk('a\nb\n', '1\n2\n', 'c\n', '3\n');
    const other = talk('a\nb\n', 'eleven\n\n', 'c\n', 'thirty-three\n');
    const protocols = [{ port: null, protocol: 'line' }];
    const played = play([lines], { server: [other], protocols });
    expect(named(played.counters)).toMatchObject({ COMPLETED: 1, ANSWER_BY_PROTOCOL: 3 });
  });
});

describe('memcached in its binary form', () => {
  const header = (magic: number, opcode: number, status: number, body: string, opaque: number) =>
    `${String.fromCharCode(magic, opcode, 0, 0, 0, 0, 0, status, 0, 0, 0, body.length, 0, 0, 0, opaque)}${'\0'.repeat(8)}${body}`;
  const octets = (text: string): Uint8Array => Uint8Array.from(text, (each) => each.charCodeAt(0));

  test('is followed, quiet commands included', () => {
    const requests = new MemcachedBinaryRequests();
    const answers = new MemcachedBinaryAnswers();
    const said = octets(
      header(0x80, 0x09, 0, 'k1', 1) +
        header(0x80, 0x00, 0, 'k2', 2) +
        header(0x80, 0x10, 0, '', 3),
    );
    const heard = octets(
      header(0x81, 0x09, 0, 'hit', 1) +
        header(0x81, 0x00, 1, 'Not found', 2) +
        header(0x81, 0x10, 0, 'pid1', 3) +
        header(0x81, 0x10, 0, '', 3),
    );
    const conversation = new Conversation({
      requests: () => requests,
      answers: () => answers,
      hasGreeting: false,
    });
    const found = [...conversation.exchanges(storedOctets(said), storedOctets(heard))];
    expect(found).toEqual([
      { requestEnd: 26, answerEnd: -1, isUnanswered: true },
      { requestEnd: 52, answerEnd: 27 + 33, isUnanswered: false },
      { requestEnd: 76, answerEnd: 27 + 33 + 28 + 24, isUnanswered: false },
    ]);
    expect(recognise(said, heard, false)).toBe('memcached-binary');
  });
});
