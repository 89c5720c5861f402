import { describe, expect, test } from 'vitest';
import { PREFIX_BYTES } from '../../src/base/prefix-bytes.ts';
import { Counter } from '../../src/measure/counters.ts';
import { Latency } from '../../src/measure/histograms.ts';
import type { SessionSpec } from '../helpers/scripts.ts';
import { named, play } from './play.ts';

/** 1 s of think time, 0.2 s of server: three requests. */
const THINK: SessionSpec = {
  said: [
    { from: 'client', text: 'GET /1', afterMs: 0 },
    { from: 'server', text: 'one', afterMs: 200 },
    { from: 'client', text: 'GET /2', afterMs: 1000 },
    { from: 'server', text: 'two', afterMs: 200 },
    { from: 'client', text: 'GET /3', afterMs: 1000 },
    { from: 'server', text: 'three', afterMs: 200 },
  ],
};

const slower = (spec: SessionSpec, serverMs: number): SessionSpec => ({
  ...spec,
  said: spec.said.map((said) => (said.from === 'server' ? { ...said, afterMs: serverMs } : said)),
});

describe('pace', () => {
  // Connect 1 ms, then request, answer, think, ...: the end comes with the last answer.
  test.each([
    { name: 'think: as recorded', pace: 'think', serverMs: 200, accel: 1, endMs: 1 + 2600 },
    {
      name: 'think: a slower server moves everything',
      pace: 'think',
      serverMs: 500,
      accel: 1,
      endMs: 1 + 3500,
    },
    {
      name: 'schedule: a slower server moves nothing',
      pace: 'schedule',
      serverMs: 500,
      accel: 1,
      endMs: 1 + 2400 + 500,
    },
    {
      name: 'none: as fast as answers come',
      pace: 'none',
      serverMs: 200,
      accel: 1,
      endMs: 1 + 600,
    },
    {
      name: 'think, a fractional acceleration',
      pace: 'think',
      serverMs: 200,
      accel: 2.5,
      endMs: 2601 / 2.5,
    },
    { name: 'think, slowed down', pace: 'think', serverMs: 200, accel: 0.5, endMs: 5202 },
    { name: 'schedule, accelerated', pace: 'schedule', serverMs: 200, accel: 10, endMs: 260.1 },
  ] as const)('$name', ({ pace, serverMs, accel, endMs }) => {
    const played = play([THINK], { pace, accel, server: [slower(THINK, serverMs)] });
    expect(named(played.counters)).toMatchObject({ COMPLETED: 1, EXCHANGES_ANSWERED: 3 });
    expect(played.endMs).toBeCloseTo(endMs, 6);
  });

  test('in an open loop a slow server shows in the response time, not in the service of one', () => {
    const played = play([THINK], { pace: 'schedule', server: [slower(THINK, 5000)] });
    // Asked at 0, 1.2 and 2.4 s; the target answers one after another.
    expect(played.latency.row(Latency.RESPONSE)).toMatchObject({ count: 3 });
    expect(played.latency.row(Latency.LAG).max).toBe(0);
    expect(played.counters[Counter.EXCHANGES_SENT]).toBe(3);
    expect(played.latency.row(Latency.RESPONSE).min).toBeCloseTo(5000, -1);
    expect(played.latency.row(Latency.RESPONSE).max).toBeGreaterThan(12_000);
  });

  test.each([
    { name: 'by length', text: (n: number) => 'x'.repeat(n) },
    {
      name: 'by HTTP header',
      text: (n: number) => `HTTP/1.1 200 OK\r\nContent-Length: ${n}\r\n\r\n${'x'.repeat(n)}`,
    },
  ])('in an open loop answers that come together are told apart $name', ({ text }) => {
    const spec: SessionSpec = {
      said: Array.from({ length: 10 }, (_, i) => [
        { from: 'client' as const, text: `GET /${i} HTTP/1.1\r\n\r\n`, afterMs: 10 },
        { from: 'server' as const, text: text(1500 + i), afterMs: 1 },
      ]).flat(),
    };
    // The first answer is late, all others are there at once: many answers a packet.
    const stalled: SessionSpec = {
      said: spec.said.map((said, i) =>
        said.from === 'server' ? { ...said, afterMs: i === 1 ? 900 : 0 } : said,
      ),
    };
    const played = play([spec], { pace: 'schedule', users: 4, server: [stalled] });
    expect(named(played.counters)).toMatchObject({ COMPLETED: 4, EXCHANGES_ANSWERED: 40 });
    expect(played.counters[Counter.EXCHANGES_MISMATCHED]).toBe(0);
    expect(played.latency.row(Latency.FIRST_BYTE).count).toBe(40);
    // Coordinated omission would hide it: every request waited for the first one's answer.
    expect(played.latency.row(Latency.RESPONSE).p50).toBeGreaterThan(800);
  });

  test('the delay between handshake and first request is kept', () => {
    const spec: SessionSpec = {
      said: [
        { from: 'client', text: 'hello', afterMs: 2000 },
        { from: 'server', text: 'hi', afterMs: 10 },
      ],
    };
    expect(play([spec]).endMs).toBeCloseTo(2011, 6);
    expect(play([spec], { pace: 'schedule' }).endMs).toBeCloseTo(2011, 6);
  });

  test('gaps of hours and of microseconds are exact', () => {
    const spec: SessionSpec = {
      said: [
        { from: 'client', text: 'a', afterMs: 0.0005 },
        { from: 'server', text: 'b', afterMs: 0.0125 },
        { from: 'client', text: 'c', afterMs: 5 * 3_600_000 },
        { from: 'server', text: 'd', afterMs: 0.25 },
      ],
    };
    expect(play([spec]).endMs).toBeCloseTo(1 + 0.0005 + 0.0125 + 18_000_000 + 0.25, 4);
    expect(play([spec], { accel: 100 }).endMs).toBeCloseTo(180_000.01263, 4);
  });

  test('idle gaps are cut, the server’s time is not', () => {
    const played = play([THINK], { maxGapNs: 100e6 });
    expect(played.endMs).toBeCloseTo(1 + 600 + 200, 6);
    expect(play([THINK], { maxGapNs: 100e6, pace: 'schedule' }).endMs).toBeCloseTo(801, 6);
  });

  test('writes within a turn keep their own gaps and count as one exchange', () => {
    const spec: SessionSpec = {
      said: [
        { from: 'client', text: 'header', afterMs: 1 },
        { from: 'client', text: 'body', afterMs: 30 },
        { from: 'server', text: 'ok', afterMs: 5 },
      ],
    };
    const played = play([spec]);
    expect(played.endMs).toBeCloseTo(1 + 1 + 30 + 5, 6);
    expect(named(played.counters)).toMatchObject({ EXCHANGES_SENT: 1, EXCHANGES_ANSWERED: 1 });
    // From the last write: what came before is the client's own slowness.
    expect(played.latency.row(Latency.RESPONSE).max).toBeCloseTo(5, 3);
  });
});

describe('scripts', () => {
  test('a server that speaks first is heard before anything is said', () => {
    const spec: SessionSpec = {
      said: [
        { from: 'server', text: '220 hello', afterMs: 50 },
        { from: 'client', text: 'EHLO me', afterMs: 10 },
        { from: 'server', text: '250 ok', afterMs: 5 },
        { from: 'client', text: 'QUIT', afterMs: 1 },
        { from: 'server', text: '221 bye', afterMs: 1 },
      ],
      end: 'server',
    };
    const played = play([spec], { users: 5 });
    expect(named(played.counters)).toMatchObject({
      COMPLETED: 5,
      EXCHANGES_ANSWERED: 10,
      EMBEDDED_OCTETS_CHECKED: 5 * 11,
    });
    expect(played.counters[Counter.EMBEDDED_BAD_OCTETS]).toBe(0);
  });

  test.each(['client', 'server', 'client-rst', 'server-rst', 'open'] as const)(
    'a session that ended by %s completes',
    (end) => {
      const spec: SessionSpec = { ...THINK, end, endAfterMs: 3 };
      expect(named(play([spec], { users: 4 }).counters)).toMatchObject({ COMPLETED: 4 });
    },
  );

  test('what the client says after the server’s end is said, and is no early close', () => {
    const spec: SessionSpec = {
      said: [
        { from: 'client', text: 'EHLO me' },
        { from: 'server', text: '221 bye', afterMs: 5 },
        { from: 'client', text: 'QUIT', afterMs: 20 },
      ],
      end: 'server',
    };
    // The server’s end does not wait for the last message.
    expect(named(play([spec], { users: 3 }).counters)).toMatchObject({
      COMPLETED: 3,
      EMBEDDED_OCTETS_CHECKED: 3 * 11,
    });
  });

  test('a half-closed client is still answered, and that is measured', () => {
    const spec: SessionSpec = {
      said: [
        { from: 'client', text: 'all I have to say', afterMs: 1 },
        { from: 'server', text: 'and all I have', afterMs: 40 },
      ],
      end: 'half-close',
    };
    const played = play([spec]);
    expect(named(played.counters)).toMatchObject({ COMPLETED: 1, EXCHANGES_ANSWERED: 1 });
  });

  test.each([64, 500, 1460, 8960])('a large upload arrives whole over an MSS of %d', (mss) => {
    const spec: SessionSpec = {
      said: [
        { from: 'client', text: 200_000 },
        { from: 'server', text: 'ok', afterMs: 10 },
      ],
    };
    const played = play([spec], { users: 3, mss, extentBytesMax: 700 });
    expect(named(played.counters)).toMatchObject({
      COMPLETED: 3,
      EMBEDDED_OCTETS_CHECKED: 600_000,
    });
    expect(played.counters[Counter.EMBEDDED_BAD_CHECKSUM]).toBe(0);
    expect(played.counters[Counter.EMBEDDED_BAD_OCTETS]).toBe(0);
  });

  test('octets in tiny pieces of the capture are put together', () => {
    const spec: SessionSpec = {
      said: [
        { from: 'client', text: 3000 },
        { from: 'server', text: 'ok' },
      ],
    };
    const played = play([spec], { extentBytesMax: 7 });
    expect(named(played.counters)).toMatchObject({ COMPLETED: 1, EMBEDDED_OCTETS_CHECKED: 3000 });
  });

  test('pushes of the server while the client talks are no answers', () => {
    const spec: SessionSpec = {
      said: [
        { from: 'client', text: 'subscribe' },
        { from: 'server', text: 'subscribed', afterMs: 1 },
        { from: 'server', text: 'push 1', afterMs: 100 },
        // In flight: the client had only the first answer when it said this.
        { from: 'client', text: 'ping', afterMs: 1, awaited: 10 },
        { from: 'server', text: 'pong', afterMs: 5 },
      ],
    };
    expect(named(play([spec], { users: 2 }).counters)).toMatchObject({ COMPLETED: 2 });
  });
});

describe('answers that are not as recorded', () => {
  const ask = (answer: string | number, afterMs = 10): SessionSpec => ({
    said: [
      { from: 'client', text: 'GET /1' },
      { from: 'server', text: answer, afterMs },
      { from: 'client', text: 'GET /2', afterMs: 5 },
      { from: 'server', text: answer, afterMs },
    ],
  });

  test('a shorter answer ends by quiet, and its time is that of its last octet', () => {
    const played = play([ask(5000)], { server: [ask(300)] });
    expect(named(played.counters)).toMatchObject({
      COMPLETED: 1,
      EXCHANGES_ANSWERED: 2,
      EXCHANGES_MISMATCHED: 2,
      ANSWER_BY_QUIET: 2,
    });
    expect(played.latency.row(Latency.RESPONSE).max).toBeLessThan(11);
  });

  test.each([300, 5000, 9000])(
    'of a server that was not captured %i octets are as good',
    (bytes) => {
      const played = play([ask(5000)], { server: [ask(bytes)], unheard: true });
      const counts = named(played.counters);
      expect(counts).toMatchObject({ COMPLETED: 1, EXCHANGES_ANSWERED: 2, ANSWER_BY_QUIET: 2 });
      expect(counts.EXCHANGES_MISMATCHED).toBeUndefined();
      expect(played.latency.row(Latency.RESPONSE).max).toBeLessThan(11);
    },
  );

  test('an answer written in pieces is one answer, however long the pauses', () => {
    const spec: SessionSpec = {
      said: [
        { from: 'client', text: 'GET /1' },
        { from: 'server', text: 'header', afterMs: 5 },
        { from: 'server', text: 'body', afterMs: 700 },
        { from: 'client', text: 'GET /2', afterMs: 5 },
        { from: 'server', text: 'header', afterMs: 5 },
      ],
    };
    expect(named(play([spec]).counters)).toMatchObject({
      COMPLETED: 1,
      EXCHANGES_ANSWERED: 2,
      ANSWER_BY_LENGTH: 2,
    });
    expect(play([spec]).counters[Counter.EXCHANGES_MISMATCHED]).toBe(0);
  });

  test('what has ended by quiet once is recognised sooner the next time', () => {
    const played = play([ask(5000)], { server: [ask(300)], users: 20, ratePerSecond: 1 });
    // The first user waits 300 ms twice, the others 10 ms.
    expect(named(played.counters)).toMatchObject({ COMPLETED: 20, ANSWER_BY_QUIET: 40 });
    expect(played.endMs).toBeLessThan(19_000 + 100);
  });

  const page = (body: number, header = ''): string =>
    `HTTP/1.1 200 OK\r\n${header}Content-Length: ${body}\r\n\r\n${'x'.repeat(body)}`;
  const http = (method: string, answer: string): SessionSpec => ({
    said: [
      { from: 'client', text: `${method} /1 HTTP/1.1\r\n\r\n` },
      { from: 'server', text: answer, afterMs: 10 },
      { from: 'client', text: `${method} /2 HTTP/1.1\r\n\r\n`, afterMs: 5 },
      { from: 'server', text: answer, afterMs: 10 },
    ],
  });
  const headOnly = 'HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n';
  const long = `X-Long: ${'y'.repeat(PREFIX_BYTES)}\r\n`;

  test.each([
    {
      name: 'as recorded',
      method: 'GET',
      recorded: page(500),
      target: page(500),
      rule: 'PROTOCOL',
      mismatched: 0,
    },
    {
      name: 'shorter',
      method: 'GET',
      recorded: page(5000),
      target: page(10),
      rule: 'PROTOCOL',
      mismatched: 0,
      otherLength: 2,
    },
    {
      name: 'longer',
      method: 'GET',
      recorded: page(10),
      target: page(50_000),
      rule: 'PROTOCOL',
      mismatched: 0,
      otherLength: 2,
    },
    {
      name: 'to HEAD',
      method: 'HEAD',
      recorded: headOnly,
      target: headOnly,
      rule: 'PROTOCOL',
      mismatched: 0,
    },
    {
      name: 'without body',
      method: 'GET',
      recorded: page(10),
      target: 'HTTP/1.1 304 Not Modified\r\n\r\n',
      rule: 'PROTOCOL',
      // Of another status, if not of another class.
      mismatched: 2,
      otherLength: 2,
    },
    {
      name: 'with a header beyond the prefix',
      method: 'GET',
      recorded: page(10, long),
      target: page(10, long),
      rule: 'LENGTH',
      mismatched: 0,
    },
  ])('HTTP: an answer $name', ({ method, recorded, target, rule, mismatched, otherLength = 0 }) => {
    const played = play([http(method, recorded)], { server: [http(method, target)] });
    expect(named(played.counters)).toMatchObject({
      COMPLETED: 1,
      EXCHANGES_ANSWERED: 2,
      [`ANSWER_BY_${rule}`]: 2,
    });
    expect(played.counters[Counter.EXCHANGES_MISMATCHED]).toBe(mismatched);
    expect(played.counters[Counter.EXCHANGES_OTHER_LENGTH]).toBe(otherLength);
    expect(played.latency.row(Latency.RESPONSE).max).toBeCloseTo(10, 1);
  });

  /** `count` requests in one go, their answers so many milliseconds apart. */
  const pipelined = (count: number, apartMs: number): SessionSpec => ({
    said: [
      {
        from: 'client',
        text: Array.from({ length: count }, (_, i) => `GET /${i} HTTP/1.1\r\n\r\n`).join(''),
      },
      ...Array.from({ length: count }, (_, i) => ({
        from: 'server' as const,
        text: page(500 + i, long),
        afterMs: apartMs,
      })),
      { from: 'client', text: 'GET /last HTTP/1.1\r\n\r\n', afterMs: 5 },
      { from: 'server', text: page(20), afterMs: 1 },
    ],
  });

  test.each([
    { name: 'one after another', apartMs: 10 },
    { name: 'all at once', apartMs: 0 },
  ])('HTTP: pipelined requests are an exchange each, answered $name', ({ apartMs }) => {
    const played = play([pipelined(4, apartMs)], { users: 3 });
    expect(named(played.counters)).toMatchObject({
      COMPLETED: 3,
      EXCHANGES_SENT: 15,
      EXCHANGES_INTENDED: 15,
      EXCHANGES_ANSWERED: 15,
    });
    expect(played.counters[Counter.EXCHANGES_MISMATCHED]).toBe(0);
    expect(played.latency.row(Latency.FIRST_BYTE).count).toBe(15);
    const response = played.latency.row(Latency.RESPONSE);
    expect(response.count).toBe(15);
    expect(response.max).toBeCloseTo(Math.max(4 * apartMs, 1), 1);
    expect(response.p50).toBeCloseTo(apartMs === 0 ? 0 : 20, 1);
  });

  test('HTTP: pipelined requests whose answers come shorter are all answered, once', () => {
    const played = play([pipelined(3, 5)], {
      server: [{ ...pipelined(3, 5), said: pipelined(3, 5).said.filter((_, i) => i !== 3) }],
    });
    expect(named(played.counters)).toMatchObject({ COMPLETED: 1, EXCHANGES_ANSWERED: 4 });
    expect(played.counters[Counter.EXCHANGES_MISMATCHED]).toBe(1);
  });

  test('HTTP: an answer that is cut short by the server’s end is none', () => {
    const cut: SessionSpec = {
      said: [
        { from: 'client', text: 'GET /1 HTTP/1.1\r\n\r\n' },
        { from: 'server', text: `HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\nhalf`, afterMs: 10 },
      ],
      end: 'server',
    };
    const played = play([http('GET', page(900))], { server: [cut] });
    expect(named(played.counters)).toMatchObject({ ABORTED: 1, ABORTED_CLOSED_EARLY: 1 });
    expect(played.counters[Counter.EXCHANGES_ANSWERED]).toBe(0);
  });

  test('a longer answer ends at its push', () => {
    const played = play([ask(300)], { server: [ask(5000)] });
    expect(named(played.counters)).toMatchObject({
      COMPLETED: 1,
      EXCHANGES_ANSWERED: 2,
      EXCHANGES_MISMATCHED: 2,
      ANSWER_BY_LENGTH: 2,
    });
  });

  test('a server that closes early aborts the user, and what it never answered is counted', () => {
    const early: SessionSpec = { said: ask(10).said.slice(0, 2), end: 'server' };
    const played = play([ask(10)], { server: [early] });
    expect(named(played.counters)).toMatchObject({
      ABORTED: 1,
      ABORTED_CLOSED_EARLY: 1,
      EXCHANGES_ANSWERED: 1,
    });
  });

  test('a server that never answers times the user out, at the time that was asked for', () => {
    const silent: SessionSpec = { said: ask(10).said.slice(0, 1), end: 'open' };
    const played = play([ask(10)], { server: [silent], timeoutNs: 5e9 });
    expect(named(played.counters)).toMatchObject({ TIMED_OUT: 1, TIMED_OUT_WAITING: 1 });
    expect(played.endMs).toBeGreaterThan(4900);
    expect(played.endMs).toBeLessThan(5100);
  });
});

describe('users', () => {
  const quick: SessionSpec = {
    said: [
      { from: 'client', text: 'q' },
      { from: 'server', text: 'a', afterMs: 1 },
    ],
  };

  test('iterations play on fresh ports, and the ledger adds up', () => {
    const played = play([quick, { ...quick, startMs: 10 }], { users: 3, iterations: 4 });
    expect(named(played.counters)).toMatchObject({ STARTED: 12, COMPLETED: 12, CONNECTED: 12 });
  });

  test('nothing is started after --duration', () => {
    const played = play([quick], { users: 100, ratePerSecond: 10, durationNs: 2e9, iterations: 1 });
    // At 0, 0.1, ..., 2.0 s.
    expect(named(played.counters)).toMatchObject({ STARTED: 21, COMPLETED: 21 });
  });

  test('--close reset ends every connection with an RST after the last answer', () => {
    const played = play([quick], { users: 10, close: 'reset' });
    expect(named(played.counters)).toMatchObject({ COMPLETED: 10, EXCHANGES_ANSWERED: 10 });
  });

  test('--close server holds connections until the time is up', () => {
    const played = play([quick], { close: 'server', durationNs: 60e9, iterations: 1 });
    expect(named(played.counters)).toMatchObject({ COMPLETED: 1 });
    expect(played.endMs).toBeCloseTo(60_000, 0);
  });

  test('two runs with one seed are the same, octet for octet and nanosecond for nanosecond', () => {
    const first = play([THINK, quick], { users: 50, accel: 3 });
    const second = play([THINK, quick], { users: 50, accel: 3 });
    expect(second.counters).toEqual(first.counters);
    expect(second.latency.row(Latency.RESPONSE)).toEqual(first.latency.row(Latency.RESPONSE));
  });
});
