import fc from 'fast-check';
import { expect, test } from 'vitest';
import { clientCounts } from '../../src/run/captures/client-counts.ts';
import { SessionFlag, SessionWord } from '../../src/session/reading/session-records.ts';

/** Sessions of these clients: the server is who sends in direction 0 of every second one. */
function sessionsOf(clients: readonly { readonly number: number; readonly isIpv6: boolean }[]) {
  const serverSideOf = (session: number) => (session % 2) as 0 | 1;
  return {
    replayable: Uint32Array.from(clients, (_, session) => session),
    serverSideOf,
    word: (session: number, word: number) =>
      word === SessionWord.ADDRESS + 1 - serverSideOf(session) ? clients[session].number : 7,
    hasFlag: (session: number, flag: number) =>
      flag === SessionFlag.IPV6 && clients[session].isIpv6,
  };
}

test('sessions are counted by client, whatever their addresses have in common', () => {
  // Octets of few values, so that each part of an address is shared by others.
  const octet = fc.constantFrom(0, 8, 129);
  const number = fc
    .tuple(octet, octet, octet, octet)
    .map(([a, b, c, d]) => ((a << 24) | (b << 16) | (c << 8) | d) >>> 0);
  const clients = fc.array(fc.record({ number, isIpv6: fc.boolean() }), {
    maxLength: 300,
    size: 'max',
  });
  fc.assert(
    fc.property(clients, (drawn) => {
      const counts = new Map<string, number>();
      for (const { number, isIpv6 } of drawn) {
        const client = `${isIpv6} ${number}`;
        counts.set(client, (counts.get(client) ?? 0) + 1);
      }
      const expected = Uint32Array.from(counts.values()).sort();
      expect(clientCounts(sessionsOf(drawn)).sort()).toEqual(expected);
    }),
  );
});
