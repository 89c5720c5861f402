/** Servers that break the rules of their own protocol: their users end, under a reason that says how. */
import { describe, expect, test } from 'vitest';
import { PREFIX_BYTES } from '../../src/base/prefix-bytes.ts';
import { Counter } from '../../src/measure/counters.ts';
import type { Said, SessionSpec } from '../helpers/scripts.ts';
import { named, play } from './play.ts';

const page = (bytes: number, header = ''): string =>
  `HTTP/1.1 200 OK\r\n${header}Content-Length: ${bytes}\r\n\r\n${'x'.repeat(bytes)}`;

/** Of each packet the beginning is at hand: pieces are no longer. */
const inPieces = (text: string): string[] => text.match(/.{1,1000}/gs) ?? [];

/** What each side says, in turn, 5 ms apart; the client first. */
const talk = (...texts: (string | readonly string[])[]): SessionSpec => ({
  said: texts.flatMap((text, i): Said[] =>
    [text].flat().map((piece) => ({
      from: i % 2 === 0 ? 'client' : 'server',
      text: piece,
      afterMs: 5,
    })),
  ),
});

describe('an answer that breaks the rules of HTTP', () => {
  const gets = (path: string): string => `GET ${path} HTTP/1.1\r\n\r\n`;
  const twice = (...first: readonly string[]): SessionSpec =>
    talk(gets('/1'), first, gets('/2'), page(40));
  const chunk = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n';
  const header = `X-Long: ${'y'.repeat(1_014)}\r\n`.repeat(10 * 1_024);
  const long = `HTTP/1.1 200 OK\r\n${header}\r\n`;

  test.each<[string, readonly string[], keyof typeof Counter]>([
    ['garbage', ['\0\u0001'.repeat(99)], 'ABORTED_ANSWER_MALFORMED'],
    ['garbage in place of a status', ['HTTP/1.1 ', 'fine\r\n\r\n'], 'ABORTED_ANSWER_MALFORMED'],
    ['garbage behind empty lines', ['\r\n\r\n220 mx\r\n'], 'ABORTED_ANSWER_MALFORMED'],
    [
      '2^63 octets',
      [page(3, 'Content-Length: 9223372036854775808\r\n')],
      'ABORTED_ANSWER_BAD_LENGTH',
    ],
    ['two lengths', [page(30, 'Content-Length: 31\r\n')], 'ABORTED_ANSWER_BAD_LENGTH'],
    ['a chunk of 2^64 octets', [chunk, '10000000000000000\r\n'], 'ABORTED_ANSWER_BAD_LENGTH'],
    ['a chunk of many octets', [chunk, 'many\r\nmore'], 'ABORTED_ANSWER_MALFORMED'],
    ['a chunk longer than it says', [chunk, '3\r\nabcd\r\n'], 'ABORTED_ANSWER_MALFORMED'],
    ['ten megabytes of header', inPieces(long), 'ABORTED_ANSWER_TOO_LONG'],
    [
      'a chunk line of 20 KB',
      [chunk, ...inPieces(`5;${'e'.repeat(20_000)}`)],
      'ABORTED_ANSWER_TOO_LONG',
    ],
  ])('ends its user under a reason: %s', (_, first, reason) => {
    const played = play([twice(page(30))], { users: 2, server: [twice(...first)] });
    expect(named(played.counters)).toMatchObject({
      ABORTED: 2,
      [reason]: 2,
      EXCHANGES_SENT: 2,
    });
    expect(played.counters[Counter.EXCHANGES_ANSWERED]).toBe(0);
    expect(played.counters[Counter.EXCHANGES_UNSOLICITED]).toBe(0);
    // Whatever more of it is to come, nobody takes it.
    expect(played.counters[Counter.PAYLOAD_BYTES_RECEIVED]).toBeLessThan(2 * 2 ** 21);
  });

  test('and never ends is waited for, and no longer than for silence', () => {
    const server = twice(chunk, 'fffff\r\nmore');
    const played = play([twice(page(30))], { users: 2, server: [server], timeoutNs: 2e9 });
    expect(named(played.counters)).toMatchObject({ TIMED_OUT_DURING_ANSWER: 2 });
  });

  test.each([
    ['in one packet', [page(30) + page(9)]],
    ['in two', [page(30), page(9)]],
    ['and it is none', [`${page(30)}more`]],
  ])('a second one ends its user, for nobody can tell whose the third is: %s', (_, first) => {
    const played = play([twice(page(30))], { users: 2, server: [twice(...first)] });
    expect(named(played.counters)).toMatchObject({
      ABORTED: 2,
      ABORTED_ANSWER_EXCESS: 2,
      EXCHANGES_UNSOLICITED: 2,
      EXCHANGES_ANSWERED: 2,
      EXCHANGES_SENT: 2,
    });
  });

  test('behind the last request a second one breaks nothing, nor do empty lines', () => {
    const server = talk(gets('/1'), `${page(30)}\r\n`, gets('/2'), page(40) + page(9));
    const played = play([twice(page(30))], { users: 2, server: [server] });
    expect(named(played.counters)).toMatchObject({ COMPLETED: 2, EXCHANGES_ANSWERED: 4 });
  });

  test('a server that has waited too long may say so unasked, and closes', () => {
    const late: Said = { from: 'server', text: 'HTTP/1.1 408 Late\r\n\r\n', afterMs: 1 };
    const said = [...twice(page(30)).said.slice(0, 2), late];
    const played = play([twice(page(30))], { server: [{ said, end: 'server' }] });
    expect(named(played.counters)).toMatchObject({ ABORTED_CLOSED_EARLY: 1 });
  });

  test('is none where the recorded one broke them, too', () => {
    const odd = twice('ICY 200 OK\r\n\r\n');
    expect(named(play([odd]).counters)).toMatchObject({ COMPLETED: 1, EXCHANGES_ANSWERED: 2 });
  });

  test('is none where it may be the rest of one whose end was not at hand', () => {
    const head = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';
    const first = `${head}${PREFIX_BYTES.toString(16)}\r\n${'c'.repeat(PREFIX_BYTES)}\r\n0\r\n\r\n`;
    const server = talk(gets('/1'), first, gets('/2'), `rest${page(40)}`);
    const played = play([twice(page(30))], { server: [server] });
    expect(named(played.counters)).toMatchObject({ COMPLETED: 1, EXCHANGES_UNSOLICITED: 1 });
  });

  test('is none behind an upgrade that nobody recorded', () => {
    const upgrade = 'HTTP/1.1 101 Yes\r\nUpgrade: h2c\r\n\r\n';
    const server = talk(gets('/1'), upgrade, gets('/2'), `\0\0${'\u0004'.repeat(80)}`);
    const played = play([twice(page(30))], { server: [server], timeoutNs: 2e9 });
    expect(played.counters[Counter.ABORTED]).toBe(0);
  });
});

describe('other protocols', () => {
  const resp = (...words: string[]): string =>
    `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`;
  const redis = [resp('GET', 'a'), '$1\r\n1\r\n', resp('GET', 'b'), '$1\r\n2\r\n'];
  const memcached = ['get a\r\n', 'VALUE a 0 1\r\n1\r\nEND\r\n', 'get b\r\n', 'END\r\n'];
  const lines = ['NOOP\r\n', '250 OK\r\n', 'RSET\r\n', '250 OK\r\n'];
  const pop3 = ['STAT\r\n', '+OK 2 320\r\n', 'NOOP\r\n', '+OK\r\n'];

  test.each([
    ['redis', redis, 'garbage', 'ABORTED_ANSWER_MALFORMED'],
    ['redis', redis, '$ten\r\n', 'ABORTED_ANSWER_BAD_LENGTH'],
    ['redis', redis, `$${2 ** 63}\r\n`, 'ABORTED_ANSWER_BAD_LENGTH'],
    ['memcached', memcached, 'VALUE a 0 many\r\n', 'ABORTED_ANSWER_BAD_LENGTH'],
    ['memcached', memcached, '\0\u0001\u0002', 'ABORTED_ANSWER_MALFORMED'],
    ['smtp', lines, 'welcome\r\n', 'ABORTED_ANSWER_MALFORMED'],
    ['pop3', pop3, '220 OK\r\n', 'ABORTED_ANSWER_MALFORMED'],
  ])('%s', (protocol, said, answer, reason) => {
    const server = talk(said[0], answer, said[2], said[3]);
    const protocols = [{ port: null, protocol }];
    const played = play([talk(...said)], { users: 2, server: [server], protocols });
    expect(named(played.counters)).toMatchObject({ ABORTED: 2, [reason]: 2 });
    const asRecorded = play([talk(...said)], { protocols });
    expect(named(asRecorded.counters)).toMatchObject({ COMPLETED: 1, ANSWER_BY_PROTOCOL: 2 });
  });

  test('mysql, whose answers may be made up otherwise than when it was recorded', () => {
    const packet = (number: number, payload: string): string =>
      `${String.fromCharCode(payload.length)}\0\0${String.fromCharCode(number)}${payload}`;
    const ok = '\0\0\0\u0002\0\0\0';
    const query = packet(0, '\u0003select 1');
    const greeted = (answer: string): SessionSpec => {
      const { said } = talk(query, answer, query, packet(1, ok));
      const greeting: Said = { from: 'server', text: packet(0, '\n8.0.36\0abcdefgh'), afterMs: 5 };
      const logIn = `\0\u0002\0\u0001${'x'.repeat(60)}`;
      return { said: [greeting, ...talk(packet(1, logIn), packet(2, ok)).said, ...said] };
    };
    const protocols = [{ port: null, protocol: 'mysql' }];
    const recorded = greeted(packet(1, ok));
    const asRecorded = play([recorded], { protocols });
    expect(named(asRecorded.counters)).toMatchObject({ COMPLETED: 1, ANSWER_BY_PROTOCOL: 3 });
    const played = play([recorded], {
      server: [greeted(packet(1, '\u00fdhuh'))],
      protocols,
      timeoutNs: 2e9,
    });
    expect(named(played.counters)).toMatchObject({ COMPLETED: 1, ANSWERS_UNFOLLOWED: 1 });
  });
});
