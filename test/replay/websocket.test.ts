/** Sessions that become WebSockets, against servers that say other things and push at other times. */
import { describe, expect, test } from 'vitest';
import { Latency } from '../../src/measure/histograms.ts';
import type { Said, SessionSpec } from '../helpers/scripts.ts';
import { frame } from '../helpers/websocket.ts';
import { named, play } from './play.ts';

const UPGRADE =
  'GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n';
const ACCEPT =
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n';

const ask = (text: string, afterMs = 20): Said => ({
  from: 'client',
  text: frame(0x81, text, 'mask'),
  afterMs,
});
const say = (text: string, afterMs = 10): Said => ({
  from: 'server',
  text: frame(0x81, text),
  afterMs,
});
const raw = (text: string, afterMs = 10): Said => ({ from: 'server', text, afterMs });
const upgraded = (...said: Said[]): SessionSpec => ({
  said: [{ from: 'client', text: UPGRADE, afterMs: 1 }, raw(ACCEPT), ...said],
});

/** Each request is answered after 10 ms, 20 ms behind what came before it; pushes come in the pauses. */
const recorded = upgraded(
  say('tick 1', 5),
  ask('one'),
  say('echo one'),
  say('tick 2', 5),
  say('tick 3', 5),
  ask('two'),
  say('echo two'),
  ask('three'),
  say('echo three'),
);

describe('behind an upgrade', () => {
  test.each([
    ['as recorded', recorded],
    [
      'of other lengths, and pushes at other times',
      upgraded(
        ask('one'),
        say('tick 77', 5),
        raw(frame(0x8a, '') + frame(0x81, `tick ${'x'.repeat(300)}`), 2),
        say(`echo ${'1'.repeat(200)} and more`, 3),
        say('tick 9', 1),
        ask('two'),
        say('echo', 10),
        ask('three'),
        raw(frame(0x01, 'echo thr'), 5),
        raw(frame(0x80, 'ee in two frames') + frame(0x81, 'tick 100'), 5),
      ),
    ],
    [
      'cut anywhere',
      upgraded(
        ask('one'),
        ...(`${frame(0x81, 'tick 4')}${frame(0x81, 'echo uno')}`.match(/.{1,3}/gs) ?? []).map(
          (piece) => raw(piece, 1),
        ),
        ask('two'),
        say('echo dos', 10),
        ask('three'),
        say('echo tres', 10),
      ),
    ],
  ])('answers are followed: %s', (_, target) => {
    const played = play([recorded], { users: 3, server: [target] });
    expect(named(played.counters)).toMatchObject({
      COMPLETED: 3,
      EXCHANGES_PLANNED: 12,
      EXCHANGES_ANSWERED: 12,
      ANSWER_BY_PROTOCOL: 12,
    });
    expect(named(played.counters)).not.toHaveProperty('EXCHANGES_UNSOLICITED');
    expect(named(played.counters)).not.toHaveProperty('ANSWERS_UNFOLLOWED');
    expect(played.latency.row(Latency.SERVICE).max).toBeLessThan(14);
    expect(played.latency.row(Latency.SERVICE).count).toBe(12);
    expect(played.classes.names).toEqual(['GET /chat', 'text message']);
  });

  test('think times count from answers, not from what was pushed before the next request', () => {
    // 1 + 10 for the upgrade, 15 + 20, 10, 10 + 20, 10, 20, 10: what the recording took, without its pushes.
    const quiet = upgraded(
      ask('one'),
      say('echo one'),
      ask('two'),
      say('echo two'),
      ask('three'),
      say('echo three'),
    );
    const played = play([recorded], { server: [quiet] });
    const asRecorded = play([recorded]);
    expect(played.endMs).toBeCloseTo(asRecorded.endMs, 0);
  });

  describe('the answer to a recorded ping takes no time', () => {
    const ping = raw(frame(0x89, ''), 9);
    const pong: Said = { from: 'client', text: frame(0x8a, '', 'mask'), afterMs: 1 };
    /** Longer than what is left out before it, whose octets the target counts as heard. */
    const next = (text: string, afterMs = 20): Said => ask(text.repeat(8), afterMs);
    const answered = (...before: Said[]): SessionSpec =>
      upgraded(
        ask('one'),
        ...before,
        say('echo one', 1),
        next('two'),
        say('echo two', 1),
        next('three'),
        say('echo three', 1),
      );
    /** Without lag: the last request is answered 1 + 10, three times 20 + 1 ms behind the handshake. */
    const LEAST_MS = 11 + 3 * 21;

    test.each([
      ['where it stood between a request and its answer', answered(ping, pong)],
      ['twice', answered(ping, pong, ping, pong)],
      [
        'where it stood between an answer and the next request',
        upgraded(
          ask('one'),
          say('echo one', 1),
          ping,
          pong,
          next('two', 10),
          say('echo two', 1),
          ping,
          pong,
          say('tick 1', 0),
          next('three', 10),
          say('echo three', 1),
        ),
      ],
    ])('%s', (_, session) => {
      const quiet = play([answered()], { server: [answered()] });
      const played = play([session], { server: [answered()] });
      expect(named(played.counters)).toMatchObject({ COMPLETED: 1, EXCHANGES_ANSWERED: 4 });
      expect(quiet.endMs).toBeGreaterThan(LEAST_MS);
      expect(Math.abs(played.endMs - quiet.endMs)).toBeLessThan(1.5);
    });
  });

  test('an answer in parts is over at the message that ends it, however many there are', () => {
    const parts = (count: number, everyMs = 10): Said[] => [
      ...Array.from({ length: count }, (_, i) => say(`part ${i} of many`, everyMs)),
      say('done', everyMs),
    ];
    const session = (...counts: readonly [number, number, number]): SessionSpec =>
      upgraded(...counts.flatMap((count, i) => [ask(`ask ${i}`), ...parts(count)]));
    const played = play([session(3, 1, 2)], { users: 2, server: [session(1, 6, 2)] });
    expect(named(played.counters)).toMatchObject({
      COMPLETED: 2,
      EXCHANGES_ANSWERED: 8,
      ANSWER_BY_PROTOCOL: 8,
    });
    expect(named(played.counters)).not.toHaveProperty('EXCHANGES_UNSOLICITED');
    const service = played.latency.row(Latency.SERVICE);
    expect(service.max).toBeGreaterThan(69);
    expect(service.max).toBeLessThan(74);
    // Nothing is asked before the answer is over: 1 + 10 for the upgrade, three pauses of 20, and 2 + 7 + 3 messages.
    expect(played.endMs).toBeGreaterThan(11 + 3 * 20 + 12 * 10);
  });

  describe('of an answer in parts the first octet is that of its first part', () => {
    const session = (count: number, before: readonly Said[] = []): SessionSpec =>
      upgraded(
        ...[1, 2, 3].flatMap((turn) => [
          ask(`ask ${turn}`),
          ...before,
          ...Array.from({ length: count }, (_, i) => say(`part ${i} of many`)),
          say('done'),
        ]),
        say('tick 1', 5),
        say('tick 2', 5),
      );
    /** The same in packets of few octets, 2 ms apart. */
    const inPieces = ({ said }: SessionSpec): SessionSpec => ({
      said: said.flatMap((each, i) =>
        each.from === 'client' || i < 2
          ? [each]
          : (`${each.text}`.match(/.{1,3}/gs) ?? []).map((piece, at) =>
              raw(piece, at === 0 ? each.afterMs : 2),
            ),
      ),
    });

    test.each([
      ['in packets of their own', session(4), 10],
      ['in pieces', inPieces(session(4)), 10],
      ['behind a push', session(4, [say('tick 8', 10)]), 20],
      ['behind a push, in pieces', inPieces(session(4, [say('tick 8', 10)])), 24],
      ['of one message', session(0), 10],
      ['of one message, in pieces', inPieces(session(0)), 10],
    ])('%s', (_, server, firstMs) => {
      const played = play([session(2)], { users: 2, server: [server] });
      expect(named(played.counters)).toMatchObject({ EXCHANGES_ANSWERED: 8, COMPLETED: 2 });
      const first = played.latency.row(Latency.FIRST_BYTE);
      expect(first.count).toBe(8);
      expect(first.max).toBeGreaterThan(firstMs - 0.5);
      expect(first.max).toBeLessThan(firstMs + 1.5);
    });

    test('again for whoever comes after a user that ended amid one', () => {
      const { said } = session(4);
      const server: SessionSpec = { said: said.slice(0, 5), end: 'server' };
      const played = play([session(2)], { users: 1, iterations: 3, server: [server] });
      expect(named(played.counters)).toMatchObject({ EXCHANGES_ANSWERED: 3, ABORTED: 3 });
      // Of each user those of the upgrade and of one part.
      expect(played.latency.row(Latency.FIRST_BYTE).count).toBe(6);
    });
  });

  test('what the server closes with is what it says', () => {
    const target = upgraded(ask('one'), say('echo'), ask('two'), raw(frame(0x88, '\x03\xf3')));
    const played = play([recorded], { server: [{ ...target, end: 'server' }] });
    expect(named(played.counters)).toMatchObject({
      EXCHANGES_ANSWERED: 3,
      EXCHANGES_FAILED: 1,
      MISMATCHED_STATUS: 1,
      ABORTED: 1,
    });
    expect(played.differences.seen.at(0)?.example).toMatchObject({
      recorded: 'text',
      got: 'close 1011',
    });
  });

  test.each([
    ['masked', frame(0x81, 'echo one', 'mask'), 'ABORTED_ANSWER_MALFORMED'],
    ['with a reserved bit', frame(0xa1, 'echo one'), 'ABORTED_ANSWER_MALFORMED'],
    ['of 2^63 octets', '\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00', 'ABORTED_ANSWER_BAD_LENGTH'],
  ])('an answer that breaks the rules ends its user: %s', (_, text, reason) => {
    const target = upgraded(
      ask('one'),
      raw(text),
      ask('two'),
      say('echo dos'),
      ask('three'),
      say('echo tres'),
    );
    const played = play([recorded], { server: [target] });
    expect(named(played.counters)).toMatchObject({
      ABORTED: 1,
      EXCHANGES_ANSWERED: 1,
      [reason]: 1,
    });
  });

  test('requests in one go are exchanges of their own, and a close is answered by a close', () => {
    const end = (from: 'client' | 'server'): Said => ({
      from,
      text: frame(0x88, '\x03\xe8', from === 'client' ? 'mask' : ''),
      afterMs: 5,
    });
    const session = upgraded(
      { from: 'client', text: frame(0x81, 'a', 'mask') + frame(0x82, 'b', 'mask'), afterMs: 5 },
      say('A'),
      say('B', 5),
      end('client'),
      end('server'),
    );
    const target = upgraded(
      { from: 'client', text: frame(0x81, 'a', 'mask') + frame(0x82, 'b', 'mask'), afterMs: 5 },
      raw(frame(0x81, 'AA') + frame(0x81, 'BBBB')),
      end('client'),
      end('server'),
    );
    const played = play([session], { users: 2, server: [target] });
    expect(named(played.counters)).toMatchObject({
      COMPLETED: 2,
      EXCHANGES_ANSWERED: 8,
      ANSWER_BY_PROTOCOL: 8,
    });
    const names = ['GET /chat', 'binary message', 'close', 'text message'];
    expect(played.classes.names).toEqual(names);
  });

  test('bodies are compared: the messages', () => {
    const target = upgraded(
      ask('one'),
      say('tick 5', 5),
      say('echo one', 5),
      ask('two'),
      say('echo 2wo'),
      ask('three'),
      say('echo three'),
    );
    const played = play([recorded], { server: [target], check: 'body' });
    expect(named(played.counters)).toMatchObject({ COMPLETED: 1, MISMATCHED_BODY: 1 });
    expect(named(played.counters)).not.toHaveProperty('EXCHANGES_UNCHECKED');
  });
});
