/** What came is compared with what was recorded: by kind, by class, and with the differences by name. */
import { describe, expect, test } from 'vitest';
import { Counter } from '../../src/measure/counters.ts';
import { ClassCount, classCountsOf } from '../../src/measure/request-classes.ts';
import type { Said, SessionSpec } from '../helpers/scripts.ts';
import { type Played, type PlayOptions, play } from './play.ts';

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
