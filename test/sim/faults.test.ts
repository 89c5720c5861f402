import { describe, expect, test } from 'vitest';
import { NS_PER_MS, NS_PER_SECOND } from '../../src/base/time.ts';
import { Counter } from '../../src/measure/counters.ts';
import { Latency, LatencyTable } from '../../src/measure/histograms.ts';
import { StreamEnd } from '../../src/session/script/scripts.ts';
import { RST } from '../../src/wire/tcp.ts';
import { type RecordedSession, randomOctets, said } from '../helpers/recorded.ts';
import { ledgerOf, type SimulationOptions, type SimulationResult, simulate } from './simulation.ts';

const FIN = { how: StreamEnd.FIN } as const;
const bytes = (from: 'client' | 'server', count: number, seed: number, thinkNs = 0) => ({
  from,
  octets: randomOctets(count, seed),
  thinkNs,
});

const SESSIONS: readonly RecordedSession[] = [
  {
    connectNs: NS_PER_MS,
    messages: [
      bytes('client', 300, 1, 2 * NS_PER_MS),
      bytes('server', 4000, 2, NS_PER_MS),
      bytes('client', 200, 3, 10 * NS_PER_MS),
      bytes('server', 900, 4, 3 * NS_PER_MS),
    ],
    clientEnd: FIN,
    serverEnd: { ...FIN, afterPeer: true },
  },
  {
    // The server greets first and closes first.
    messages: [
      said('server', '220 mail.example ready\r\n', NS_PER_MS),
      said('client', 'HELO client.example\r\n', NS_PER_MS),
      said('server', '250 hello\r\n'),
      said('client', 'QUIT\r\n'),
      said('server', '221 bye\r\n'),
    ],
    serverEnd: FIN,
    clientEnd: { ...FIN, afterPeer: true },
  },
  {
    // An upload of many segments, and a short answer.
    messages: [bytes('client', 20_000, 5, NS_PER_MS), bytes('server', 50, 6, 20 * NS_PER_MS)],
    clientEnd: { ...FIN, afterPeer: true },
    serverEnd: FIN,
  },
  {
    // A download that takes several packets, after requests in a row without waiting.
    messages: [
      bytes('client', 100, 7),
      { ...bytes('client', 100, 8, NS_PER_MS), awaits: 0 },
      bytes('server', 60_000, 9, NS_PER_MS),
    ],
    clientEnd: FIN,
    serverEnd: { ...FIN, afterPeer: true },
  },
];

/** Everything arrived, once and in order, and nobody is left over. */
function expectAllDelivered(result: SimulationResult, connections: number, seed: number): void {
  const { counters } = result;
  const summary = {
    seed,
    started: counters[Counter.STARTED],
    ledger: ledgerOf(counters),
    completed: counters[Counter.COMPLETED],
    checked: counters[Counter.EMBEDDED_OCTETS_CHECKED],
    wrong: counters[Counter.EMBEDDED_BAD_OCTETS],
    received: counters[Counter.PAYLOAD_BYTES_RECEIVED],
    badChecksums: counters[Counter.EMBEDDED_BAD_CHECKSUM],
    unsent: counters[Counter.UNSENT_OTHER],
    malformed: counters[Counter.DROPPED_MALFORMED],
    mismatched: counters[Counter.EXCHANGES_MISMATCHED],
    isAnswered: counters[Counter.EXCHANGES_ANSWERED] === counters[Counter.EXCHANGES_SENT],
    established: counters[Counter.ESTABLISHED],
    halfOpen: result.target.countUnfinished(),
  };
  expect(summary).toEqual({
    seed,
    started: connections,
    ledger: connections,
    completed: connections,
    checked: result.clientBytes,
    received: result.serverBytes,
    wrong: 0,
    badChecksums: 0,
    unsent: 0,
    malformed: 0,
    mismatched: 0,
    isAnswered: true,
    established: 0,
    halfOpen: 0,
  });
}

describe.each([4, 6] as const)('IPv%i', (family) => {
  test('a good network: nothing is sent twice, and times are exact', () => {
    const users = 100;
    const result = simulate({ sessions: SESSIONS, users, seed: 1, family });
    expectAllDelivered(result, users, 1);
    expect(result.counters[Counter.RETRANSMITTED]).toBe(0);
    expect(result.counters[Counter.SYN_RETRANSMITTED]).toBe(0);
    expect(result.counters[Counter.DROPPED_STALE]).toBe(0);
    expect(result.counters[Counter.DROPPED_OUT_OF_WINDOW]).toBe(0);
  });
});

test('what was overtaken by the end of a connection is not answered with a reset', () => {
  let resets = 0;
  const alter = (octets: Uint8Array): void => {
    if ((octets[33] & RST) !== 0) resets++;
  };
  const result = simulate({
    sessions: [SESSIONS[1]],
    users: 80,
    seed: 4,
    toServer: { alter },
    toClient: { duplicate: 1, delayNs: NS_PER_MS, jitterNs: 5 * NS_PER_MS },
  });
  expectAllDelivered(result, 80, 4);
  expect(result.counters[Counter.DROPPED_STALE]).toBeGreaterThan(20);
  expect(resets).toBe(0);
});

test('an answer in two writes is one answer, and what follows it keeps its time', () => {
  const session: RecordedSession = {
    connectNs: 2 * NS_PER_MS,
    messages: [
      said('client', 'ask', 5 * NS_PER_MS),
      said('server', 'header', NS_PER_MS),
      said('server', 'body', 500 * NS_PER_MS),
      said('client', 'next', 10 * NS_PER_MS),
      said('server', 'answer', 7 * NS_PER_MS),
    ],
    clientEnd: FIN,
    serverEnd: { ...FIN, afterPeer: true },
  };
  const users = 10;
  const result = simulate({ sessions: [session], users, seed: 1 });
  expectAllDelivered(result, users, 1);
  const latency = LatencyTable.of([result.latency.columns]);
  const msOf = (which: Latency, percentile: number): number =>
    Math.round((latency.valueAtPercentileNs(which, percentile) ?? -1) / NS_PER_MS);
  expect([msOf(Latency.CONNECT, 0), msOf(Latency.CONNECT, 100)]).toEqual([2, 2]);
  // Two exchanges: header and body, 501 ms; the answer to the next, 7 ms.
  expect([msOf(Latency.RESPONSE, 0), msOf(Latency.RESPONSE, 100)]).toEqual([7, 501]);
  expect([msOf(Latency.FIRST_BYTE, 0), msOf(Latency.FIRST_BYTE, 100)]).toEqual([1, 7]);
  const lastStartNs = ((users - 1) * NS_PER_SECOND) / 1000;
  expect(result.endNs).toBeCloseTo(lastStartNs + 525 * NS_PER_MS, -3);
});

const RATES = [0.01, 0.05, 0.2];
const CASES: { name: string; options: Partial<SimulationOptions> }[] = [
  ...RATES.map((loss) => ({
    name: `${loss * 100} % loss each way`,
    options: { toServer: { loss }, toClient: { loss } },
  })),
  ...RATES.map((loss) => ({
    name: `${loss * 100} % loss each way over 20 ms, segments unmerged`,
    options: {
      toServer: { loss, delayNs: 10 * NS_PER_MS },
      toClient: { loss, delayNs: 10 * NS_PER_MS },
      target: { mergedBytesMax: 0 },
    },
  })),
  { name: '20 % loss towards the server alone', options: { toServer: { loss: 0.2 } } },
  { name: '20 % loss towards the client alone', options: { toClient: { loss: 0.2 } } },
  {
    name: 'reordering: up to 30 ms of jitter each way',
    options: {
      toServer: { delayNs: NS_PER_MS, jitterNs: 30 * NS_PER_MS },
      toClient: { delayNs: NS_PER_MS, jitterNs: 30 * NS_PER_MS },
      target: { mergedBytesMax: 0 },
    },
  },
  {
    name: 'everything arrives twice',
    options: {
      toServer: { duplicate: 1, jitterNs: 5 * NS_PER_MS },
      toClient: { duplicate: 1, jitterNs: 5 * NS_PER_MS },
    },
  },
  {
    name: 'a path of 600 ms, longer than the first retransmission timeouts',
    options: { toServer: { delayNs: 300 * NS_PER_MS }, toClient: { delayNs: 300 * NS_PER_MS } },
  },
  {
    name: 'loss, duplicates, delay and jitter together, small segments',
    options: {
      toServer: { loss: 0.05, duplicate: 0.05, delayNs: 5 * NS_PER_MS, jitterNs: 20 * NS_PER_MS },
      toClient: { loss: 0.05, duplicate: 0.05, delayNs: 5 * NS_PER_MS, jitterNs: 20 * NS_PER_MS },
      target: { mergedBytesMax: 0, mss: 500 },
    },
  },
  {
    name: 'nothing arrives for 2.5 seconds while users start',
    options: {
      toServer: { drop: ({ atNs }) => atNs < 2.5 * NS_PER_SECOND },
      toClient: { delayNs: NS_PER_MS },
    },
  },
];

test.each([4, 6] as const)(
  'a link that turns bits over: every harmed frame is found and sent again, IPv%i',
  (family) => {
    const users = 80;
    const result = simulate({
      sessions: SESSIONS,
      users,
      seed: 5,
      family,
      toServer: { corrupt: 0.1 },
    });
    const { counters, clientBytes } = result;
    expect(counters[Counter.COMPLETED]).toBe(users);
    expect(counters[Counter.EMBEDDED_OCTETS_CHECKED]).toBe(clientBytes);
    expect(counters[Counter.EMBEDDED_BAD_OCTETS]).toBe(0);
    const [corrupted] = result.link.harmed.corrupted;
    expect(corrupted).toBeGreaterThan(50);
    // What no sum covers in IPv6 (traffic class, flow label, hop limit) does no harm.
    const found = counters[Counter.EMBEDDED_BAD_CHECKSUM];
    if (family === 4) expect(found).toBe(corrupted);
    else expect(found).toBeGreaterThan(corrupted * 0.8);
  },
);

describe.each(CASES)('$name', ({ options }) => {
  const runs = [1, 2, 3].flatMap((seed) => [false, true].map((sack) => ({ seed, sack })));
  test.each(runs)('every octet arrives, seed $seed, SACK: $sack', ({ seed, sack }) => {
    const users = 80;
    const result = simulate({ sessions: SESSIONS, users, seed, sack, ...options });
    // The network was as bad as it says.
    const { toServer, toClient } = options;
    const [lostToServer, lostToClient] = result.link.harmed.lost;
    expect(lostToServer > 0).toBe(toServer?.loss !== undefined || toServer?.drop !== undefined);
    expect(lostToClient > 0).toBe(toClient?.loss !== undefined);
    expectAllDelivered(result, users, seed);
  });
});
