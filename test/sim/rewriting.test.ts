/**
 * Messages that are written anew, through a bad network: what the server puts together must be what a
 * replacement in the recorded octets gives, whatever is lost, doubled, delayed or cut elsewhere.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { WHOLE_PACKET_BYTES } from '../../src/base/prefix-bytes.ts';
import { hash32, Prng } from '../../src/base/prng.ts';
import { NS_PER_MS } from '../../src/base/time.ts';
import { Counter } from '../../src/measure/counters.ts';
import { Pace } from '../../src/replay/replay-plan.ts';
import type { ProtocolModule, RecordedSession as Seen } from '../../src/rewrite/module.ts';
import { StreamEnd } from '../../src/session/script/scripts.ts';
import '../helpers/property-seed.ts';
import { packetTooBig } from '../helpers/icmp.ts';
import { type RecordedSession, randomOctets } from '../helpers/recorded.ts';
import type { Router } from './faulty-link.ts';
import { type RewritingOptions, simulateRewriting } from './rewriting-simulation.ts';

const FIN = { how: StreamEnd.FIN } as const;
const bytes = (from: 'client' | 'server', count: number, seed: number, thinkNs = 0) => ({
  from,
  octets: randomOctets(count, seed),
  thinkNs,
});

const SESSIONS: readonly RecordedSession[] = [
  {
    messages: [
      bytes('client', 300, 1, 2 * NS_PER_MS),
      bytes('server', 4000, 2, NS_PER_MS),
      bytes('client', 200, 3, 10 * NS_PER_MS),
      bytes('server', 900, 4, 3 * NS_PER_MS),
      bytes('client', 1, 5),
      bytes('server', 20_000, 6, 3 * NS_PER_MS),
    ],
    clientEnd: FIN,
    serverEnd: { ...FIN, afterPeer: true },
  },
  {
    // The server speaks first; an upload of many segments between two short ones.
    messages: [
      bytes('server', 40, 7, NS_PER_MS),
      bytes('client', 30, 8),
      bytes('server', 30, 9),
      bytes('client', 30_000, 10, NS_PER_MS),
      bytes('server', 3, 11, 20 * NS_PER_MS),
      bytes('client', 700, 12),
      bytes('server', 10, 13, NS_PER_MS),
    ],
    clientEnd: { ...FIN, afterPeer: true },
    serverEnd: FIN,
  },
  {
    // Requests in a row without waiting.
    messages: [
      bytes('client', 100, 14),
      { ...bytes('client', 2000, 15, NS_PER_MS), awaits: 0 },
      { ...bytes('client', 64, 16, NS_PER_MS), awaits: 0 },
      bytes('server', 60_000, 17, NS_PER_MS),
      bytes('client', 5000, 18, NS_PER_MS),
      bytes('server', 60, 19, NS_PER_MS),
    ],
    clientEnd: FIN,
    serverEnd: { ...FIN, afterPeer: true },
  },
];

/** Pieces of a message: recorded octets, and others instead of them. */
type Splice = readonly ({ readonly from: number; readonly to: number } | Uint8Array)[];

/** By chance, the same for the same key; never empty. */
function spliceOf(recordedBytes: number, key: number): Splice {
  const prng = new Prng(key);
  const below = (end: number): number => prng.nextUint32() % end;
  const splice: Splice[number][] = [];
  for (let at = 0; at < recordedBytes; ) {
    const to = at + 1 + below(recordedBytes - at);
    splice.push({ from: at, to });
    const skipped = below(3) === 0 ? below(recordedBytes - to + 1) : 0;
    const length = [0, 1, skipped, below(40), below(4000)][below(5)];
    splice.push(randomOctets(length, key + at));
    at = to + skipped;
  }
  return splice;
}

const keyOf = (seed: number, session: number, message: number, client: number): number =>
  hash32(hash32(seed, session * 64 + message), client);

/** Whether the message is written anew at all. */
const isChosen = (seed: number, session: number, message: number): boolean =>
  hash32(seed, session * 64 + message) % 4 !== 0;

const spliced = (recorded: Uint8Array, splice: Splice): Uint8Array =>
  Buffer.concat(
    splice.map((piece) =>
      piece instanceof Uint8Array ? piece : recorded.subarray(piece.from, piece.to),
    ),
  );

interface Connection {
  readonly client: number;
  readonly seen: Seen;
}

/** Writes most messages anew, and holds every answer against the recorded one. */
function splicing(seed: number, wrong: string[]): ProtocolModule<Seen, number, Connection> {
  return {
    name: 'splicing',
    plan: (seen) => {
      const all = Array.from({ length: seen.messages }, (_, i) => i);
      return {
        plan: seen,
        rewrites: all.filter((message) => isChosen(seed, seen.session, message)),
        reads: [...all, seen.messages],
      };
    },
    client: (info) => info.client,
    connection: (client, seen) => ({ client, seen }),
    onAnswer: ({ seen }, stage, octets, isWhole) => {
      const recorded = seen.stage(stage);
      if (!isWhole || recorded === undefined || Buffer.compare(recorded, octets) !== 0) {
        wrong.push(`session ${seen.session}, stage ${stage}: ${octets.length} octets`);
      }
    },
    rewrite: ({ client, seen }, message, out) => {
      const { recorded } = out;
      const key = keyOf(seed, seen.session, message, client);
      for (const piece of spliceOf(recorded.length, key)) {
        if (piece instanceof Uint8Array) out.put(piece);
        else out.copy(piece.from, piece.to);
      }
      return 'ready';
    },
  };
}

/** The client's messages of a session, from the list that it was recorded from. */
const messagesOf = (session: number): readonly Uint8Array[] =>
  SESSIONS[session].messages.flatMap(({ from, octets }) => (from === 'client' ? [octets] : []));

function expectedOf(seed: number, session: number, client: number): Uint8Array {
  return Buffer.concat(
    messagesOf(session).map((recorded, message) =>
      isChosen(seed, session, message)
        ? spliced(recorded, spliceOf(recorded.length, keyOf(seed, session, message, client)))
        : recorded,
    ),
  );
}

function expectReplaced(seed: number, options: Partial<RewritingOptions>): void {
  const users = 9;
  const iterations = 2;
  const wrong: string[] = [];
  const result = simulateRewriting({
    sessions: SESSIONS,
    users,
    seed,
    modules: [splicing(seed, wrong)],
    ...options,
    target: { prefixBytes: WHOLE_PACKET_BYTES, ...options.target },
    plan: { iterations, ...options.plan },
  });
  const { counters } = result;
  const connections = users * iterations;
  expect({
    completed: counters[Counter.COMPLETED],
    badChecksums: counters[Counter.EMBEDDED_BAD_CHECKSUM],
    badOctets: counters[Counter.EMBEDDED_BAD_OCTETS],
    failures: [...(result.replay.rewriting?.host.failures ?? [])],
    changed: result.changed,
    arenaBytes: result.replay.rewriting?.arena.usedBytes,
    wrong,
  }).toEqual({
    completed: connections,
    badChecksums: 0,
    badOctets: 0,
    failures: [],
    changed: 0,
    arenaBytes: 0,
    wrong: [],
  });
  for (let connection = 0; connection < connections; connection++) {
    const client = connection % users;
    const expected = expectedOf(seed, connection % SESSIONS.length, client);
    const heard = result.streamOf(connection);
    expect(Buffer.compare(heard, expected), `seed ${seed}, connection ${connection}`).toBe(0);
  }
}

const MS = NS_PER_MS;

/** A router before a link of `mtu` octets, which says `told` of it, or nothing. */
const narrowLink =
  (mtu: number, told: number | null): Router =>
  (quoted, bytes) => {
    if (bytes <= mtu) return { isLost: false, message: null };
    return { isLost: true, message: told === null ? null : packetTooBig({ quoted, mtu: told }) };
  };

describe('the server gets what a replacement in the recording gives', () => {
  test.each<[string, Partial<RewritingOptions>]>([
    ['a good network', {}],
    ['loss', { toServer: { loss: 0.1 }, toClient: { loss: 0.1 } }],
    [
      'loss, with SACK',
      { sack: true, toServer: { loss: 0.1, delayNs: MS }, toClient: { loss: 0.1 } },
    ],
    [
      'loss, copies and jitter, small segments',
      {
        toServer: { loss: 0.05, duplicate: 0.1, delayNs: 5 * MS, jitterNs: 20 * MS },
        toClient: { loss: 0.05, duplicate: 0.1, delayNs: 5 * MS, jitterNs: 20 * MS },
        target: { mergedBytesMax: 0, mss: 100 },
      },
    ],
    [
      'a small window, of which pieces are sent',
      { toServer: { loss: 0.02, delayNs: MS }, target: { windowBytes: 1500, mss: 536 } },
    ],
    [
      'an open loop',
      {
        plan: { pace: Pace.SCHEDULE },
        toServer: { loss: 0.1, delayNs: 10 * MS, jitterNs: 20 * MS },
      },
    ],
    [
      'a narrow link, of which a router tells',
      { toServer: { delayNs: MS, router: narrowLink(700, 700) }, target: { mergedBytesMax: 0 } },
    ],
    [
      'a narrow link, of which nobody tells',
      { toServer: { delayNs: MS, router: narrowLink(700, null) }, target: { mergedBytesMax: 0 } },
    ],
    ['no pauses', { plan: { pace: Pace.NONE }, toServer: { loss: 0.05, delayNs: MS } }],
  ])('%s', (_, options) => {
    expectReplaced(1, options);
    expectReplaced(2, options);
  });

  test('whatever network and chance', () => {
    const faults = fc.record({
      loss: fc.double({ min: 0, max: 0.2, noNaN: true }),
      duplicate: fc.double({ min: 0, max: 0.2, noNaN: true }),
      delayNs: fc.integer({ min: 0, max: 20 * MS }),
      jitterNs: fc.integer({ min: 0, max: 30 * MS }),
    });
    const drawn = fc.record({
      seed: fc.integer({ min: 0, max: 0xffff_ffff }),
      toServer: faults,
      toClient: faults,
      sack: fc.boolean(),
      mss: fc.integer({ min: 64, max: 1460 }),
      pace: fc.constantFrom(...Object.values(Pace)),
      extentBytesMax: fc.integer({ min: 20, max: 1448 }),
    });
    const property = fc.property(drawn, ({ seed, mss, pace, extentBytesMax, ...network }) => {
      const target = { mss, mergedBytesMax: seed % 2 === 0 ? 0 : 65_000 };
      expectReplaced(seed, { ...network, target, plan: { pace }, layout: { extentBytesMax } });
    });
    fc.assert(property, { numRuns: 12 });
  });
});
