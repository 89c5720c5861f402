import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatAddress, type IpAddress, parseAddress } from '../../src/base/address.ts';
import type { PortRange } from '../../src/base/port-range.ts';
import { parseClients } from '../../src/cli/values/clients.ts';
import { parsePorts } from '../../src/cli/values/ports.ts';
import { AddressPool, type PoolOrder } from '../../src/schedule/address-pool.ts';
import { DEFAULT_CLIENTS, withoutAddresses } from '../../src/schedule/client-addresses.ts';
import { ClientPlaces } from '../../src/schedule/client-places.ts';
import { firstPortOf } from '../../src/schedule/client-ports.ts';
import { portRanges } from '../helpers/port-ranges.ts';
import { refusal } from '../helpers/refusal.ts';

const PORTS = { first: 1024, last: 65_535 };

const address = (text: string): IpAddress => {
  const parsed = parseAddress(text);
  if (parsed === null) throw new Error(`${text} is no address`);
  return parsed;
};

const ranges = (text: string, excluded: string[] = []): string[] => {
  const clients = withoutAddresses(parseClients(text), excluded.map(address));
  return clients.ranges.map(({ start, count }) => {
    const { family, prefix } = clients;
    return `${formatAddress({ family, prefix, low: start })}+${count}`;
  });
};

const poolOf = (
  text: string,
  order: PoolOrder,
  ports: PortRange = PORTS,
  firstPort = ports.first,
): AddressPool => new AddressPool({ clients: parseClients(text), ports, order, firstPort });

const tuples = (text: string, count: number, order: PoolOrder = 'ip'): string[] => {
  const pool = poolOf(text, order);
  return Array.from({ length: count }, (_, c) => `${pool.addressOf(c)} ${pool.portOf(c)}`);
};

describe('a pool', () => {
  test.each([
    ['10.1.2.3', ['10.1.2.3+1']],
    ['10.17.15.0/24', ['10.17.15.1+254']],
    ['10.17.15.x', ['10.17.15.1+254']],
    ['10.17.15.*', ['10.17.15.1+254']],
    ['10.0.0.4/31', ['10.0.0.4+2']],
    ['10.0.0.4/32', ['10.0.0.4+1']],
    ['10.0.0.4/30', ['10.0.0.5+2']],
    ['10.0.0.250-10.0.1.5', ['10.0.0.250+12']],
    ['10.0.0.1, 10.0.0.9', ['10.0.0.1+1', '10.0.0.9+1']],
    ['10.0.0.9,10.0.0.1', ['10.0.0.9+1', '10.0.0.1+1']],
    ['10.0.0.5,10.0.0.0/29', ['10.0.0.5+1', '10.0.0.1+4', '10.0.0.6+1']],
    ['10.0.0.1,10.0.0.1,10.0.0.1', ['10.0.0.1+1']],
    [DEFAULT_CLIENTS[4].text, ['198.18.0.1+131070']],
    ['2001:db8::/120', ['2001:db8::1+255']],
    ['2001:db8::/127', ['2001:db8::+2']],
    ['2001:db8::7', ['2001:db8::7+1']],
    ['2001:db8::1-2001:db8::ffff', ['2001:db8::1+65535']],
    ['2001:db8::/32', ['2001:db8::1+4294967295']],
    [DEFAULT_CLIENTS[6].text, ['2001:2::1+4294967295']],
  ])('%s is %j', (text, expected) => {
    expect(ranges(text)).toEqual(expected);
  });

  test('leaves out the targets', () => {
    expect(ranges('10.0.0.0/29', ['10.0.0.3', '10.0.0.6', '::3'])).toEqual([
      '10.0.0.1+2',
      '10.0.0.4+2',
    ]);
    expect(
      refusal(() => withoutAddresses(parseClients('10.0.0.3'), [address('10.0.0.3')])).message,
    ).toMatch(/every address of it is a target/);
  });

  test.each([
    ['', /is empty/],
    ['10.0.0.1,', /'' is empty/],
    ['10.0.0.x.y', /'10.0.0.x.y' is not/],
    ['10.0.x.1', /is not an IP address/],
    ['10.0.0.300', /is not an IP address/],
    ['300.0.0.x', /wildcard/],
    ['example.org', /is not an IP address/],
    ['10.0.0.0/33', /prefix length from 0 to 32/],
    ['10.0.0.0/', /prefix length/],
    ['10.0.0.0/8/8', /does not begin/],
    ['10.0.0.1/24', /host bits/],
    ['2001:db8::1/64', /host bits/],
    ['2001:db8:0:0:1::/64', /host bits/],
    ['10.0.0.9-10.0.0.1', /ends before it begins/],
    ['10.0.0.9-::1', /mixes IPv4 and IPv6/],
    ['10.0.0.1-10.0.0.2-10.0.0.3', /not a range/],
    ['2001:db8::1-2001:db9::1', /last 32 bits/],
    ['10.0.0.1,2001:db8::1', /different IP versions/],
    ['2001:db8::1,2001:db9::1', /first 96 bits/],
    ['0.0.0.0/0', /0\.0\.0\.0\/8/],
    ['223.255.255.0-224.0.0.1', /multicast/],
    ['255.255.255.255', /multicast/],
  ])("'%s' is refused", (text, message) => {
    const error = refusal(() => parseClients(text));
    expect([error.code, error.kind]).toEqual(['ERR_POOL_INVALID', 'usage']);
    expect(error.message).toMatch(message);
    expect(error.hint).not.toBeNull();
  });

  test('names all faults at once', () => {
    expect(refusal(() => parseClients('10.0.0.300,10.0.0.1,nope')).message).toMatch(
      /'10.0.0.300'.*'nope'/,
    );
  });

  test('of 256 ranges is allowed, of 257 refused', () => {
    const list = (count: number) =>
      Array.from({ length: count }, (_, i) => `10.${i >> 7}.${(i & 127) * 2}.1`).join(',');
    expect(parseClients(list(256)).ranges).toHaveLength(256);
    expect(refusal(() => parseClients(list(257))).message).toMatch(/257 separate ranges/);
  });
});

test('all spellings of a pool give the same first 1000 tuples', () => {
  const expected = tuples('10.17.15.0/24', 1000);
  expect(expected.slice(0, 2)).toEqual(['10.17.15.1 1024', '10.17.15.2 1024']);
  expect(expected[254]).toBe('10.17.15.1 1025');
  for (const text of [
    '10.17.15.x',
    '10.17.15.X',
    '10.17.15.*',
    '10.17.15.1-10.17.15.254',
    '10.17.15.1,10.17.15.2-10.17.15.100,10.17.15.101-10.17.15.254',
    ' 10.17.15.* , 10.17.15.7',
  ]) {
    expect(tuples(text, 1000)).toEqual(expected);
  }
});

test('order port uses all ports of an address first', () => {
  const some = tuples('10.0.0.8,10.0.0.1', 64_513, 'port');
  expect([some[0], some[64_511], some[64_512]]).toEqual([
    '10.0.0.8 1024',
    '10.0.0.8 65535',
    '10.0.0.1 1024',
  ]);
});

describe.each<PoolOrder>(['ip', 'port'])('with order %s', (order) => {
  test('a million connections have addresses and ports of their own', () => {
    const pool = poolOf('10.0.0.0/27,10.9.0.0/28', order);
    const seen = new Set<number>();
    for (let c = 0; c < 1_000_000; c++) {
      seen.add(pool.lowOf(c) * 65_536 + pool.portOf(c));
    }
    expect(seen.size).toBe(1_000_000);
  });

  test('address and port lead back to the connection', () => {
    const octet = fc.integer({ min: 1, max: 40 });
    const range = fc
      .tuple(fc.nat(3), octet, fc.nat(20))
      .map(([third, first, more]) => `10.0.${third}.${first}-10.0.${third}.${first + more}`);
    const items = fc.array(range, { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(items, portRanges(50), fc.nat(), (texts, ports, seed) => {
        const pool = poolOf(texts.join(','), order, ports, firstPortOf(ports, seed));
        expect(pool.portOf(0)).toBe(firstPortOf(ports, seed));
        const owned = new Map<string, number>();
        for (let c = 0; c < pool.capacity; c++) {
          const low = pool.lowOf(c);
          const port = pool.portOf(c);
          expect(pool.connectionOf(low, port)).toBe(c);
          owned.set(`${low} ${port}`, c);
        }
        expect(owned.size).toBe(pool.capacity);
        for (const low of [0, 0x0a00_0000, 0x0a00_0041, 0x0a00_0401, 0xffff_ffff]) {
          for (let port = ports.first - 1; port <= ports.last + 1; port++) {
            expect(pool.connectionOf(low, port)).toBe(owned.get(`${low} ${port}`) ?? -1);
          }
        }
      }),
      { numRuns: 30 },
    );
  });

  test('the ends of the largest pools come back', () => {
    for (const text of ['1.0.0.0-223.255.255.255', DEFAULT_CLIENTS[6].text]) {
      const pool = poolOf(text, order, PORTS, 60_000);
      for (const c of [0, 1, pool.capacity - 1]) {
        expect(pool.connectionOf(pool.lowOf(c), pool.portOf(c))).toBe(c);
        expect(pool.connectionOf(pool.lowBitsOf(c), pool.portOf(c))).toBe(c);
        expect(pool.lowBitsOf(c)).toBe(pool.lowOf(c) | 0);
      }
    }
  });
});

describe('the first port', () => {
  test('is the same for the same seed and lies within the span', () => {
    const span = { first: 5_000, last: 5_009 };
    const drawn = Array.from({ length: 1_000 }, (_, seed) => firstPortOf(span, seed));
    expect(new Set(drawn)).toEqual(new Set(Array.from({ length: 10 }, (_, i) => 5_000 + i)));
    expect(firstPortOf(span, 7)).toBe(firstPortOf(span, 7));
    expect(firstPortOf({ first: 80, last: 80 }, 7)).toBe(80);
  });

  test('behind the last port of the span comes its first', () => {
    const pool = poolOf('10.0.0.1', 'port', { first: 1, last: 3 }, 3);
    expect([0, 1, 2].map((c) => pool.portOf(c))).toEqual([3, 1, 2]);
  });
});

test('there are at most 2^32 connections, whatever the pool has', () => {
  const pool = poolOf('198.18.0.0/15', 'ip', PORTS, 40_000);
  expect(pool.capacity).toBe(2 ** 32);
  expect(pool.connectionOf(pool.lowOf(0), 39_999)).toBe(-1);
  expect(pool.connectionOf(pool.lowOf(0), 40_000)).toBe(0);
});

test('a pool that is too small says how many addresses are needed', () => {
  const pool = poolOf('10.0.0.1', 'ip');
  expect(() => pool.requireCapacity(64_512)).not.toThrow();
  const error = refusal(() => pool.requireCapacity(1_000_000));
  expect([error.code, error.kind]).toEqual(['ERR_POOL_TOO_SMALL', 'usage']);
  expect(error.message).toBe(
    "1,000,000 connections need 16 client addresses with 64,512 ports each; '10.0.0.1' has 1",
  );
});

test.each([
  ['1024-65535', { first: 1024, last: 65_535 }],
  ['80', { first: 80, last: 80 }],
  ['1-1', { first: 1, last: 1 }],
])('ports %s are read', (text, span) => {
  expect(parsePorts(text)).toEqual(span);
});

test.each(['', '0-5', '5-1', '1-65536', '1-2-3', '-5', 'a-b', '1.5'])(
  "ports '%s' are refused",
  (text) => {
    expect(refusal(() => parsePorts(text)).code).toBe('ERR_POOL_PORTS');
  },
);

test('a user stays on its thread through all iterations', () => {
  const places = new ClientPlaces(poolOf('10.0.0.1', 'ip'), 10, 0);
  for (let user = 0; user < 10; user++) {
    for (let iteration = 0; iteration < 3; iteration++) {
      expect(places.shardOf(iteration * 10 + user, 3)).toBe(user % 3);
    }
  }
});
