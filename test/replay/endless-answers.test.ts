/** Servers that go on and on: their users end, by the recorded lengths and times, and no others do. */
import { describe, expect, test } from 'vitest';
import type { Said, SessionSpec } from '../helpers/scripts.ts';
import { frame } from '../helpers/websocket.ts';
import { named, play } from './play.ts';

const HEAD = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';
const get = (path: string): Said => ({
  from: 'client',
  text: `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`,
  afterMs: 1,
});
const says = (text: string | number, afterMs: number): Said => ({ from: 'server', text, afterMs });
const page = (bytes: number): string =>
  `HTTP/1.1 200 OK\r\nContent-Length: ${bytes}\r\n\r\n${'b'.repeat(bytes)}`;

/** Two requests, of which the first is answered like this. */
const twice = (...first: Said[]): SessionSpec => ({
  said: [get('/1'), ...first, get('/2'), says(page(30), 5)],
});
/** Something once a second, so often. */
const eachSecond = (times: number, text: string | number): Said[] =>
  Array.from({ length: times }, () => says(text, 1_000));

const RECORDED = twice(says(page(60), 5));
const TIMEOUT = { timeoutNs: 3e9 };

describe('an answer', () => {
  test.each([
    ['in chunks', [says(HEAD, 5), ...eachSecond(60, `32\r\n${'c'.repeat(50)}\r\n`)]],
    ['in one chunk', [says(`${HEAD}fffffff\r\n`, 5), ...eachSecond(60, 'c'.repeat(50))]],
    [
      'of 2^40 octets',
      [says('HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\n\r\n', 5), ...eachSecond(60, 50)],
    ],
  ])('without an end ends its user, whatever comes: %s', (_, first) => {
    const played = play([RECORDED], { users: 2, server: [twice(...first)], ...TIMEOUT });
    expect(named(played.counters)).toMatchObject({
      TIMED_OUT: 2,
      TIMED_OUT_DURING_ANSWER: 2,
      EXCHANGES_SENT: 2,
    });
    // Not before it was too long, nor later than twice the timeout and what was recorded.
    expect(played.endMs).toBeGreaterThan(6_000);
    expect(played.endMs).toBeLessThan(12_000);
  });

  test.each([
    [
      'slow, and not much longer than recorded',
      twice(says(HEAD, 5), ...eachSecond(9, '1\r\nc\r\n'), says('0\r\n\r\n', 1_000)),
    ],
    [
      'long, and soon over',
      twice(
        says(HEAD, 5),
        says(`1000\r\n${'c'.repeat(4_096)}\r\n`, 2_000),
        says('0\r\n\r\n', 2_000),
      ),
    ],
    [
      'long, and begun late',
      twice(
        says(HEAD, 2_900),
        says(`200\r\n${'c'.repeat(512)}\r\n`, 2_900),
        says('0\r\n\r\n', 2_900),
      ),
    ],
  ])('that is %s is waited for', (_, server) => {
    const played = play([RECORDED], { users: 2, server: [server], ...TIMEOUT });
    expect(named(played.counters)).toMatchObject({ COMPLETED: 2, EXCHANGES_ANSWERED: 4 });
  });

  test('may take as long as the recorded one did', () => {
    const slow = twice(says(HEAD, 5), ...eachSecond(20, '1\r\nc\r\n'), says('0\r\n\r\n', 1_000));
    const longer = twice(
      says(HEAD, 5),
      ...eachSecond(20, `32\r\n${'c'.repeat(50)}\r\n`),
      says('0\r\n\r\n', 1_000),
    );
    const played = play([slow], { users: 2, server: [longer], ...TIMEOUT });
    expect(named(played.counters)).toMatchObject({ COMPLETED: 2, EXCHANGES_ANSWERED: 4 });
  });
});

describe('behind an upgrade to WebSocket', () => {
  const upgraded = (...said: Said[]): SessionSpec => ({
    said: [
      {
        from: 'client',
        text: 'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
        afterMs: 1,
      },
      says('HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n', 5),
      ...said,
    ],
  });
  const ask: Said = { from: 'client', text: frame(0x81, 'one', 'mask'), afterMs: 20 };
  const ticks = (count: number) =>
    Array.from({ length: count }, (_, i) => says(frame(i % 2 ? 0x89 : 0x81, `tick ${i}`), 1_000));
  const recorded = upgraded(...ticks(3), ask, says(frame(0x81, 'echo'), 5));

  test('pushes and pings do not stand for an answer that does not come', () => {
    const played = play([recorded], {
      users: 2,
      server: [upgraded(ask, ...ticks(60))],
      ...TIMEOUT,
    });
    expect(named(played.counters)).toMatchObject({ TIMED_OUT: 2, TIMED_OUT_WAITING: 2 });
    expect(played.endMs).toBeLessThan(15_000);
  });

  test('an answer that comes late, behind pushes, is one', () => {
    const server = upgraded(ask, ...ticks(5), says(frame(0x81, 'echo'), 5));
    const played = play([recorded], { users: 2, server: [server], ...TIMEOUT });
    expect(named(played.counters)).toMatchObject({ COMPLETED: 2, EXCHANGES_ANSWERED: 4 });
  });

  test('a server that goes on when all is said and done holds nobody', () => {
    const server = upgraded(ask, says(frame(0x81, 'echo'), 5), ...ticks(60));
    const played = play([recorded], { users: 2, server: [server], ...TIMEOUT });
    expect(named(played.counters)).toMatchObject({ COMPLETED: 2 });
    expect(played.endMs).toBeLessThan(12_000);
  });
});
