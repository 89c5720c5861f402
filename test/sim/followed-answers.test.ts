/**
 * Framers read a stream in order, also where packets are lost, doubled and come in another order: no octet
 * reaches one that was only counted, so no answer ends where it does not.
 */
import { describe, expect, test } from 'vitest';
import { WHOLE_PACKET_BYTES } from '../../src/base/prefix-bytes.ts';
import { NS_PER_MS } from '../../src/base/time.ts';
import { Counter } from '../../src/measure/counters.ts';
import { StreamEnd } from '../../src/session/script/scripts.ts';
import { type RecordedSession, said } from '../helpers/recorded.ts';
import { type SimulationOptions, simulate } from './simulation.ts';

const command = (key: string): string => `*2\r\n$3\r\nGET\r\n$${key.length}\r\n${key}\r\n`;
/** A value that looks like replies wherever one begins to read it. */
const deceit = (bytes: number): string => `$${bytes}\r\n${'+OK\r\n'.repeat(bytes / 5)}\r\n`;
const list = (values: number): string =>
  `*${values}\r\n${Array.from({ length: values }, (_, i) => deceit(5 * (i % 40))).join('')}`;
const chunked = (chunks: number): string =>
  `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${Array.from(
    { length: chunks },
    (_, i) => `${(100 + i).toString(16)}\r\n${'0\r\n\r\n'.repeat(40).slice(0, 100 + i)}\r\n`,
  ).join('')}0\r\n\r\n`;

const session = (rows: readonly (readonly [string, string])[]): RecordedSession => ({
  messages: rows.flatMap(([request, answer]) => [
    said('client', request, 2 * NS_PER_MS),
    said('server', answer, NS_PER_MS),
  ]),
  clientEnd: { how: StreamEnd.FIN },
  serverEnd: { how: StreamEnd.FIN, afterPeer: true },
});

const REDIS = session([
  [command('a').repeat(9), Array.from({ length: 9 }, (_, i) => deceit(700 * i)).join('')],
  [command('b'), list(400)],
  [command('c').repeat(2), deceit(20_000) + list(30)],
]);
const HTTP = session([
  ['GET /1 HTTP/1.1\r\n\r\n', chunked(60)],
  ['GET /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\n\r\n', chunked(9) + chunked(50)],
]);

const run = (seed: number, options: Partial<SimulationOptions> = {}) =>
  simulate({
    sessions: [REDIS, HTTP],
    users: 20,
    seed,
    target: { prefixBytes: WHOLE_PACKET_BYTES, mergedBytesMax: seed % 2 === 0 ? 0 : 8_000 },
    toClient: { loss: 0.05, duplicate: 0.03, delayNs: 4 * NS_PER_MS, jitterNs: 2 * NS_PER_MS },
    toServer: { loss: 0.02 },
    sack: seed % 3 === 0,
    ...options,
  });

describe('answers that framers follow over a bad network', () => {
  test.each([1, 2, 3, 4])('end where they do: seed %i', (seed) => {
    const { counters } = run(seed);
    expect({
      completed: counters[Counter.COMPLETED],
      answered: counters[Counter.EXCHANGES_ANSWERED],
      byProtocol: counters[Counter.ANSWER_BY_PROTOCOL],
      otherLength: counters[Counter.EXCHANGES_OTHER_LENGTH],
      unfollowed: counters[Counter.ANSWERS_UNFOLLOWED],
      unsolicited: counters[Counter.EXCHANGES_UNSOLICITED],
    }).toEqual({
      completed: 20,
      answered: 150,
      byProtocol: 150,
      otherLength: 0,
      unfollowed: 0,
      unsolicited: 0,
    });
  });

  test('or are left to the other rules where too little of a packet is at hand', () => {
    const { counters } = run(5, { target: { prefixBytes: 300 } });
    expect(counters[Counter.COMPLETED]).toBe(20);
    expect(counters[Counter.EXCHANGES_ANSWERED]).toBe(150);
    expect(counters[Counter.EXCHANGES_OTHER_LENGTH]).toBe(0);
    expect(counters[Counter.ANSWERS_UNFOLLOWED]).toBeGreaterThan(0);
  });
});
