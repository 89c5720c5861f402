import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type AddressRange,
  addressAt,
  addressBytes,
  type IpAddress,
  isSamePrefix,
  parseAddress,
} from '../../src/base/address.ts';
import {
  type ReplyFilterOptions,
  replyFilter,
  shardProgram,
} from '../../src/io/filter/reply-filter.ts';
import { packetTooBig } from '../helpers/icmp.ts';
import { portRanges, portsOf } from '../helpers/port-ranges.ts';
import { runBpf } from './bpf-interpreter.ts';

const SNAP_BYTES = 228;
const ETHER_TYPE = { 4: 0x0800, 6: 0x86dd } as const;

function addressOf(text: string): IpAddress {
  const address = parseAddress(text);
  if (address === null) throw new Error(`${text} is no address`);
  return address;
}

function rangeOf(text: string, count: number): AddressRange {
  const { prefix, low } = addressOf(text);
  return { prefix, start: low, count };
}

interface Packet {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly srcPort: number;
  readonly dstPort: number;
  readonly protocol?: number;
  /** Flags and fragment offset (IPv4). */
  readonly fragment?: number;
  /** Words of options (IPv4). */
  readonly optionWords?: number;
}

function packetOf(fields: Packet): Uint8Array {
  const { source, destination, srcPort, dstPort } = fields;
  const { protocol = 6, fragment = 0x4000, optionWords = 0 } = fields;
  const isIpv4 = source.family === 4;
  const headerBytes = isIpv4 ? 20 + 4 * optionWords : 40;
  const octets = new Uint8Array(headerBytes + 20);
  const data = new DataView(octets.buffer);
  data.setUint8(0, isIpv4 ? 0x45 + optionWords : 0x60);
  data.setUint8(isIpv4 ? 9 : 6, protocol);
  if (isIpv4) data.setUint16(6, fragment);
  // Options that would be taken for ports by a filter that does not skip them.
  if (optionWords > 0) data.setUint32(20, (srcPort << 16) | (dstPort ^ 1));
  octets.set(addressBytes(source), isIpv4 ? 12 : 8);
  octets.set(addressBytes(destination), isIpv4 ? 16 : 24);
  data.setUint16(headerBytes, srcPort);
  data.setUint16(headerBytes + 2, dstPort);
  return octets;
}

const accepts = (options: Partial<ReplyFilterOptions>, packet: Uint8Array, etherType = 0x0800) =>
  runBpf(replyFilter({ ...PLAN, ...options }), packet, etherType);

const PLAN: ReplyFilterOptions = {
  ranges: [rangeOf('198.18.0.0', 256)],
  targets: [{ address: addressOf('10.0.0.1'), port: 80 }],
  ports: { first: 1024, last: 2047 },
  sharding: { order: 'ip', firstPort: 1024, users: 1000, shards: 1, shard: 0 },
  snapBytes: SNAP_BYTES,
};

const REPLY: Packet = {
  source: addressOf('10.0.0.1'),
  srcPort: 80,
  destination: addressOf('198.18.0.7'),
  dstPort: 1500,
};

describe('a reply', () => {
  test.each([
    { name: 'as it comes', change: {} },
    { name: 'to the first address', change: { destination: addressOf('198.18.0.0') } },
    { name: 'to the last address', change: { destination: addressOf('198.18.0.255') } },
    { name: 'to the first port', change: { dstPort: 1024 } },
    { name: 'to the last port', change: { dstPort: 2047 } },
    { name: 'that may be fragmented but is not', change: { fragment: 0 } },
    { name: 'with one word of IP options', change: { optionWords: 1 } },
    { name: 'with all IP options there can be', change: { optionWords: 10 } },
  ])('$name is accepted with its snap length', ({ change }) => {
    expect(accepts({}, packetOf({ ...REPLY, ...change }))).toBe(SNAP_BYTES);
  });

  test.each([
    { name: 'before the first address', change: { destination: addressOf('198.17.255.255') } },
    { name: 'after the last address', change: { destination: addressOf('198.18.1.0') } },
    { name: 'before the first port', change: { dstPort: 1023 } },
    { name: 'after the last port', change: { dstPort: 2048 } },
    { name: 'of another server', change: { source: addressOf('10.0.0.2') } },
    { name: 'of another port of the server', change: { srcPort: 81 } },
    { name: 'of UDP', change: { protocol: 17 } },
    { name: 'that is the first fragment', change: { fragment: 0x2000 } },
    { name: 'that is the last fragment', change: { fragment: 0x0001 } },
  ])('$name is dropped', ({ change }) => {
    expect(accepts({}, packetOf({ ...REPLY, ...change }))).toBe(0);
  });

  test('that is cut off anywhere before its ports is dropped', () => {
    const packet = packetOf(REPLY);
    for (let bytes = 0; bytes < 24; bytes++) {
      expect({ bytes, verdict: accepts({}, packet.subarray(0, bytes)) }).toEqual({
        bytes,
        verdict: 0,
      });
    }
  });

  test.each([0x0806, 0x8100, 0x86dd, 0x0004])('of EtherType %# is dropped', (etherType) => {
    expect(accepts({}, packetOf(REPLY), etherType)).toBe(0);
  });
});

describe('IPv6', () => {
  const ranges = [rangeOf('fd00::5', 3)];
  const targets = [{ address: addressOf('fd77::1'), port: 80 }];
  const reply = { ...REPLY, source: addressOf('fd77::1'), destination: addressOf('fd00::5') };
  const verdict = (change: Partial<Packet>) =>
    accepts({ ranges, targets }, packetOf({ ...reply, ...change }), 0x86dd);

  test.each(['fd00::5', 'fd00::7'])('to %s is accepted', (text) => {
    expect(verdict({ destination: addressOf(text) })).toBe(SNAP_BYTES);
  });

  test.each([
    { name: 'before the range', change: { destination: addressOf('fd00::4') } },
    { name: 'after the range', change: { destination: addressOf('fd00::8') } },
    { name: 'with another first word', change: { destination: addressOf('fd01::5') } },
    { name: 'with another second word', change: { destination: addressOf('fd00:0:0:1::5') } },
    { name: 'with another third word', change: { destination: addressOf('fd00::1:0:5') } },
    { name: 'of another server', change: { source: addressOf('fd77::2') } },
    { name: 'of a server with another prefix', change: { source: addressOf('fd78::1') } },
    { name: 'with an extension header', change: { protocol: 60 } },
  ])('$name is dropped', ({ change }) => {
    expect(verdict(change)).toBe(0);
  });
});

/** What a router says of the packet that the reply would answer. */
function messageOf(reply: Packet, change: Partial<Parameters<typeof packetTooBig>[0]> = {}) {
  const { source, destination, srcPort, dstPort } = reply;
  const ends = { source: destination, destination: source, srcPort: dstPort, dstPort: srcPort };
  const quoted = packetOf({ ...reply, ...ends });
  const router = addressBytes(addressOf(source.family === 4 ? '192.0.2.1' : '2001:db8::1'));
  return packetTooBig({ quoted, mtu: 1400, router, ...change });
}

describe.each([
  { version: 4, ranges: PLAN.ranges, targets: PLAN.targets, reply: REPLY, protocolAt: 9 },
  {
    version: 6,
    ranges: [rangeOf('fd00::5', 3)],
    targets: [{ address: addressOf('fd77::1'), port: 80 }],
    reply: { ...REPLY, source: addressOf('fd77::1'), destination: addressOf('fd00::5') },
    protocolAt: 6,
  },
])('of IPv$version, a router’s message that a packet was too big', (row) => {
  const { ranges, targets, reply, protocolAt } = row;
  const isIpv4 = row.version === 4;
  const verdict = (packet: Uint8Array) =>
    accepts({ ranges, targets }, packet, isIpv4 ? 0x0800 : 0x86dd);

  test('is accepted, whoever the router is', () => {
    expect(verdict(messageOf(reply))).toBe(SNAP_BYTES);
  });

  test.each(isIpv4 ? [0, 1, 10] : [])('with %i words of options in each header', (words) => {
    const quoting = { ...reply, optionWords: words };
    expect(verdict(messageOf(quoting, { optionWords: words }))).toBe(SNAP_BYTES);
  });

  test.each([
    { name: 'of another type', change: { typeAndCode: isIpv4 ? 0x0b00 : 0x0300 } },
    { name: 'of another code', change: { typeAndCode: isIpv4 ? 0x0301 : 0x0201 } },
  ])('$name is dropped', ({ change }) => {
    expect(verdict(messageOf(reply, change))).toBe(0);
  });

  test.each([
    {
      name: 'a client out of the range',
      change: { destination: addressOf(isIpv4 ? '192.0.2.7' : 'fd00::4') },
    },
    { name: 'a port out of the span', change: { dstPort: 1023 } },
    { name: 'another target', change: { source: addressOf(isIpv4 ? '10.0.0.2' : 'fd77::2') } },
    { name: 'another port of the target', change: { srcPort: 81 } },
  ])('about $name is dropped', ({ change }) => {
    expect(verdict(messageOf({ ...reply, ...change }))).toBe(0);
  });

  test('about UDP is dropped', () => {
    const message = messageOf(reply);
    message[(isIpv4 ? 28 : 48) + protocolAt] = 17;
    expect(verdict(message)).toBe(0);
  });

  test('that is cut off before the quoted ports is dropped', () => {
    const message = messageOf(reply);
    const enough = isIpv4 ? 20 + 8 + 24 : 40 + 8 + 44;
    for (let bytes = 0; bytes < enough; bytes++) {
      expect({ bytes, verdict: verdict(message.subarray(0, bytes)) }).toEqual({
        bytes,
        verdict: 0,
      });
    }
    expect(verdict(message.subarray(0, enough))).toBe(SNAP_BYTES);
  });
});

test('too many ranges for the kernel are refused', () => {
  const ranges = Array.from({ length: 900 }, (_, i) => ({
    ...rangeOf('198.18.0.0', 1),
    start: 0xc612_0000 + 2 * i,
  }));
  expect(() => replyFilter({ ...PLAN, ranges })).toThrow(
    expect.objectContaining({ code: 'ERR_IO_FILTER_TOO_LONG', kind: 'usage' }),
  );
});

test('as many ranges as a pool may have fit', () => {
  const prefix = new Uint8Array(12).fill(7);
  const ranges = Array.from({ length: 256 }, (_, i) => ({ prefix, start: 3 * i, count: 2 }));
  expect(replyFilter({ ...PLAN, ranges }).length).toBeLessThan(4096);
});

/** The shard that a packet belongs to, computed the long way round; null for no client's packet. */
function shardOf(options: ReplyFilterOptions, { destination, dstPort }: Packet): number | null {
  const { ranges, ports, sharding } = options;
  const { order, firstPort, users, portsEach = 0, shards } = sharding;
  let index = 0n;
  for (const range of ranges) {
    const offset = destination.low - range.start;
    if (isSamePrefix(destination, addressAt(range, 0)) && offset >= 0 && offset < range.count) {
      const ascending = portsOf(ports);
      if (!ascending.includes(dstPort)) return null;
      const behind = ascending.indexOf(firstPort);
      const inTurn = [...ascending.slice(behind), ...ascending.slice(0, behind)];
      const block = BigInt(Math.max(1, portsEach));
      const port = BigInt(inTurn.indexOf(dstPort)) / block;
      const addresses = ranges.reduce((sum, { count }) => sum + BigInt(count), 0n);
      const span = BigInt(ascending.length) / block;
      const address = index + BigInt(offset);
      const connection = order === 'ip' ? port * addresses + address : address * span + port;
      return Number((connection % BigInt(users)) % BigInt(shards));
    }
    index += BigInt(range.count);
  }
  return null;
}

/** Disjoint ranges: each begins some way after the one before it, in any order. */
const rangesArbitrary = (prefix: Uint8Array) =>
  fc
    .array(fc.record({ gap: fc.nat(50), count: fc.integer({ min: 1, max: 300 }) }), {
      minLength: 1,
      maxLength: 5,
    })
    .chain((parts) => {
      let next = prefix.length === 0 ? 0xc612_0000 : 0;
      const ranges = parts.map(({ gap, count }) => {
        const start = next + gap;
        next = start + count;
        return { prefix, start, count };
      });
      return fc.shuffledSubarray(ranges, { minLength: 1 });
    });

const planArbitrary = fc.constantFrom<4 | 6>(4, 6).chain((family) => {
  const prefix = family === 4 ? new Uint8Array(0) : addressOf('fd00:1:2:3::').prefix;
  return fc.record({
    family: fc.constant(family),
    ranges: rangesArbitrary(prefix),
    ports: portRanges(64_512),
    order: fc.constantFrom('ip' as const, 'port' as const),
    portsEach: fc.nat(20),
    users: fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 2 ** 31 })),
    shards: fc.integer({ min: 1, max: 6 }),
    low: fc.nat(1_000),
    port: fc.integer({ min: 0, max: 65_535 }),
    rangeNumber: fc.nat(),
    shift: fc.nat(),
    isInside: fc.boolean(),
  });
});

test('every reply goes to exactly the shard of its connection, every other packet to none', () => {
  let inside = 0;
  fc.assert(
    fc.property(planArbitrary, (plan) => {
      const { family, ranges, ports, order, users, shards } = plan;
      const ascending = portsOf(ports);
      const portsEach = plan.portsEach % (ascending.length + 1);
      const target = { address: addressOf(family === 4 ? '10.0.0.1' : 'fd77::1'), port: 443 };
      const range = ranges[plan.rangeNumber % ranges.length];
      const near = plan.isInside ? plan.low % range.count : plan.low - 500;
      const dstPort = plan.isInside ? ascending[plan.port % ascending.length] : plan.port;
      const packet: Packet = {
        source: target.address,
        srcPort: 443,
        destination: addressAt(range, Math.max(-range.start, near)),
        dstPort,
      };
      const firstPort = ascending[plan.shift % ascending.length];
      const verdictsOn = (octets: Uint8Array) =>
        Array.from({ length: shards }, (_, shard) => {
          const sharding = { order, firstPort, users, portsEach, shards, shard };
          const options = { ranges, targets: [target], ports, sharding, snapBytes: SNAP_BYTES };
          return runBpf(replyFilter(options), octets, ETHER_TYPE[family]);
        });
      const verdicts = verdictsOn(packetOf(packet));
      const sharding = { order, firstPort, users, portsEach, shards, shard: 0 };
      const wanted = shardOf({ ...PLAN, ranges, ports, sharding }, packet);
      if (wanted !== null) inside++;
      expect(verdicts).toEqual(verdicts.map((_, i) => (i === wanted ? SNAP_BYTES : 0)));
      // Who asks once for all shards is told the same.
      const once = shardProgram({ ranges, targets: [target], ports, sharding });
      expect(runBpf(once, packetOf(packet), ETHER_TYPE[family])).toBe(wanted ?? 0);
      expect(runBpf(once, messageOf(packet), ETHER_TYPE[family])).toBe(wanted ?? 0);
      // What a router says of the packet that it answers goes the same way.
      expect(verdictsOn(messageOf(packet))).toEqual(verdicts);
    }),
    { numRuns: 500 },
  );
  // The property must not hold for want of replies.
  expect(inside).toBeGreaterThan(100);
});
