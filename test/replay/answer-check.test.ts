/** What came is compared with what was recorded: by kind, by class, and with the differences by name. */
import { describe, expect, test } from 'vitest';
import { WHOLE_PACKET_BYTES } from '../../src/base/prefix-bytes.ts';
import { Counter } from '../../src/measure/counters.ts';
import { ClassCount, classCountsOf } from '../../src/measure/request-classes.ts';
import { octetsNeeded } from '../../src/replay/octets-needed.ts';
import { prepareSessions } from '../../src/replay/prepared-sessions.ts';
import { enginePlan } from '../../src/run/plan/engine-plan.ts';
import { planOf } from '../helpers/plan.ts';
import { handMade, type Said, type SessionSpec } from '../helpers/scripts.ts';
import { OPTIONS, type Played, type PlayOptions, play } from './play.ts';

const asked = (text: string): Said => ({ from: 'client', text, afterMs: 5 });
const said = (text: string | number): Said => ({ from: 'server', text, afterMs: 3 });
const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
const reply = (status: number, body = 'hi'): string =>
  `HTTP/1.1 ${status} Text\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

/** Two requests of one session, and what is answered to them. */
const two = (first: string, second: string): SessionSpec => ({
  said: [asked(get('/a/1?x=2')), said(first), asked(get('/b')), said(second)],
});

function counted({ counters }: Played) {
  return {
    answered: counters[Counter.EXCHANGES_ANSWERED],
    mismatched: counters[Counter.EXCHANGES_MISMATCHED],
    status: counters[Counter.MISMATCHED_STATUS],
    length: counters[Counter.MISMATCHED_LENGTH],
    unchecked: counters[Counter.EXCHANGES_UNCHECKED],
  };
}

const changes = ({ differences }: Played): readonly string[] =>
  differences.seen.map(
    ({ count, kind, requestClass, example: { recorded, got, request, session, number } }) =>
      `${count} ${kind} ${requestClass}${recorded} → ${got}: ${request} (${session}.${number})`,
  );

const playedTo = (target: SessionSpec, recorded: SessionSpec, options: PlayOptions = {}): Played =>
  play([recorded], { server: [target], users: 6, ...options });

describe('a target that answers 503 to everyone', () => {
  const recorded = two(reply(200), reply(404));
  const target = two(reply(503, 'busy'), reply(503, 'busy'));

  test('is unlike the recording in every answer, and named', () => {
    const played = playedTo(target, recorded);
    expect(counted(played)).toEqual({
      answered: 12,
      mismatched: 12,
      status: 12,
      length: 0,
      unchecked: 0,
    });
    expect(changes(played)).toEqual([
      '6 status 200 → 503: GET /a/1?x=2 (1.1)',
      '6 status 404 → 503: GET /b (1.2)',
    ]);
    const { names, counts } = played.classes;
    expect(names.map((_, i) => classCountsOf(counts, i)[ClassCount.MISMATCHED])).toEqual([6, 6]);
  });

  test('is not looked at with --check off, but its users did not complete without failures', () => {
    const played = playedTo(target, recorded, { check: 'off' });
    expect(counted(played)).toMatchObject({ answered: 12, mismatched: 0, unchecked: 0 });
    expect(played.differences.seen).toEqual([]);
    expect(played.counters[Counter.COMPLETED_WITH_FAILURES]).toBe(6);
  });
});

describe('a whole answer of another length', () => {
  const recorded = two(reply(200, 'long'), reply(200));
  const target = two(reply(200, 'longer'), reply(200));

  test('is like the recorded one by its status', () => {
    const played = playedTo(target, recorded);
    expect(counted(played)).toMatchObject({ answered: 12, mismatched: 0, unchecked: 0 });
    expect(played.counters[Counter.EXCHANGES_OTHER_LENGTH]).toBe(6);
  });

  test('and is not where lengths are asked for', () => {
    const played = playedTo(target, recorded, { check: 'length' });
    expect(counted(played)).toMatchObject({ mismatched: 6, status: 0, length: 6, unchecked: 0 });
    expect(changes(played)).toEqual([
      '6 length GET /a/{id}44 bytes → 46 bytes: GET /a/1?x=2 (1.1)',
    ]);
  });

  test('another status weighs more than another length', () => {
    const played = playedTo(two(reply(500, 'longer'), reply(200)), recorded, { check: 'length' });
    expect(counted(played)).toMatchObject({ mismatched: 6, status: 6, length: 0 });
  });
});

describe('what is left out of bodies', () => {
  const body = (date: string, id: number, value = 7): string =>
    `{"date":"${date}","id":${id},"value":${value}}`;
  const chunked = (text: string, size: number): string => {
    const pieces = text.match(new RegExp(`.{1,${size}}`, 'gs')) ?? [];
    const chunks = pieces.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`);
    return `HTTP/1.1 200 Text\r\nTransfer-Encoding: chunked\r\n\r\n${chunks.join('')}0\r\n\r\n`;
  };
  const recorded = two(reply(200, body('Monday', 1)), chunked(body('Monday', 2), 9));
  const checkIgnore = ['"date":"[^"]*"', '"id":\\d+'];
  const check = 'body';

  test.each([
    ['a date and a number', reply(200, body('Thursday', 12)), chunked(body('', 999_999), 4)],
    ['the same', reply(200, body('Monday', 1)), reply(200, body('Monday', 2))],
  ])('is not compared: %s', (_, first, second) => {
    const played = playedTo(two(first, second), recorded, { check, checkIgnore });
    expect(counted(played)).toMatchObject({ answered: 12, mismatched: 0, unchecked: 0 });
  });

  test('the rest is, and that it is there', () => {
    const target = two(reply(200, body('Friday', 1, 8)), reply(200, '{"value":7}'));
    const played = playedTo(target, recorded, { check, checkIgnore });
    expect(counted(played)).toMatchObject({ mismatched: 12, unchecked: 0 });
  });

  test('without it dates make bodies unlike', () => {
    const target = two(reply(200, body('Friday', 1)), reply(200, body('Friday', 2)));
    expect(counted(playedTo(target, recorded, { check }))).toMatchObject({ mismatched: 12 });
  });

  test('a body that is too long to keep is unchecked', () => {
    const long = reply(200, `${body('Monday', 1)}${'x'.repeat(1 << 20)}`);
    const session = two(long, reply(200));
    const played = play([session], { check, checkIgnore });
    expect(counted(played)).toMatchObject({ answered: 2, mismatched: 0, unchecked: 1 });
  });
});

test('a status of the same class is another status', () => {
  const played = playedTo(two(reply(204, ''), reply(200)), two(reply(201), reply(200)));
  expect(changes(played)).toEqual(['6 status 201 → 204: GET /a/1?x=2 (1.1)']);
});

describe('other protocols', () => {
  const redis = (answer: string): SessionSpec => ({
    said: [asked('*2\r\n$3\r\nGET\r\n$1\r\na\r\n'), said(answer)],
  });
  const smtp = (answer: string): SessionSpec => ({
    said: [
      { ...said('220 a\r\n'), awaited: 0 },
      asked('HELO a\r\n'),
      said('250 a\r\n'),
      asked('RCPT TO:<a@b>\r\n'),
      said(answer),
    ],
  });

  test.each([
    [
      'an error in place of a value',
      redis('$1\r\nx\r\n'),
      redis('-ERR no\r\n'),
      'ok → ERR: GET (1.1)',
    ],
    ['another error', redis('-MOVED 1 a\r\n'), redis('-ERR no\r\n'), 'MOVED → ERR: GET (1.1)'],
    ['a refusal', smtp('250 ok\r\n'), smtp('550 no\r\n'), '250 → 550: RCPT TO:<a@b> (1.2)'],
  ])('%s is unlike', (_, recorded, target, change) => {
    expect(changes(playedTo(target, recorded))).toEqual([`6 status ${change}`]);
  });

  test.each([
    ['another value', redis('$1\r\nx\r\n'), redis('$3\r\nxyz\r\n')],
    ['another code of the same class', smtp('250 ok\r\n'), smtp('251 will forward\r\n')],
  ])('%s is not', (_, recorded, target) => {
    expect(counted(playedTo(target, recorded))).toMatchObject({ mismatched: 0, unchecked: 0 });
  });
});

describe('what nobody follows', () => {
  const raw = (bytes: number): SessionSpec => ({ said: [asked('\x01\x02\x03'), said(bytes)] });

  test('is compared by its length', () => {
    const played = playedTo(raw(90), raw(100));
    expect(counted(played)).toEqual({
      answered: 6,
      mismatched: 6,
      status: 0,
      length: 6,
      unchecked: 0,
    });
    expect(changes(played)).toEqual(['6 length 100 bytes → 90 bytes: a request (1.1)']);
    expect(counted(playedTo(raw(100), raw(100))).mismatched).toBe(0);
  });

  test('and is unchecked where the server was not captured', () => {
    expect(counted(play([raw(100)], { unheard: true, users: 6 }))).toEqual({
      answered: 6,
      mismatched: 0,
      status: 0,
      length: 0,
      unchecked: 6,
    });
  });
});

describe('bodies', () => {
  const chunked = (...chunks: readonly string[]): string =>
    [
      'HTTP/1.1 200 Text\r\nTransfer-Encoding: chunked\r\n\r\n',
      ...chunks.map((each) => `${each.length.toString(16)}\r\n${each}\r\n`),
      '0\r\n\r\n',
    ].join('');
  const close = (body: string): string => `HTTP/1.1 200 Text\r\n\r\n${body}`;
  const one = (answer: string): SessionSpec => ({
    end: 'server',
    said: [asked(get('/b')), said(answer)],
  });
  const pieces = (...answer: readonly string[]): SessionSpec => ({
    end: 'server',
    said: [asked(get('/b')), ...answer.map(said)],
  });
  const bodies = (target: SessionSpec, recorded: SessionSpec, options: PlayOptions = {}) => {
    const played = playedTo(target, recorded, { check: 'body', ...options });
    const { mismatched, unchecked, status, length } = counted(played);
    const body = played.counters[Counter.MISMATCHED_BODY];
    return { mismatched, unchecked, body, others: status + length };
  };
  const ALIKE = { mismatched: 0, unchecked: 0, body: 0, others: 0 };
  const UNLIKE = { mismatched: 6, unchecked: 0, body: 6, others: 0 };
  const UNCHECKED = { mismatched: 0, unchecked: 6, body: 0, others: 0 };
  const body = 'the body of an answer '.repeat(30);
  const other = body.replace(/y(?=[^y]*$)/, 'Y');
  const hole = ''.padEnd(5_000, 'long ');

  test('one other octet in a body of the same length is a difference that is named', () => {
    const recorded = two(reply(200, body), reply(200));
    const target = two(reply(200, other), reply(200));
    const played = playedTo(target, recorded, { check: 'body' });
    expect(counted(played)).toMatchObject({ mismatched: 6, status: 0, length: 0, unchecked: 0 });
    expect(changes(played)).toHaveLength(1);
    expect(changes(played)[0]).toMatch(/^6 body GET \/a\/\{id\}.*: GET \/a\/1\?x=2 \(1\.1\)$/);
    expect(counted(playedTo(target, recorded, { check: 'length' })).mismatched).toBe(0);
  });

  test.each([
    ['the same', one(reply(200, body)), one(reply(200, body)), ALIKE],
    ['in other chunks', one(chunked('abc', 'defg')), one(chunked('a', 'bcdef', 'g')), ALIKE],
    ['in chunks or by its length', one(chunked('abc', 'd')), one(reply(200, 'abcd')), ALIKE],
    ['another one in chunks', one(chunked('abc', 'defG')), one(chunked('a', 'bcdef', 'g')), UNLIKE],
    ['one octet more in chunks', one(chunked('abc', 'defg')), one(chunked('abc', 'def')), UNLIKE],
    ['up to the close', one(close(body)), one(close(body)), ALIKE],
    ['another one up to the close', one(close(other)), one(close(body)), UNLIKE],
    ['by its length or to the close', one(reply(200, body)), one(close(body)), ALIKE],
    [
      'in pieces',
      pieces(reply(200, body).slice(0, 300), reply(200, body).slice(300)),
      one(reply(200, body)),
      ALIKE,
    ],
    [
      'another one in pieces',
      pieces(reply(200, other).slice(0, 300), reply(200, other).slice(300)),
      one(reply(200, body)),
      UNLIKE,
    ],
    [
      'to the close in pieces',
      pieces(close(body).slice(0, 99), close(body).slice(99)),
      one(close(body)),
      ALIKE,
    ],
    [
      'chunks in pieces',
      pieces(chunked(body, 'ab').slice(0, 99), chunked(body, 'ab').slice(99)),
      one(reply(200, `${body}ab`)),
      ALIKE,
    ],
    ['none', one(reply(200, '')), one(reply(200, '')), ALIKE],
    ['none where there was one', one(reply(200, '')), one(reply(200)), UNLIKE],
    ['not at hand', one(reply(200, hole)), one(reply(200, hole)), UNCHECKED],
  ])('%s', (_, target, recorded, expected) => {
    expect(bodies(target, recorded)).toEqual(expected);
  });

  test('of packets that are handed over whole all is compared', () => {
    const prefixBytes = WHOLE_PACKET_BYTES;
    const target = (last: string): SessionSpec => one(reply(200, `${hole}${last}`));
    expect(bodies(target('a'), target('a'), { prefixBytes })).toEqual(ALIKE);
    expect(bodies(target('a'), target('b'), { prefixBytes })).toEqual(UNLIKE);
  });

  test('of other protocols every octet counts', () => {
    const redis = (answer: string): SessionSpec => ({
      said: [asked('*2\r\n$3\r\nGET\r\n$1\r\na\r\n'), said(answer)],
    });
    expect(bodies(redis('$3\r\nabd\r\n'), redis('$3\r\nabc\r\n'))).toEqual(UNLIKE);
    expect(bodies(redis('$3\r\nabc\r\n'), redis('$3\r\nabc\r\n'))).toEqual(ALIKE);
  });

  test('what nobody follows is never alike', () => {
    const raw = (bytes: number): SessionSpec => ({ said: [asked('\x01\x02\x03'), said(bytes)] });
    expect(bodies(raw(100), raw(100))).toEqual(UNCHECKED);
    expect(bodies(raw(90), raw(100))).toMatchObject({ mismatched: 6, body: 0, others: 6 });
  });

  test('another status weighs more', () => {
    expect(bodies(one(reply(500, other)), one(reply(200, body)))).toMatchObject({ others: 6 });
  });

  test('costs nothing where it is not asked for', () => {
    const { exchanges } = playedTo(one(reply(200)), one(reply(200))).prepared;
    expect(exchanges.bodyDigests).toBeUndefined();
    expect(octetsNeeded(exchanges)).toBeLessThan(WHOLE_PACKET_BYTES);
    const asked = playedTo(one(reply(200)), one(reply(200)), { check: 'body' }).prepared;
    expect(octetsNeeded(asked.exchanges)).toBe(WHOLE_PACKET_BYTES);
  });

  test('what the capture lacks of an answer is unchecked', () => {
    const { scripts, capture } = handMade([one(reply(200, body))], 100);
    const plan = enginePlan(planOf(scripts, { ...OPTIONS, check: 'body' }), 0, 1, [
      new Uint8Array(0),
    ]);
    const digests = (): readonly number[] =>
      Array.from(prepareSessions(plan, capture).exchanges.bodyDigests ?? []);
    expect(digests().every((each) => each > 0)).toBe(true);
    // What the snap length cut off is filled from the beginning of the file.
    scripts.server.extentOffset[scripts.server.extentOffset.length - 1] = 0;
    expect(digests()).toEqual([0, 0]);
  });
});

test('more different statuses than there is room for are counted together', () => {
  const statuses = Array.from({ length: 70 }, (_, i) => 210 + i);
  const session = (status: number): SessionSpec => ({
    startMs: status,
    said: [asked(get('/')), said(reply(status))],
  });
  const played = play(
    statuses.map(() => session(200)).map((each, i) => ({ ...each, startMs: 100 * i })),
    { server: statuses.map(session) },
  );
  expect(counted(played)).toMatchObject({ mismatched: 70, status: 70 });
  expect(played.differences.seen).toHaveLength(64);
  expect(played.differences.left).toBe(6);
});
