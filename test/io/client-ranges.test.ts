import { describe, expect, test } from 'vitest';
import {
  type AddressRange,
  addressBytes,
  type IpAddress,
  isInRange,
  parseAddress,
} from '../../src/base/address.ts';
import { isOnLink } from '../../src/io/way/client-ranges.ts';
import { type NetworkInterface, sharePrefix } from '../../src/io/way/interfaces.ts';

function addressOf(text: string): IpAddress {
  const address = parseAddress(text);
  if (address === null) throw new Error(`${text} is no address`);
  return address;
}

const octetsOf = (text: string): Uint8Array => addressBytes(addressOf(text));

function rangeOf(text: string, count: number): AddressRange {
  const { prefix, low } = addressOf(text);
  return { prefix, start: low, count };
}

function deviceWith(...addresses: readonly string[]): NetworkInterface {
  return {
    name: 'link0',
    index: 2,
    mtu: 1500,
    linkType: 'ether',
    mac: null,
    isUp: true,
    asksNeighbours: true,
    addresses: addresses.map((text) => {
      const [address, bits] = text.split('/');
      return { address: octetsOf(address), prefixBits: Number(bits) };
    }),
  };
}

describe('a range is on the link', () => {
  test.each([
    { name: 'within the subnet', own: '10.0.0.2/16', first: '10.0.64.0', count: 256, is: true },
    {
      name: 'of which only the start is',
      own: '10.0.0.2/24',
      first: '10.0.0.250',
      count: 256,
      is: true,
    },
    {
      name: 'of which only the end is',
      own: '10.0.1.2/24',
      first: '10.0.0.250',
      count: 8,
      is: true,
    },
    {
      name: 'around the whole subnet',
      own: '10.0.1.2/24',
      first: '10.0.0.0',
      count: 65_536,
      is: true,
    },
    { name: 'just before it', own: '10.0.1.2/24', first: '10.0.0.0', count: 256, is: false },
    { name: 'just after it', own: '10.0.1.2/24', first: '10.0.2.0', count: 256, is: false },
    {
      name: 'of a host without a subnet',
      own: '10.0.1.2/32',
      first: '10.0.1.0',
      count: 9,
      is: false,
    },
    { name: 'of another version', own: 'fd00::1/64', first: '10.0.1.0', count: 9, is: false },
    { name: 'of IPv6 within', own: 'fd00::1/64', first: 'fd00::1:0:0', count: 9, is: true },
    { name: 'of IPv6 elsewhere', own: 'fd00::1/64', first: 'fd00:0:0:1::', count: 9, is: false },
    {
      name: 'within a subnet of 20 bits',
      own: '10.0.16.1/20',
      first: '10.0.31.255',
      count: 1,
      is: true,
    },
    {
      name: 'after a subnet of 20 bits',
      own: '10.0.16.1/20',
      first: '10.0.32.0',
      count: 1,
      is: false,
    },
  ])('$name: $is', ({ own, first, count, is }) => {
    expect(isOnLink(deviceWith('192.168.0.1/32', own), rangeOf(first, count))).toBe(is);
  });
});

test.each([
  { text: '198.18.0.0', is: true },
  { text: '198.18.0.9', is: true },
  { text: '198.17.255.255', is: false },
  { text: '198.18.0.10', is: false },
  { text: '::198.18.0.5', is: false },
])('$text in 198.18.0.0 to 198.18.0.9: $is', ({ text, is }) => {
  expect(isInRange(addressOf(text), rangeOf('198.18.0.0', 10))).toBe(is);
});

test('prefixes are compared to the bit', () => {
  const a = octetsOf('10.85.0.1');
  for (let bits = 0; bits <= 32; bits++) {
    for (let flipped = 0; flipped < 32; flipped++) {
      const b = a.slice();
      b[flipped >> 3] ^= 0x80 >> (flipped & 7);
      expect({ bits, flipped, same: sharePrefix(a, b, bits) }).toEqual({
        bits,
        flipped,
        same: flipped >= bits,
      });
    }
  }
});
