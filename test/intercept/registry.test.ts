import { expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import type { PacketEnds, Registration } from '../../src/intercept/ports.ts';
import { NOBODY, overlapOf, Registry } from '../../src/intercept/registry.ts';
import { octetsOf, request } from './registrations.ts';

const registration = (id: number, ...args: Parameters<typeof request>): Registration => ({
  ...request(...args),
  id,
});

const isSame = (one: Uint8Array, other: Uint8Array, octets: number): boolean =>
  one.subarray(0, octets).every((octet, i) => octet === other[i]);

const ends = (src: Uint8Array, dst: Uint8Array): PacketEnds => ({
  version: dst.length === 4 ? 4 : 6,
  dstLow32: new DataView(dst.buffer).getUint32(dst.length - 4),
  srcMatches: (address, octets = address.length) =>
    address.length === src.length && isSame(src, address, octets),
  dstMatches: (address, octets = address.length) =>
    address.length === dst.length && isSame(dst, address, octets),
});

/** The naive twin: every range of everybody, one after another. */
function ownerByLooking(
  list: readonly Registration[],
  packet: { src: Uint8Array; dst: Uint8Array; srcPort: number; dstPort: number },
): number {
  const { src, dst, srcPort, dstPort } = packet;
  const low = new DataView(dst.buffer).getUint32(dst.length - 4);
  return list.findIndex(
    ({ ranges, ports, targets }) =>
      ranges.some(
        ({ prefix, start, count }) =>
          prefix.length + 4 === dst.length &&
          isSame(dst, prefix, prefix.length) &&
          low >= start &&
          low < start + count,
      ) &&
      dstPort >= ports.first &&
      dstPort <= ports.last &&
      targets.some(
        ({ address, port }) =>
          port === srcPort && address.length === src.length && isSame(src, address, src.length),
      ),
  );
}

test('200,000 random tuples find the owner that a look at everybody finds', () => {
  const list = [
    registration(1, '10.0.0.0/24,10.0.2.0-10.0.2.9', [1024, 2047]),
    // The same addresses with other ports, and its pieces in no order.
    registration(2, '10.0.3.0/25,10.0.0.128-10.0.1.7,10.0.0.3', [2048, 4000]),
    registration(3, '10.0.0.200-10.0.0.220', [4001, 4001], ['10.77.0.1 80', '10.77.0.2 443']),
    registration(4, 'fd77::64:0/120', [1024, 2047]),
    registration(5, 'fd77:0:0:1::64:0/120', [1024, 2047], ['fd77::1 80', 'fd77::2 80']),
    registration(
      6,
      '255.255.255.255'.replace('255.255.255.255', '223.255.255.250-223.255.255.255'),
    ),
  ];
  const registry = new Registry(list);
  const random = new Prng(20_261_121);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random.nextUnit() * from.length)] as T;
  const below = (n: number): number => Math.floor(random.nextUnit() * n);
  const sources = ['10.77.0.1', '10.77.0.2', '10.77.0.1', 'fd77::1', 'fd77::2', 'fd77::1'].map(
    octetsOf,
  );
  const bases = [
    '10.0.0.0',
    '10.0.2.0',
    '223.255.255.0',
    'fd77::64:0',
    'fd77:0:0:1::64:0',
    'fd78::64:0',
  ].map(octetsOf);
  let owned = 0;
  for (let i = 0; i < 200_000; i++) {
    const dst = pick(bases).slice();
    const data = new DataView(dst.buffer);
    const span = pick([8, 256, 300]);
    data.setUint32(dst.length - 4, (data.getUint32(dst.length - 4) + below(span)) >>> 0);
    const src = pick(sources.filter(({ length }) => length === dst.length));
    const srcPort = pick([80, 80, 80, 443, 8080]);
    const dstPort = pick([1023, 1024, 2047, 2048, 4000, 4001, 4002, below(65_536)]);
    const found = registry.ownerOf(ends(src, dst), srcPort, dstPort);
    const right = ownerByLooking(list, { src, dst, srcPort, dstPort });
    if (found !== right) expect({ i, dst, srcPort, dstPort, found }).toEqual({ right });
    if (found !== NOBODY) owned++;
  }
  // The tuples are such that the test sees both answers often.
  expect(owned).toBeGreaterThan(10_000);
  expect(owned).toBeLessThan(180_000);
});

test.each([
  { name: 'the same range', clients: '10.0.0.0/24', clash: true },
  { name: 'one address of it', clients: '10.0.0.77', clash: true },
  { name: 'a range around it', clients: '10.0.0.0/16', clash: true },
  { name: 'the last address', clients: '10.0.0.254-10.0.1.9', clash: true },
  { name: 'the address behind the last one', clients: '10.0.0.255-10.0.1.9', clash: false },
  { name: 'another range', clients: '10.0.1.0/24', clash: false },
  {
    name: 'the same range with other ports',
    clients: '10.0.0.0/24',
    ports: [2048, 4096],
    clash: false,
  },
  {
    name: 'the same range with one port too many',
    clients: '10.0.0.0/24',
    ports: [2047, 4096],
    clash: true,
  },
  { name: 'IPv6', clients: 'fd77::64:0/112', clash: false },
] as const)(
  'of 10.0.0.0/24 with ports 1024-2047, $name: overlaps $clash',
  ({ clients, clash, ...rest }) => {
    const ports = 'ports' in rest ? rest.ports : ([1024, 2047] as const);
    const found = overlapOf(
      request(clients, ports),
      [registration(3, '10.0.0.0/24', [1024, 2047])],
      (id) => `replay ${id}`,
    );
    if (clash) expect(found).toContain('replay 3');
    else expect(found).toBeNull();
  },
);

test('nobody owns anything where nobody has registered', () => {
  const packet = ends(octetsOf('10.77.0.1'), octetsOf('10.0.0.1'));
  expect(new Registry([]).ownerOf(packet, 80, 1024)).toBe(NOBODY);
});
