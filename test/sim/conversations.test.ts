/** Conversations that nobody thought of, over networks of every kind of badness. */
import { expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { NS_PER_MS } from '../../src/base/time.ts';
import { Counter } from '../../src/measure/counters.ts';
import { StreamEnd } from '../../src/session/script/scripts.ts';
import { type RecordedMessage, type RecordedSession, randomOctets } from '../helpers/recorded.ts';
import type { Faults } from './faulty-link.ts';
import { ledgerOf, simulate } from './simulation.ts';

const SESSIONS = 6;
const USERS = 24;

function conversation(prng: Prng): RecordedSession {
  const messages: RecordedMessage[] = [];
  const spoken = { client: 0, server: 0 };
  const count = 1 + (prng.nextUint32() % 10);
  for (let i = 0; i < count; i++) {
    const from = prng.nextUnit() < 0.5 ? 'client' : 'server';
    const peerBytes = from === 'client' ? spoken.server : spoken.client;
    const bytes = 1 + (prng.nextUint32() % (prng.nextUnit() < 0.2 ? 9000 : 400));
    const octets = randomOctets(bytes, prng.nextUint32());
    // Sometimes it has not waited for all that was said before.
    const awaits = prng.nextUnit() < 0.7 ? peerBytes : Math.floor(prng.nextUnit() * peerBytes);
    const before = messages.filter((message) => message.from === from).at(-1)?.awaits ?? 0;
    const thinkNs = Math.floor(prng.nextUnit() ** 3 * 10 * NS_PER_MS);
    messages.push({ from, octets, thinkNs, awaits: Math.max(awaits, before) });
    spoken[from] += bytes;
  }
  const isServerFirst = prng.nextUnit() < 0.5;
  const end = (afterPeer: boolean) => ({ how: StreamEnd.FIN, afterPeer, thinkNs: NS_PER_MS });
  return {
    connectNs: NS_PER_MS,
    messages,
    clientEnd: end(isServerFirst),
    serverEnd: end(!isServerFirst),
  };
}

const faults = (prng: Prng): Faults => ({
  loss: prng.nextUnit() ** 3 * 0.2,
  duplicate: prng.nextUnit() ** 3 * 0.3,
  delayNs: Math.floor(prng.nextUnit() ** 2 * 100 * NS_PER_MS),
  jitterNs: Math.floor(prng.nextUnit() ** 3 * 30 * NS_PER_MS),
});

test.each(Array.from({ length: 60 }, (_, i) => i + 1))(
  'seed %i: every octet of every user arrives once and in order',
  (seed) => {
    const prng = new Prng(seed);
    const sessions = Array.from({ length: SESSIONS }, () => conversation(prng));
    const iterations = 1 + (prng.nextUint32() % 2);
    const result = simulate({
      sessions,
      users: USERS,
      seed,
      sack: seed % 2 === 0,
      family: prng.nextUnit() < 0.5 ? 4 : 6,
      toServer: faults(prng),
      toClient: faults(prng),
      plan: { iterations },
      target: {
        mss: 200 + (prng.nextUint32() % 1300),
        windowBytes: 1 << (10 + (prng.nextUint32() % 11)),
        mergedBytesMax: prng.nextUnit() < 0.5 ? 0 : 60_000,
      },
      layout: { seed, extentBytesMax: 1 + (prng.nextUint32() % 2000) },
    });
    const { counters } = result;
    const connections = USERS * iterations;
    expect({
      seed,
      started: counters[Counter.STARTED],
      ledger: ledgerOf(counters),
      completed: counters[Counter.COMPLETED],
      checked: counters[Counter.EMBEDDED_OCTETS_CHECKED],
      wrong: counters[Counter.EMBEDDED_BAD_OCTETS] + counters[Counter.EMBEDDED_BAD_CHECKSUM],
      unfinished: result.target.countUnfinished(),
    }).toEqual({
      seed,
      started: connections,
      ledger: connections,
      completed: connections,
      checked: result.clientBytes,
      wrong: 0,
      unfinished: 0,
    });
  },
);
