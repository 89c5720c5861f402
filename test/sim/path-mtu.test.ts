/** Uploads over a path whose packets are smaller than both ends think, in virtual time. */
import { describe, expect, test } from 'vitest';
import { NS_PER_MS, NS_PER_SECOND } from '../../src/base/time.ts';
import { Counter } from '../../src/measure/counters.ts';
import { StreamEnd } from '../../src/session/script/scripts.ts';
import { packetTooBig } from '../helpers/icmp.ts';
import { type RecordedSession, randomOctets } from '../helpers/recorded.ts';
import type { Faults, Router } from './faulty-link.ts';
import { ledgerOf, type SimulationOptions, simulate } from './simulation.ts';

const DELAY: Faults = { delayNs: 5 * NS_PER_MS };
const USERS = 20;

/** A request that fills forty packets, answered, and another one. */
const UPLOAD: RecordedSession = {
  messages: [
    { from: 'client', octets: randomOctets(60_000, 1) },
    { from: 'server', octets: randomOctets(200, 2) },
    { from: 'client', octets: randomOctets(20_000, 3) },
    { from: 'server', octets: randomOctets(200, 4) },
  ],
  clientEnd: { how: StreamEnd.FIN },
  serverEnd: { how: StreamEnd.FIN },
};

/** A router before a link of `mtu` octets, which says `told` of it, or nothing. */
class NarrowLink {
  tooBig = 0;
  readonly router: Router;

  constructor(mtu: number, told: number | null) {
    this.router = (octets, bytes) => {
      if (bytes <= mtu) return { isLost: false, message: null };
      this.tooBig++;
      const message = told === null ? null : packetTooBig({ quoted: octets, mtu: told });
      return { isLost: true, message };
    };
  }
}

const upload = (toServer: Faults, options: Partial<SimulationOptions> = {}) =>
  simulate({
    sessions: [UPLOAD],
    users: USERS,
    seed: 5,
    ratePerSecond: 50,
    toServer: { ...DELAY, ...toServer },
    toClient: DELAY,
    ...options,
  });

function expectAllArrived({ counters, clientBytes }: ReturnType<typeof simulate>): void {
  expect(counters[Counter.COMPLETED]).toBe(USERS);
  expect(ledgerOf(counters)).toBe(USERS);
  expect(counters[Counter.EMBEDDED_BAD_OCTETS]).toBe(0);
  expect(counters[Counter.EMBEDDED_BAD_CHECKSUM]).toBe(0);
  expect(counters[Counter.EMBEDDED_OCTETS_CHECKED]).toBe(clientBytes);
}

describe.each([4, 6] as const)('over IPv%i, behind a link of 1,400 octets', (family) => {
  test('segments fit as soon as the router says so, and later users’ from the start', () => {
    const link = new NarrowLink(1400, 1400);
    const result = upload(link, { family });
    const { counters, endNs } = result;
    expectAllArrived(result);
    expect(counters[Counter.PATH_MTU]).toBe(1400);
    expect(counters[Counter.SMALLER_TRIED]).toBe(0);
    expect(counters[Counter.DROPPED_PATH_MESSAGE]).toBe(0);
    expect(counters[Counter.DROPPED_MALFORMED]).toBe(0);
    // The first flight of the first user alone, of ten segments.
    expect(link.tooBig).toBe(10);
    expect(counters[Counter.PATH_MESSAGES]).toBe(10);
    expect(counters[Counter.RETRANSMITTED]).toBeLessThanOrEqual(12);
    // No timeout was waited for: the last user starts at 380 ms and needs ten round trips of 10 ms.
    expect(endNs).toBeLessThan(600 * NS_PER_MS);
  });

  test('segments are made smaller where nobody says so', () => {
    const result = upload(new NarrowLink(1400, null), { family });
    const { counters } = result;
    expectAllArrived(result);
    expect(counters[Counter.PATH_MTU]).toBe(0);
    expect(counters[Counter.PATH_MESSAGES]).toBe(0);
    expect(counters[Counter.SMALLER_TRIED]).toBe(USERS);
    expect(result.endNs).toBeLessThan(20 * NS_PER_SECOND);
  });
});

test('a router that does not tell its MTU is answered with the next plateau that fits', () => {
  const link = new NarrowLink(1006, 0);
  const result = upload(link);
  expectAllArrived(result);
  expect(result.counters[Counter.PATH_MTU]).toBe(1006);
  // One size too large on the way: 1492.
  expect(link.tooBig).toBe(20);
});

test('users who were connected before anything was learnt know of it when they send', () => {
  const messages = UPLOAD.messages.map((message, i) =>
    i === 0 ? { ...message, thinkNs: 300 * NS_PER_MS } : message,
  );
  const link = new NarrowLink(1400, 1400);
  const result = upload(link, {
    sessions: [{ ...UPLOAD, messages }],
    ratePerSecond: 100,
  });
  expectAllArrived(result);
  expect(link.tooBig).toBe(10);
});

describe('a message that is not believed changes nothing', () => {
  const ALTERED: readonly { name: string; forge: (quoted: Uint8Array) => Uint8Array }[] = [
    {
      name: 'of octets that were never sent',
      forge: (quoted) => {
        const copy = quoted.slice();
        new DataView(copy.buffer).setUint32(24, 0x1234_5678);
        return packetTooBig({ quoted: copy, mtu: 600 });
      },
    },
    {
      name: 'of another target',
      forge: (quoted) => {
        const copy = quoted.slice();
        copy[19] ^= 1;
        return packetTooBig({ quoted: copy, mtu: 600 });
      },
    },
    {
      name: 'of another port of the target',
      forge: (quoted) => {
        const copy = quoted.slice();
        copy[23] ^= 1;
        return packetTooBig({ quoted: copy, mtu: 600 });
      },
    },
    {
      name: 'of a user who does not play',
      forge: (quoted) => {
        const copy = quoted.slice();
        copy[15] ^= 0x80;
        return packetTooBig({ quoted: copy, mtu: 600 });
      },
    },
    {
      name: 'that went to somebody else',
      forge: (quoted) => packetTooBig({ quoted, mtu: 600, to: Uint8Array.of(198, 18, 0, 200) }),
    },
    {
      name: 'that the packet was no larger than it may be',
      forge: (quoted) => packetTooBig({ quoted, mtu: 9000 }),
    },
  ];

  test.each(ALTERED)('$name', ({ forge }) => {
    const plain = upload({});
    let forged = 0;
    const router: Router = (octets, bytes) => {
      const isData = bytes > octets.length;
      if (isData) forged++;
      return { isLost: false, message: isData ? forge(octets) : null };
    };
    const result = upload({ router });
    expectAllArrived(result);
    expect(forged).toBeGreaterThan(0);
    expect(result.counters[Counter.DROPPED_PATH_MESSAGE]).toBe(forged);
    expect(result.counters[Counter.PATH_MESSAGES]).toBe(0);
    expect(result.counters[Counter.PACKETS_SENT]).toBe(plain.counters[Counter.PACKETS_SENT]);
  });
});
