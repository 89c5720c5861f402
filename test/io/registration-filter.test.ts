import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addressAt, addressBytes, addressOfBytes } from '../../src/base/address.ts';
import type { EndpointOctets, Registration } from '../../src/intercept/ports.ts';
import { registrationFilter } from '../../src/io/filter/registration-filter.ts';
import {
  describeRegistration,
  RegistrationMatcher,
  withoutPassed,
} from '../../src/io/intercept/intercept-registrations.ts';
import { IpView } from '../../src/wire/ip-view.ts';
import { PacketTooBigView } from '../../src/wire/packet-too-big.ts';
import { WireFault } from '../../src/wire/wire-fault.ts';
import { packetTooBig } from '../helpers/icmp.ts';
import { octetsOf, rangeOf, registrationOf, targetOf } from '../helpers/raw-client.ts';
import { runBpf } from './bpf-interpreter.ts';

const SNAP_BYTES = 248;
const ETHER_TYPE = { 4: 0x0800, 6: 0x86dd } as const;
const INTERFACE = 3;

interface Packet {
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly protocol?: number;
}

function packetOf({ source, destination, sourcePort, destinationPort, protocol = 6 }: Packet) {
  const isIpv4 = source.length === 4;
  const headerBytes = isIpv4 ? 20 : 40;
  const octets = new Uint8Array(headerBytes + 20);
  const data = new DataView(octets.buffer);
  data.setUint8(0, isIpv4 ? 0x45 : 0x60);
  if (isIpv4) data.setUint16(2, octets.length);
  else data.setUint16(4, 20);
  data.setUint8(isIpv4 ? 9 : 6, protocol);
  octets.set(source, isIpv4 ? 12 : 8);
  octets.set(destination, isIpv4 ? 16 : 24);
  data.setUint16(headerBytes, sourcePort);
  data.setUint16(headerBytes + 2, destinationPort);
  data.setUint8(headerBytes + 12, 0x50);
  return octets;
}

/** What the kernel's filter says, and the matcher in our own process. */
function verdicts(
  registrations: readonly Registration[],
  packet: Packet,
  interfaces: readonly number[] | null = null,
): [boolean, boolean] {
  const octets = packetOf(packet);
  const message = messageOf(packet);
  const program = registrationFilter({ registrations, interfaces, snapBytes: SNAP_BYTES });
  const family = packet.source.length === 4 ? 4 : 6;
  const accepted = runBpf(program, octets, ETHER_TYPE[family], INTERFACE);
  expect([0, SNAP_BYTES]).toContain(accepted);
  const ip = new IpView();
  ip.wrap(new DataView(octets.buffer), 0, octets.length);
  const isTcp = ip.check() === WireFault.OK;
  const matcher = new RegistrationMatcher(registrations);
  const matches = isTcp && matcher.matches(ip, packet.sourcePort, packet.destinationPort);
  // What a router says of the packet that this one answers has to go the same way.
  expect(runBpf(program, message, ETHER_TYPE[family], INTERFACE)).toBe(accepted);
  const view = new PacketTooBigView();
  const data = new DataView(message.buffer);
  ip.wrap(data, 0, message.length);
  expect(ip.check()).toBe(WireFault.NOT_TCP);
  view.wrap(data, 0, message.length, ip);
  const isMessage = view.check() === WireFault.OK;
  expect(isMessage && matcher.matches(view, view.srcPort, view.dstPort)).toBe(matches);
  return [accepted > 0, matches];
}

function messageOf(reply: Packet): Uint8Array {
  const { source, destination, sourcePort, destinationPort } = reply;
  const quoted = packetOf({
    ...reply,
    source: destination,
    destination: source,
    sourcePort: destinationPort,
    destinationPort: sourcePort,
  });
  return packetTooBig({ quoted, mtu: 1400 });
}

const REGISTRATIONS: readonly Registration[] = [
  registrationOf(
    1,
    [rangeOf('198.18.0.0', 256), rangeOf('198.19.0.5', 3)],
    [targetOf('10.0.0.1', 80), targetOf('10.0.0.2', 443)],
    { first: 2_000, last: 3_000 },
  ),
  registrationOf(2, [rangeOf('198.20.0.0', 1)], [targetOf('10.0.0.1', 80)]),
  registrationOf(3, [rangeOf('fd77:18::10', 16)], [targetOf('fd77::1', 80)]),
];

const REPLY = {
  source: octetsOf('10.0.0.1'),
  sourcePort: 80,
  destination: octetsOf('198.18.0.7'),
  destinationPort: 2_500,
};
const REPLY6 = {
  source: octetsOf('fd77::1'),
  sourcePort: 80,
  destination: octetsOf('fd77:18::1f'),
  destinationPort: 2_500,
};

describe('a packet that somebody has registered for is taken', () => {
  test.each<{ name: string; packet: Packet }>([
    { name: 'as it comes', packet: REPLY },
    { name: 'to the first port', packet: { ...REPLY, destinationPort: 2_000 } },
    { name: 'to the last port', packet: { ...REPLY, destinationPort: 3_000 } },
    { name: 'to the last client', packet: { ...REPLY, destination: octetsOf('198.18.0.255') } },
    { name: 'to another range', packet: { ...REPLY, destination: octetsOf('198.19.0.7') } },
    {
      name: 'from another target',
      packet: { ...REPLY, source: octetsOf('10.0.0.2'), sourcePort: 443 },
    },
    {
      name: 'for another registration',
      packet: { ...REPLY, destination: octetsOf('198.20.0.0'), destinationPort: 60_000 },
    },
    { name: 'by IPv6', packet: REPLY6 },
    {
      name: 'to the first IPv6 client',
      packet: { ...REPLY6, destination: octetsOf('fd77:18::10') },
    },
  ])('$name', ({ packet }) => {
    expect(verdicts(REGISTRATIONS, packet)).toEqual([true, true]);
  });
});

describe('a packet that nobody has registered for is left', () => {
  test.each<{ name: string; packet: Packet }>([
    { name: 'before the first port', packet: { ...REPLY, destinationPort: 1_999 } },
    { name: 'behind the last port', packet: { ...REPLY, destinationPort: 3_001 } },
    { name: 'behind the last client', packet: { ...REPLY, destination: octetsOf('198.18.1.0') } },
    {
      name: 'before the first client',
      packet: { ...REPLY, destination: octetsOf('198.17.255.255') },
    },
    { name: 'between the ranges', packet: { ...REPLY, destination: octetsOf('198.19.0.4') } },
    { name: 'from another port', packet: { ...REPLY, sourcePort: 443 } },
    { name: 'from another host', packet: { ...REPLY, source: octetsOf('10.0.0.3') } },
    { name: 'of UDP', packet: { ...REPLY, protocol: 17 } },
    {
      name: "from one registration's target to another's client",
      packet: {
        ...REPLY,
        source: octetsOf('10.0.0.2'),
        sourcePort: 443,
        destination: octetsOf('198.20.0.0'),
      },
    },
    {
      name: 'behind the last IPv6 client',
      packet: { ...REPLY6, destination: octetsOf('fd77:18::20') },
    },
    { name: 'of another IPv6 net', packet: { ...REPLY6, destination: octetsOf('fd77:19::1f') } },
    { name: 'from another IPv6 host', packet: { ...REPLY6, source: octetsOf('fd77::2') } },
  ])('$name', ({ packet }) => {
    expect(verdicts(REGISTRATIONS, packet)).toEqual([false, false]);
  });

  test('whatever it is, when nobody has registered at all', () => {
    expect(verdicts([], REPLY)).toEqual([false, false]);
  });
});

test.each([
  { interfaces: [INTERFACE], isTaken: true },
  { interfaces: [1, 2, INTERFACE], isTaken: true },
  { interfaces: [1, 2], isTaken: false },
  { interfaces: [], isTaken: false },
])('of interfaces $interfaces a packet that came in by 3 is taken: $isTaken', (row) => {
  expect(verdicts(REGISTRATIONS, REPLY, row.interfaces)[0]).toBe(row.isTaken);
});

test("a program of the operator's has to accept as well, wherever it returns", () => {
  // Two ways to accept and one to drop: by the packet's first octet, then by its destination port.
  const first = [
    { code: 0x30, jt: 0, jf: 0, k: 0 },
    { code: 0x15, jt: 0, jf: 1, k: 0x60 },
    { code: 0x06, jt: 0, jf: 0, k: 262_144 },
    { code: 0x28, jt: 0, jf: 0, k: 22 },
    { code: 0x15, jt: 0, jf: 1, k: 2_500 },
    { code: 0x06, jt: 0, jf: 0, k: 262_144 },
    { code: 0x06, jt: 0, jf: 0, k: 0 },
  ];
  const program = registrationFilter({
    registrations: REGISTRATIONS,
    interfaces: null,
    snapBytes: SNAP_BYTES,
    first,
  });
  const run = (packet: Packet) =>
    runBpf(program, packetOf(packet), ETHER_TYPE[packet.source.length === 4 ? 4 : 6]);
  expect(run(REPLY)).toBe(SNAP_BYTES);
  expect(run(REPLY6)).toBe(SNAP_BYTES);
  expect(run({ ...REPLY6, destinationPort: 2_501 })).toBe(SNAP_BYTES);
  expect(run({ ...REPLY, destinationPort: 2_501 })).toBe(0);
  // Accepted by the operator's program alone.
  expect(run({ ...REPLY, sourcePort: 81 })).toBe(0);
});

test('sixty registrations of ten ranges each keep every jump short enough', () => {
  const many = Array.from({ length: 60 }, (_, i) => {
    const ranges = Array.from({ length: 10 }, (_, j) => rangeOf(`198.18.${i}.${10 * j}`, 2));
    return registrationOf(i, ranges, [targetOf('10.0.0.1', 80)]);
  });
  const last = { ...REPLY, destination: octetsOf('198.18.59.91') };
  expect(verdicts(many, last)).toEqual([true, true]);
  expect(verdicts(many, { ...last, destination: octetsOf('198.18.59.92') })).toEqual([
    false,
    false,
  ]);
});

test('the filter is refused where it is longer than the kernel takes', () => {
  const ranges = Array.from({ length: 1_000 }, (_, i) => rangeOf(`198.18.${i >> 8}.${i & 255}`, 1));
  const registrations = [registrationOf(1, ranges, [targetOf('10.0.0.1', 80)])];
  expect(() => registrationFilter({ registrations, interfaces: null, snapBytes: 1 })).toThrow(
    expect.objectContaining({ code: 'ERR_IO_FILTER_TOO_LONG', kind: 'usage' }),
  );
});

/** Registrations as a plain reading has them. */
function isRegistered(registrations: readonly Registration[], packet: Packet): boolean {
  const { source, destination, sourcePort, destinationPort } = packet;
  const text = (octets: Uint8Array) => Buffer.from(octets).toString('hex');
  return registrations.some(
    ({ ranges, ports, targets }) =>
      destinationPort >= ports.first &&
      destinationPort <= ports.last &&
      targets.some(({ address, port }) => port === sourcePort && text(address) === text(source)) &&
      ranges.some((range) => {
        const low = addressOfBytes(destination).low;
        const first = addressBytes(addressAt(range, 0));
        return (
          first.length === destination.length &&
          text(first.subarray(0, -4)) === text(destination.subarray(0, -4)) &&
          low >= range.start &&
          low < range.start + range.count
        );
      }),
  );
}

const registrationArbitrary = fc.record({
  family: fc.constantFrom<4 | 6>(4, 6),
  ranges: fc.array(
    fc.record({ net: fc.nat(1), start: fc.nat(12), count: fc.integer({ min: 1, max: 5 }) }),
    { minLength: 1, maxLength: 3 },
  ),
  targets: fc.array(fc.record({ host: fc.nat(1), port: fc.integer({ min: 80, max: 81 }) }), {
    minLength: 1,
    maxLength: 3,
  }),
  first: fc.integer({ min: 1, max: 6 }),
  span: fc.nat(4),
});

const clientOf = (family: 4 | 6, net: number, low: number) =>
  octetsOf(family === 4 ? `198.${18 + net}.0.${low}` : `fd77:${18 + net}::${low.toString(16)}`);
const hostOf = (family: 4 | 6, host: number) =>
  octetsOf(family === 4 ? `10.0.0.${host}` : `fd00::${host}`);

interface RandomPacket {
  readonly aim: number | null;
  readonly family: 4 | 6;
  readonly net: number;
  readonly low: number;
  readonly host: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

const packetFor = ({
  family,
  net,
  low,
  host,
  sourcePort,
  destinationPort,
}: RandomPacket): Packet => ({
  source: hostOf(family, host),
  destination: clientOf(family, net, low),
  sourcePort,
  destinationPort,
});

type Plan = typeof registrationArbitrary extends fc.Arbitrary<infer T> ? T : never;

/** The same packet, moved into one of the registrations. */
function aimedAt(plans: readonly Plan[], packet: RandomPacket): RandomPacket {
  const { family, ranges, targets, first, span } = plans[(packet.aim ?? 0) % plans.length];
  const { net, start, count } = ranges[packet.low % ranges.length];
  const { host, port } = targets[packet.host % targets.length];
  return {
    ...packet,
    family,
    net,
    low: start + (packet.low % count),
    host,
    sourcePort: port,
    destinationPort: first + (packet.destinationPort % (span + 1)),
  };
}

test('filter, matcher and a plain reading agree on every packet', () => {
  let taken = 0;
  const packetArbitrary = fc.record({
    /** Half of them are aimed at a registration, or few would hit. */
    aim: fc.option(fc.nat(), { freq: 2 }),
    family: fc.constantFrom<4 | 6>(4, 6),
    net: fc.nat(1),
    low: fc.nat(16),
    host: fc.nat(1),
    sourcePort: fc.integer({ min: 80, max: 81 }),
    destinationPort: fc.integer({ min: 1, max: 8 }),
  });
  fc.assert(
    fc.property(
      fc.array(registrationArbitrary, { minLength: 1, maxLength: 4 }),
      fc.array(packetArbitrary, { minLength: 20, maxLength: 20 }),
      (plans, packets) => {
        const registrations = plans.map(({ family, ranges, targets, first, span }, id) =>
          registrationOf(
            id,
            ranges.map(({ net, start, count }) => {
              const { prefix, low } = addressOfBytes(clientOf(family, net, start));
              return { prefix, start: low, count };
            }),
            targets.map(
              ({ host, port }): EndpointOctets => ({
                address: hostOf(family, host),
                port,
              }),
            ),
            { first, last: first + span },
          ),
        );
        for (const random of packets) {
          const packet = packetFor(random.aim === null ? random : aimedAt(plans, random));
          const wanted = isRegistered(registrations, packet);
          if (wanted) taken++;
          expect(verdicts(registrations, packet)).toEqual([wanted, wanted]);
        }
      },
    ),
    { numRuns: 200 },
  );
  // Of 4,000 packets, so that they do not agree for want of any.
  expect(taken).toBeGreaterThan(500);
});

describe('clients that are let through', () => {
  const address = addressOfBytes(octetsOf('198.18.0.0'));
  const taken = (registrations: readonly Registration[], packet: Packet) =>
    verdicts(registrations, packet)[1];

  test('are taken out of every range that holds them', () => {
    const block = { address, prefixBits: 29 };
    const left = withoutPassed(REGISTRATIONS, [{ block, port: null }]);
    expect(taken(left, REPLY)).toBe(false);
    expect(taken(left, { ...REPLY, destination: octetsOf('198.18.0.8') })).toBe(true);
    expect(taken(left, REPLY6)).toBe(true);
  });

  test('of one port of the target are taken out for that port alone', () => {
    const block = { address, prefixBits: 24 };
    const left = withoutPassed(REGISTRATIONS, [{ block, port: 80 }]);
    expect(taken(left, REPLY)).toBe(false);
    const other = { ...REPLY, source: octetsOf('10.0.0.2'), sourcePort: 443 };
    expect(taken(left, other)).toBe(true);
    expect(taken(left, { ...REPLY, destination: octetsOf('198.19.0.6') })).toBe(true);
  });

  test('leave nothing of a registration that holds no others', () => {
    const block = { address: addressOfBytes(octetsOf('0.0.0.0')), prefixBits: 0 };
    expect(withoutPassed(REGISTRATIONS, [{ block, port: null }]).map(({ id }) => id)).toEqual([3]);
  });
});

test('a registration in words names four of its ranges and counts the others', () => {
  const ranges = Array.from({ length: 6 }, (_, i) => rangeOf(`198.18.${i}.0`, 256));
  const text = describeRegistration(registrationOf(1, ranges, [targetOf('fd77::1', 80)]));
  expect(text).toBe(
    'TCP from [fd77::1]:80 to 198.18.0.0/24, 198.18.1.0/24, 198.18.2.0/24, 198.18.3.0/24 ' +
      'and 2 more, ports 1024-65535',
  );
});
