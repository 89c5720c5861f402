/** Servers that say that an answer is their last one on a connection, where the recorded one went on. */
import { describe, expect, test } from 'vitest';
import { Counter } from '../../src/measure/counters.ts';
import type { Said, SessionSpec } from '../helpers/scripts.ts';
import { named, type PlayOptions, play } from './play.ts';

const gets = (path: string): string => `GET ${path} HTTP/1.1\r\n\r\n`;
const page = (fields = ''): string =>
  `HTTP/1.1 200 OK\r\n${fields}Content-Length: 30\r\n\r\n${'x'.repeat(30)}`;
const chunked = (fields: string): string =>
  `HTTP/1.1 200 OK\r\n${fields}Transfer-Encoding: chunked\r\n\r\n1e\r\n${'x'.repeat(30)}\r\n0\r\n\r\n`;

/** What each side says, in turn, 5 ms apart; the client first. */
const talk = (texts: readonly string[], end: Partial<SessionSpec> = {}): SessionSpec => ({
  said: texts.map(
    (text, i): Said => ({
      from: i % 2 === 0 ? 'client' : 'server',
      text,
      afterMs: 5,
    }),
  ),
  ...end,
});

const RECORDED = talk([gets('/1'), page(), gets('/2'), page(), gets('/3'), page()]);

const against = (first: string, end: Partial<SessionSpec> = {}, options: PlayOptions = {}) =>
  play([RECORDED], {
    server: [talk([gets('/1'), first, gets('/2'), page(), gets('/3'), page()], end)],
    ...options,
  });

describe('nothing more is asked', () => {
  test.each<[string, string]>([
    ['Connection: close', page('Connection: close\r\n')],
    ['in capitals, without a blank', page('CONNECTION:CLOSE\r\n')],
    ['among others', page('Connection: x-thing , close\r\n')],
    ['in a second field', page('Connection: x-thing\r\nConnection: close\r\n')],
    ['of an answer in chunks', chunked('Connection: close\r\n')],
    ['behind the length', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok'],
  ])('%s', (_, first) => {
    const { counters, endMs } = against(first);
    expect(named(counters)).toMatchObject({
      ABORTED: 1,
      ABORTED_CLOSED_EARLY: 1,
      EXCHANGES_PLANNED: 3,
      EXCHANGES_SENT: 1,
      EXCHANGES_ANSWERED: 1,
    });
    // It is left at once, before the next request would have been due.
    expect(endMs).toBeLessThan(20);
  });

  test('by any of many users, with think times or without', () => {
    const options = { users: 50, pace: 'none' } as const;
    const { counters } = against(page('Connection: close\r\n'), {}, options);
    expect(named(counters)).toMatchObject({ ABORTED_CLOSED_EARLY: 50, EXCHANGES_SENT: 50 });
    expect(counters[Counter.ABORTED]).toBe(50);
  });
});

describe('all is asked', () => {
  test.each<[string, string]>([
    ['where it keeps the connection', page('Connection: keep-alive\r\n')],
    ['where it says something that begins like it', page('Connection: closed\r\n')],
    ['where it says something that ends like it', page('Connection: x-close\r\n')],
    ['where it says it in another field', page('X-Connection: close\r\n')],
    ['likewise', page('Connection-Info: close\r\nContent-Type: close\r\nConn: close\r\n')],
    [
      'where only an answer before the final one says it',
      `HTTP/1.1 103 Early Hints\r\nConnection: close\r\n\r\n${page()}`,
    ],
  ])('%s', (_, first) => {
    const { counters } = against(first);
    expect(named(counters)).toMatchObject({ COMPLETED: 1, EXCHANGES_ANSWERED: 3 });
  });

  test('where the recorded server had said so, and the client asked all the same', () => {
    const closes = page('Connection: close\r\n');
    const recorded = talk([gets('/1'), closes, gets('/2'), closes, gets('/3'), page()]);
    const { counters } = play([recorded], { server: [recorded] });
    expect(named(counters)).toMatchObject({ COMPLETED: 1, EXCHANGES_ANSWERED: 3 });
  });

  test('where it is the last answer', () => {
    const last = talk([
      ...[gets('/1'), page(), gets('/2'), page(), gets('/3')],
      page('Connection: close\r\n'),
    ]);
    const { counters } = play([RECORDED], { server: [last] });
    expect(named(counters)).toMatchObject({ COMPLETED: 1, EXCHANGES_ANSWERED: 3 });
  });
});
