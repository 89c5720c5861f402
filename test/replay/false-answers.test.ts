/** Servers that say something else, or at another time, than the recorded ones. */
import { describe, expect, test } from 'vitest';
import { PREFIX_BYTES } from '../../src/base/prefix-bytes.ts';
import { Counter } from '../../src/measure/counters.ts';
import { Latency } from '../../src/measure/histograms.ts';
import type { SessionSpec } from '../helpers/scripts.ts';
import { named, play } from './play.ts';

const page = (status: number, body: number, header = ''): string =>
  `HTTP/1.1 ${status} X\r\n${header}Content-Length: ${body}\r\n\r\n${'x'.repeat(body)}`;

/** Requests `/1`, `/2`, …, each with its answers in pieces so many milliseconds apart. */
const http = (
  answers: readonly (readonly string[])[],
  { afterMs = 10, apartMs = 5, thinkMs = 20 } = {},
): SessionSpec => ({
  said: answers.flatMap((pieces, i) => [
    { from: 'client' as const, text: `GET /${i + 1} HTTP/1.1\r\n\r\n`, afterMs: thinkMs },
    ...pieces.map((text, piece) => ({
      from: 'server' as const,
      text,
      afterMs: piece === 0 ? afterMs : apartMs,
    })),
  ]),
});

const TWICE = http([[page(200, 500)], [page(200, 500)]]);

describe('a server that speaks before it is asked', () => {
  const busy = (end: 'server' | 'client'): SessionSpec => ({
    said: [{ from: 'server', text: page(503, 4), afterMs: 1 }],
    end,
  });

  test('and closes has answered nothing', () => {
    const played = play([TWICE], { users: 10, server: [busy('server')] });
    expect(named(played.counters)).toMatchObject({
      ABORTED: 10,
      ABORTED_CLOSED_EARLY: 10,
      EXCHANGES_PLANNED: 20,
      EXCHANGES_UNSOLICITED: 10,
    });
    expect(played.counters[Counter.COMPLETED]).toBe(0);
    expect(played.counters[Counter.EXCHANGES_SENT]).toBe(0);
    expect(played.counters[Counter.EXCHANGES_ANSWERED]).toBe(0);
  });

  test('and then answers as recorded is waited for, and what came unasked is counted', () => {
    const server: SessionSpec = {
      said: [
        { from: 'server', text: 'HTTP/1.1 408 Too late\r\n\r\n', afterMs: 1 },
        ...TWICE.said.map((said) => (said.from === 'client' ? { ...said, awaited: 0 } : said)),
      ],
    };
    const played = play([TWICE], { server: [server] });
    expect(named(played.counters)).toMatchObject({
      COMPLETED: 1,
      EXCHANGES_ANSWERED: 2,
      EXCHANGES_UNSOLICITED: 1,
      STATUS_2XX: 2,
    });
    expect(played.counters[Counter.STATUS_4XX]).toBe(0);
    expect(played.latency.row(Latency.RESPONSE).min).toBeCloseTo(10, 1);
  });

  test('between two requests has not answered the second one', () => {
    const server: SessionSpec = {
      said: [
        ...TWICE.said.slice(0, 2),
        { from: 'server', text: page(503, 4), afterMs: 3 },
        ...TWICE.said.slice(2),
      ],
    };
    const played = play([TWICE], { server: [server] });
    expect(named(played.counters)).toMatchObject({ EXCHANGES_ANSWERED: 1, STATUS_2XX: 1 });
    expect(played.counters[Counter.EXCHANGES_UNSOLICITED]).toBe(1);
    expect(played.counters[Counter.ABORTED_ANSWER_EXCESS]).toBe(1);
  });

  test('in an open loop answers that overtake their requests are none', () => {
    const played = play([TWICE], { users: 4, pace: 'schedule', server: [busy('client')] });
    expect(played.counters[Counter.EXCHANGES_ANSWERED]).toBe(0);
    expect(played.counters[Counter.COMPLETED]).toBe(0);
  });
});

describe('the status of answers', () => {
  test.each([
    { recorded: 200, found: 503, failed: true },
    { recorded: 200, found: 404, failed: true },
    { recorded: 200, found: 302, failed: true },
    { recorded: 200, found: 201, failed: false },
    { recorded: 200, found: 304, failed: false },
    { recorded: 304, found: 200, failed: false },
    { recorded: 404, found: 404, failed: false },
    { recorded: 404, found: 200, failed: true },
  ])('$found where $recorded was recorded: failed is $failed', ({ recorded, found, failed }) => {
    const spec = (status: number) => http([[page(200, 9)], [page(status, 30)]]);
    const played = play([spec(recorded)], { users: 3, server: [spec(found)] });
    expect(named(played.counters)).toMatchObject({ COMPLETED: 3, EXCHANGES_ANSWERED: 6 });
    expect(played.counters[Counter.EXCHANGES_FAILED]).toBe(failed ? 3 : 0);
    expect(played.counters[Counter.COMPLETED_WITH_FAILURES]).toBe(failed ? 3 : 0);
  });

  test('is told by the final answer where informational ones come first', () => {
    const informed = http([[`HTTP/1.1 100 Continue\r\n\r\n${page(200, 30)}`]]);
    const played = play([http([[page(200, 30)]])], { server: [informed] });
    expect(named(played.counters)).toMatchObject({ STATUS_2XX: 1 });
    expect(played.counters[Counter.EXCHANGES_FAILED]).toBe(0);
  });

  test('is counted though the header goes on beyond what is at hand', () => {
    const long = `X-Long: ${'y'.repeat(PREFIX_BYTES)}\r\n`;
    const played = play([http([[page(200, 30, long)]])], {
      server: [http([[page(500, 30, long)]])],
    });
    expect(named(played.counters)).toMatchObject({ STATUS_5XX: 1, EXCHANGES_FAILED: 1 });
  });
});

describe('answers in chunks', () => {
  const HEAD = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';
  const chunk = (bytes: number): string => `${bytes.toString(16)}\r\n${'c'.repeat(bytes)}\r\n`;
  const LAST = '0\r\n\r\n';
  const recorded = http([[`${HEAD}${chunk(50)}${LAST}`], [`${HEAD}${chunk(50)}${LAST}`]]);

  test.each([
    { name: 'longer, their end later', pieces: [`${HEAD}${chunk(200)}`, LAST] },
    {
      name: 'as long as recorded, but not over',
      pieces: [`${HEAD}${chunk(50)}2\r\nab`, `\r\n${LAST}`],
    },
    { name: 'in many pieces', pieces: [HEAD, chunk(40), chunk(300), chunk(20), LAST] },
    { name: 'shorter', pieces: [`${HEAD}${chunk(3)}${LAST}`] },
    {
      name: 'cut within a size',
      pieces: [`${HEAD}${chunk(9)}1`, `0\r\n${'c'.repeat(16)}\r`, `\n${LAST}`],
    },
    {
      name: 'with octets that look like the last one',
      pieces: [`${HEAD}5\r\n${LAST}`, `\r\n${LAST}`],
    },
    { name: 'with a trailer', pieces: [`${HEAD}0\r\n`, 'Digest: x\r\n', '\r\n'] },
    { name: 'in a header that is cut', pieces: [HEAD.slice(0, 30), HEAD.slice(30), LAST] },
  ])('end at the last one: $name', ({ pieces }) => {
    const server = http([pieces, pieces], { apartMs: 50 });
    const played = play([recorded], { users: 2, server: [server] });
    expect(named(played.counters)).toMatchObject({
      COMPLETED: 2,
      EXCHANGES_ANSWERED: 4,
      ANSWER_BY_PROTOCOL: 4,
    });
    const answerMs = 10 + 50 * (pieces.length - 1);
    const { min, max } = played.latency.row(Latency.RESPONSE);
    expect([min, max]).toEqual([expect.closeTo(answerMs, 0), expect.closeTo(answerMs, 0)]);
    expect(played.counters[Counter.EXCHANGES_UNSOLICITED]).toBe(0);
  });

  test('whose end is not at hand are told by quiet, and never by a push', () => {
    const pieces = [`${HEAD}${chunk(200)}`, `${chunk(PREFIX_BYTES)}${LAST}`];
    const played = play([recorded], { server: [http([pieces, pieces], { apartMs: 50 })] });
    expect(named(played.counters)).toMatchObject({ COMPLETED: 1, ANSWER_BY_QUIET: 2 });
    expect(played.latency.row(Latency.RESPONSE).min).toBeCloseTo(60, 0);
  });

  test('that are not over are waited for, whatever was recorded, and are none if they are cut', () => {
    const pieces = [`${HEAD}${chunk(200)}`, `${chunk(7)}${LAST}`];
    const late = play([recorded], { server: [http([pieces, pieces], { apartMs: 5_000 })] });
    expect(named(late.counters)).toMatchObject({ COMPLETED: 1, ANSWER_BY_PROTOCOL: 2 });
    expect(late.latency.row(Latency.RESPONSE).min).toBeCloseTo(5_010, -1);
    const cut: SessionSpec = { said: http([[`${HEAD}${chunk(200)}`]]).said, end: 'server' };
    const played = play([recorded], { server: [cut] });
    expect(named(played.counters)).toMatchObject({ EXCHANGES_SENT: 1, ABORTED_CLOSED_EARLY: 1 });
    expect(played.counters[Counter.EXCHANGES_ANSWERED]).toBe(0);
  });

  test('whose rest comes after the next request do not answer that one', () => {
    // What follows the first chunk's octets is not at hand, and it is quiet for longer than anybody
    // waits: the end is taken for missing.
    const late = http([[`${HEAD}${chunk(PREFIX_BYTES)}`, `${chunk(7)}${LAST}`], [page(200, 20)]], {
      apartMs: 330,
    });
    const server: SessionSpec = {
      said: late.said.map((said, i) => (i === 2 ? { ...said, awaited: 36 } : said)),
    };
    const played = play([recorded], { server: [server] });
    expect(named(played.counters)).toMatchObject({ COMPLETED: 1, EXCHANGES_ANSWERED: 2 });
    expect(played.counters[Counter.EXCHANGES_UNSOLICITED]).toBe(1);
    expect(played.counters[Counter.STATUS_2XX]).toBe(2);
  });
});

describe('a recorded client that left within an answer', () => {
  const event = '9\r\ndata: x\n\n\r\n';
  const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';

  test.each([
    { name: 'in chunks', head: chunked, text: event },
    { name: 'that the close ends', head: 'HTTP/1.1 200 OK\r\n\r\n', text: 'data: x\n\n' },
  ])('leaves it there again: $name', ({ head, text }) => {
    const recorded: SessionSpec = {
      said: http([[head + text, text, text]], { apartMs: 100 }).said,
      end: 'client',
      endAfterMs: 30,
    };
    // The server would go on for an hour.
    const endless = Array.from({ length: 36_000 }, () => text);
    const server = { said: http([[head + text, ...endless]], { apartMs: 100 }).said };
    const played = play([recorded], { users: 3, server: [server] });
    expect(named(played.counters)).toMatchObject({ COMPLETED: 3, EXCHANGES_ANSWERED: 3 });
    expect(played.latency.row(Latency.RESPONSE).max).toBeLessThan(1_000);
  });
});

describe('an answer without a length', () => {
  const HEAD = 'HTTP/1.0 200 OK\r\n\r\n';
  const body = (bytes: number): string => 'b'.repeat(bytes);
  const ended = (answers: readonly (readonly string[])[]): SessionSpec => ({
    said: http(answers, { apartMs: 500 }).said,
    end: 'server',
    endAfterMs: 7,
  });

  test('is over when the server closes, however long it is', () => {
    const recorded = ended([[HEAD + body(300)]]);
    for (const pieces of [
      [HEAD + body(300), body(10)],
      [HEAD + body(400), body(400)],
    ]) {
      const played = play([recorded], { users: 2, server: [ended([pieces])] });
      expect(named(played.counters)).toMatchObject({ COMPLETED: 2, ANSWER_BY_CLOSE: 2 });
      expect(played.latency.row(Latency.RESPONSE).min).toBeCloseTo(517, -1);
    }
  });

  test('behind which the recorded client went on ends as recorded', () => {
    const recorded = ended([[HEAD + body(300)], [page(200, 20)]]);
    const played = play([recorded]);
    expect(named(played.counters)).toMatchObject({ COMPLETED: 1, ANSWER_BY_LENGTH: 1 });
  });
});

describe('a header', () => {
  const cookies = `Set-Cookie: ${'c'.repeat(3_000)}\r\n`.repeat(2);
  const long = `HTTP/1.1 200 X\r\n${cookies}Content-Length: 700\r\n\r\n${'x'.repeat(700)}`;

  test('of any size, over any number of packets, tells where its answer ends', () => {
    const pieces = [0, 9, 1_500, 4_000, 5_900, 6_060].map((from, i, all) =>
      long.slice(from, all.at(i + 1)),
    );
    // The captured ones fit: of each packet 1,024 octets are at hand.
    const short = pieces.flatMap((piece) => piece.match(/.{1,1000}/gs) ?? []);
    const server = http([short, short], { apartMs: 1 });
    const played = play([TWICE], { users: 3, server: [server] });
    expect(named(played.counters)).toMatchObject({
      COMPLETED: 3,
      ANSWER_BY_PROTOCOL: 6,
      EXCHANGES_OTHER_LENGTH: 6,
      STATUS_2XX: 6,
    });
    expect(played.latency.row(Latency.RESPONSE).max).toBeCloseTo(10 + short.length - 1, 0);
  });

  test('that is not at hand leaves the answer to the other rules, and the next one is read again', () => {
    const server = http([[long], [page(200, 300)]]);
    const played = play([TWICE], { server: [server] });
    expect(named(played.counters)).toMatchObject({ COMPLETED: 1, ANSWER_BY_PROTOCOL: 1 });
    expect(played.counters[Counter.EXCHANGES_ANSWERED]).toBe(2);
  });

  test('behind an informational answer, which came before, says the status', () => {
    const pieces = ['HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n', page(503, 500)];
    const played = play([TWICE], { server: [http([pieces, pieces])] });
    expect(named(played.counters)).toMatchObject({
      COMPLETED: 1,
      ANSWER_BY_PROTOCOL: 2,
      STATUS_5XX: 2,
      EXCHANGES_FAILED: 2,
    });
    expect(played.latency.row(Latency.FIRST_BYTE).max).toBeCloseTo(10, 0);
  });
});

test('an answer of more than 4 GiB is not over with its header', () => {
  const head = (bytes: number) => `HTTP/1.1 200 OK\r\nContent-Length: ${bytes}\r\n\r\nbegins`;
  for (const bytes of [2 ** 32 - 6, 2 ** 32, 2 ** 33 + 6]) {
    const server: SessionSpec = { said: http([[head(bytes)]]).said, end: 'server', endAfterMs: 5 };
    const played = play([http([[page(200, 500)]])], { server: [server] });
    expect(named(played.counters)).toMatchObject({ EXCHANGES_SENT: 1, ABORTED_CLOSED_EARLY: 1 });
    expect(played.counters[Counter.EXCHANGES_ANSWERED]).toBe(0);
  }
});

describe('the time of an answer', () => {
  test.each([10.25, 0.004, 17.0001])('told by quiet is its last octet: %d ms', (afterMs) => {
    const spec = (bytes: number): SessionSpec => ({
      connectMs: 0.3,
      said: [
        { from: 'client', text: 'GET /1' },
        { from: 'server', text: bytes, afterMs },
        { from: 'client', text: 'GET /2', afterMs: 0.7 },
        { from: 'server', text: bytes, afterMs },
      ],
    });
    const played = play([spec(500)], { server: [spec(30)] });
    expect(named(played.counters)).toMatchObject({ ANSWER_BY_QUIET: 2 });
    for (const which of [Latency.RESPONSE, Latency.SERVICE, Latency.FIRST_BYTE]) {
      const { min, max } = played.latency.row(which);
      // Histograms keep three digits.
      expect((min ?? 0) / afterMs).toBeCloseTo(1, 2);
      expect((max ?? 0) / afterMs).toBeCloseTo(1, 2);
    }
  });

  test('is right on the fiftieth day', () => {
    const spec: SessionSpec = {
      said: [
        { from: 'client', text: 'hello' },
        { from: 'server', text: 400, afterMs: 12.5 },
        { from: 'client', text: 'again', afterMs: 60 * 24 * 3_600_000 },
        { from: 'server', text: 400, afterMs: 12.5 },
      ],
    };
    const short = {
      said: spec.said.map((said) => (said.text === 400 ? { ...said, text: 9 } : said)),
    };
    const played = play([spec], { server: [short] });
    expect(named(played.counters)).toMatchObject({ COMPLETED: 1, ANSWER_BY_QUIET: 2 });
    expect(played.latency.row(Latency.RESPONSE).max).toBeCloseTo(12.5, 1);
  });
});

describe('a client that did not wait for the end of an answer', () => {
  const cancelled = (end: 'client' | 'client-rst'): SessionSpec => ({
    said: [
      { from: 'client', text: 'GET /1 HTTP/1.1\r\n\r\n' },
      { from: 'server', text: page(200, 50_000), afterMs: 10 },
    ],
    end,
    endAfterMs: 1,
    endAwaited: 20_000,
  });
  const sends = (answer: string, end: 'client' | 'server' = 'client'): SessionSpec => ({
    said: [
      { from: 'client', text: 'GET /1 HTTP/1.1\r\n\r\n' },
      { from: 'server', text: answer, afterMs: 10 },
    ],
    end,
  });

  test.each([
    { name: 'the same answer', server: undefined },
    { name: 'the whole answer', server: sends(page(200, 50_000)) },
    { name: 'a longer one', server: sends(page(200, 90_000)) },
    { name: 'a short one', server: sends(page(200, 30)) },
    { name: 'the whole answer, and closes', server: sends(page(200, 50_000), 'server') },
  ])('completes with $name', ({ server }) => {
    for (const end of ['client', 'client-rst'] as const) {
      const options = server === undefined ? {} : { server: [server] };
      const played = play([cancelled(end)], { users: 4, timeoutNs: 2e9, ...options });
      expect(named(played.counters)).toMatchObject({ COMPLETED: 4, EXCHANGES_ANSWERED: 4 });
      expect(played.counters[Counter.EXCHANGES_UNSOLICITED]).toBe(0);
      expect(played.endMs).toBeLessThan(1000);
    }
  });
});

test('what goes on after a client that has left is not unasked, after others it is', () => {
  const going: SessionSpec = {
    said: [
      { from: 'client', text: 'GET /1 HTTP/1.1\r\n\r\n' },
      { from: 'server', text: page(200, 9_000), afterMs: 10 },
      { from: 'server', text: 9_000, afterMs: 1 },
      { from: 'server', text: 9_000, afterMs: 1 },
    ],
    endAfterMs: 20,
  };
  const recorded: SessionSpec = { ...going, said: going.said.slice(0, 2) };
  for (const endAwaited of [3_000, undefined]) {
    const spec = endAwaited === undefined ? recorded : { ...recorded, endAwaited };
    const { counters } = play([spec], { server: [going] });
    expect(counters[Counter.COMPLETED]).toBe(1);
    expect(counters[Counter.EXCHANGES_UNSOLICITED]).toBe(endAwaited === undefined ? 1 : 0);
  }
});

test('a recording that ends in the middle of an answer is played to its end', () => {
  const cut = page(200, 9_000).slice(0, 3_000);
  for (const end of ['open', 'client', 'server'] as const) {
    const spec: SessionSpec = { ...http([[cut]]), end };
    for (const server of [spec, http([[page(200, 9_000)]])]) {
      const played = play([spec], { timeoutNs: 2e9, server: [server] });
      expect(named(played.counters)).toMatchObject({ COMPLETED: 1, EXCHANGES_ANSWERED: 1 });
      expect(played.counters[Counter.EXCHANGES_UNSOLICITED]).toBe(0);
      expect(played.latency.row(Latency.RESPONSE).max).toBeCloseTo(10, 0);
    }
  }
});

describe('--timeout', () => {
  const slow = (serverMs: number, greetingMs: number, closeMs: number): SessionSpec => ({
    said: [
      { from: 'server', text: 'hello', afterMs: greetingMs },
      { from: 'client', text: 'poll', afterMs: 1 },
      { from: 'server', text: 'news', afterMs: serverMs },
    ],
    end: 'server',
    endAfterMs: closeMs,
  });

  test.each([
    { name: 'an answer', waits: [40_000, 1, 1] },
    { name: 'a greeting', waits: [1, 40_000, 1] },
    { name: 'the end', waits: [1, 1, 40_000] },
  ] as const)('counts beyond what the recording waited for $name', ({ waits }) => {
    const [answerMs, greetingMs, closeMs] = waits;
    const spec = slow(answerMs, greetingMs, closeMs);
    // A server does not answer the sooner for the acceleration of its users.
    const server = slow(10 * answerMs, 10 * greetingMs, 10 * closeMs);
    for (const options of [{}, { accel: 10, server: [server] }]) {
      const played = play([spec], { users: 2, timeoutNs: 30e9, ...options });
      expect(named(played.counters)).toMatchObject({ COMPLETED: 2 });
    }
  });

  test('ends users that wait for nothing recorded after just that time', () => {
    const silent: SessionSpec = { said: slow(1, 1, 1).said.slice(0, 2), end: 'open' };
    const played = play([slow(1, 1, 1)], { server: [silent], timeoutNs: 5e9 });
    expect(named(played.counters)).toMatchObject({ TIMED_OUT_WAITING: 1 });
    expect(played.endMs).toBeCloseTo(5_003, -1);
  });
});

describe('last words that the recorded server did not answer', () => {
  const mail = (afterData: readonly SessionSpec['said'][number][]): SessionSpec => ({
    said: [
      { from: 'server', text: '220 here\r\n', afterMs: 5 },
      { from: 'client', text: 'EHLO me\r\n', afterMs: 5 },
      { from: 'server', text: '250 hello\r\n', afterMs: 5 },
      ...afterData,
    ],
    port: 25,
    endAfterMs: 20,
  });
  const quit = { from: 'client', text: 'QUIT\r\n', afterMs: 5 } as const;
  const bye = { from: 'server', text: '221 bye\r\n', afterMs: 5 } as const;
  /** Behind the answer the server says something else before it is told goodbye. */
  const notice = { from: 'server', text: '421 idle\r\n', afterMs: 1, awaited: 9 } as const;

  test.each([
    ['may be answered', [quit, bye], 0],
    ['may be answered after something that was unasked', [notice, quit, bye], 1],
  ])('%s', (_, after, unsolicited) => {
    const played = play([mail([quit])], { users: 3, server: [mail(after)] });
    expect(named(played.counters)).toMatchObject({ COMPLETED: 3, EXCHANGES_ANSWERED: 3 });
    expect(played.counters[Counter.EXCHANGES_UNSOLICITED]).toBe(3 * unsolicited);
  });
});
