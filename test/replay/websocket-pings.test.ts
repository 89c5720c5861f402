/** Users of WebSockets whose live servers ping: what the servers are told, octet by octet. */
import { describe, expect, test } from 'vitest';
import { NS_PER_MS } from '../../src/base/time.ts';
import { Counter } from '../../src/measure/counters.ts';
import { StreamEnd } from '../../src/session/script/scripts.ts';
import type { RecordedMessage } from '../helpers/recorded.ts';
import { frame } from '../helpers/websocket.ts';
import { type Answer, talk } from './talking.ts';

const UPGRADE =
  'GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n';
const ACCEPT =
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n';
const MASK = 'mask';

/** As a client says it: under a mask. */
function masked(first: number, text: string): string {
  const octets = [...text].map((each, i) => each.charCodeAt(0) ^ MASK.charCodeAt(i % 4));
  return frame(first, String.fromCharCode(...octets), MASK);
}

const from = (side: 'client' | 'server', text: string, thinkMs = 10): RecordedMessage => ({
  from: side,
  octets: Buffer.from(text, 'latin1'),
  thinkNs: thinkMs * NS_PER_MS,
});
const client = (text: string, thinkMs?: number) => from('client', text, thinkMs);
const server = (text: string) => from('server', text);
const ask = (text: string) => masked(0x81, text);
const pong = (text: string) => masked(0x8a, text);
const ping = (text: string) => frame(0x89, text);

interface Heard {
  readonly first: number;
  readonly text: string;
}

/** The frames of a client's stream behind the upgrade, as far as they are whole. */
function framesOf(stream: string): Heard[] {
  const frames: Heard[] = [];
  for (let at = 0; at < stream.length; ) {
    const bytes = stream.charCodeAt(at + 1) & 0x7f;
    if (at + 6 + bytes > stream.length) break;
    const key = stream.slice(at + 2, at + 6);
    const said = stream.slice(at + 6, at + 6 + bytes);
    const octets = [...said].map((each, i) => each.charCodeAt(0) ^ key.charCodeAt(i % 4));
    frames.push({ first: stream.charCodeAt(at), text: String.fromCharCode(...octets) });
    at += 6 + bytes;
  }
  return frames;
}

interface Played {
  /** What each connection's server heard behind the upgrade. */
  readonly heard: readonly string[];
  readonly counters: Float64Array;
  readonly arenaBytes: number;
}

/**
 * Plays a conversation whose recorded messages stand behind the upgrade.
 * @param answers what the server says to each message that it is asked, in order; the first: to the upgrade
 */
function play(
  messages: readonly RecordedMessage[],
  answers: readonly (readonly Answer[])[],
  users = 2,
): Played {
  const heard: string[] = [];
  const asked: number[] = [];
  let offsetNs = 0;
  const timed = [client(UPGRADE), server(ACCEPT), ...messages].map((each) => {
    offsetNs += each.thinkNs ?? 0;
    return { ...each, offsetNs };
  });
  const { counters, arenaBytes } = talk({
    sessions: [
      {
        messages: timed,
        clientEnd: { how: StreamEnd.FIN },
        serverEnd: { how: StreamEnd.FIN, afterPeer: true },
      },
    ],
    modules: [],
    options: { users },
    scripts: { protocol: Uint8Array.of(1) },
    server: (text, connection) => {
      heard[connection] = (heard[connection] ?? '') + text;
      const said = heard[connection].slice(UPGRADE.length);
      const count = framesOf(said).filter(({ first }) => first === 0x81).length;
      if (text === '' || count <= (asked[connection] ?? -1)) return [];
      asked[connection] = count;
      return answers[count] ?? [];
    },
  });
  expect(counters[Counter.COMPLETED]).toBe(users);
  expect(counters[Counter.PAYLOAD_BYTES_SENT]).toBe(heard.join('').length);
  return { heard: heard.map((each) => each.slice(UPGRADE.length)), counters, arenaBytes };
}

const later = (text: string, delayMs: number): Answer => ({ text, delayMs });
const echo = (text: string) => frame(0x81, text);
const RECORDED = [
  server(ping('r1')),
  client(pong('r1')),
  client(ask('one')),
  server(echo('ONE')),
  client(pong('alive'), 5),
  server(ping('r2') + echo('tick')),
  client(pong('r2'), 1),
  client(ask('two')),
  server(echo('TWO')),
];

describe('a live server pings', () => {
  test('and is answered as it does, with what it said; recorded answers stay out', () => {
    const { heard, counters, arenaBytes } = play(RECORDED, [
      [ACCEPT + ping('a')],
      [
        ping('b').slice(0, 2),
        later(ping('b').slice(2), 1),
        later(echo('ONE'), 2),
        later(ping(''), 4),
      ],
      [echo('TWO')],
    ]);
    for (const each of heard) {
      expect(framesOf(each)).toEqual([
        { first: 0x8a, text: 'a' },
        { first: 0x81, text: 'one' },
        { first: 0x8a, text: 'b' },
        { first: 0x8a, text: '' },
        { first: 0x8a, text: 'alive' },
        { first: 0x81, text: 'two' },
      ]);
    }
    expect(counters[Counter.EXCHANGES_ANSWERED]).toBe(6);
    expect(counters[Counter.ANSWER_BY_PROTOCOL]).toBe(6);
    // What was acknowledged is given back.
    expect(arenaBytes).toBe(0);
  });

  test('and is not answered amid a frame of the client, but behind it', () => {
    const long = ask('a long one');
    const { heard } = play(
      [
        client(ask('one')),
        server(echo('ONE')),
        client(long.slice(0, 9)),
        client(long.slice(9), 20),
        server(echo('LONG')),
      ],
      [[ACCEPT], [echo('ONE'), later(ping('amid'), 15)], [echo('LONG')]],
      1,
    );
    expect(framesOf(heard.join(''))).toEqual([
      { first: 0x81, text: 'one' },
      { first: 0x81, text: 'a long one' },
      { first: 0x8a, text: 'amid' },
    ]);
  });

  test('of several in one go it is the last that is answered', () => {
    const { heard } = play(
      [client(ask('one')), server(echo('ONE'))],
      [[ACCEPT], [ping('x') + ping('y') + echo('ONE') + ping('z')]],
      1,
    );
    expect(framesOf(heard.join(''))).toEqual([
      { first: 0x81, text: 'one' },
      { first: 0x8a, text: 'z' },
    ]);
  });

  test('behind the close nothing is said', () => {
    const close = masked(0x88, '\x03\xe8');
    const { heard } = play(
      [client(ask('one')), server(echo('ONE')), client(close), server(frame(0x88, '\x03\xe8'))],
      [[ACCEPT], [echo('ONE'), later(ping('late'), 11), later(frame(0x88, '\x03\xe8'), 12)]],
      1,
    );
    expect(framesOf(heard.join('')).map(({ first }) => first)).toEqual([0x81, 0x88]);
  });
});

test('a pong without a ping is what the client says of its own accord, and goes out as recorded', () => {
  const messages = [
    client(pong('')),
    client(ask('one')),
    server(ping('p') + echo('ONE')),
    client(pong('q')),
    client(pong('p')),
    client(pong('p')),
  ];
  const { heard } = play(messages, [[ACCEPT], [echo('ONE')]], 1);
  expect(heard.join('')).toBe(pong('') + ask('one') + pong('q') + pong('p'));
});
