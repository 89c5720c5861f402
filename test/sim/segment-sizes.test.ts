/** Peers that name a segment size each: however many, it is their users that pay, not the run. */
import { expect, test } from 'vitest';
import { NS_PER_MS } from '../../src/base/time.ts';
import { Counter } from '../../src/measure/counters.ts';
import { StreamEnd } from '../../src/session/script/scripts.ts';
import { SYN } from '../../src/wire/tcp.ts';
import { randomOctets } from '../helpers/recorded.ts';
import { simulate } from './simulation.ts';

const IP_BYTES = 20;
const FLAGS_AT = IP_BYTES + 13;
const OPTIONS_AT = IP_BYTES + 20;
const MSS_KIND_AND_LENGTH = [2, 4];

test.each([66, 400])('%i users whose servers all announce another MSS', (users) => {
  let altered = 0;
  const result = simulate({
    sessions: [
      {
        connectNs: NS_PER_MS,
        messages: [
          { from: 'client', octets: randomOctets(9_000, 1), thinkNs: 0 },
          { from: 'server', octets: randomOctets(100, 2), thinkNs: NS_PER_MS },
        ],
        clientEnd: { how: StreamEnd.FIN },
        serverEnd: { how: StreamEnd.FIN, afterPeer: true },
      },
    ],
    users,
    seed: 1,
    toServer: { delayNs: NS_PER_MS },
    toClient: {
      delayNs: NS_PER_MS,
      alter: (octets) => {
        if (!(octets[FLAGS_AT] & SYN)) return;
        expect([...octets.subarray(OPTIONS_AT, OPTIONS_AT + 2)]).toEqual(MSS_KIND_AND_LENGTH);
        const mss = 100 + 3 * altered++;
        octets[OPTIONS_AT + 2] = mss >>> 8;
        octets[OPTIONS_AT + 3] = mss;
      },
    },
  });
  const { counters, clientBytes } = result;
  expect(altered).toBe(users);
  expect(counters[Counter.COMPLETED]).toBe(users);
  expect(counters[Counter.EMBEDDED_OCTETS_CHECKED]).toBe(clientBytes);
  expect(counters[Counter.EMBEDDED_BAD_OCTETS]).toBe(0);
  expect(counters[Counter.EMBEDDED_BAD_CHECKSUM]).toBe(0);
  expect(counters[Counter.RETRANSMITTED]).toBe(0);
});
