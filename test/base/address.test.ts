import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  addressBytes,
  addressOfBytes,
  formatAddress,
  parseAddress,
} from '../../src/base/address.ts';

const canonical = (text: string): string | null => {
  const address = parseAddress(text);
  return address === null ? null : formatAddress(address);
};

describe('an address', () => {
  test.each([
    ['0.0.0.0', '0.0.0.0'],
    ['255.255.255.255', '255.255.255.255'],
    ['198.18.0.1', '198.18.0.1'],
    // RFC 5952, sections 2 and 4.
    ['::', '::'],
    ['::1', '::1'],
    ['2001:0DB8:0:0:0:0:2:1', '2001:db8::2:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['fe80::', 'fe80::'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ])('%s is written %s', (text, expected) => {
    expect(canonical(text)).toBe(expected);
  });

  test.each([
    ['no text', ''],
    ['three octets', '1.2.3'],
    ['five octets', '1.2.3.4.5'],
    ['an octet over 255', '1.2.3.256'],
    ['a leading zero', '010.0.0.1'],
    ['a name', 'localhost'],
    ['a space', ' 1.2.3.4'],
    ['a sign', '1.2.3.-4'],
    ['seven groups', '1:2:3:4:5:6:7'],
    ['nine groups', '1:2:3:4:5:6:7:8:9'],
    ['eight groups and ::', '1:2:3:4::5:6:7:8'],
    ['two ::', '1::2::3'],
    ['three colons', ':::'],
    ['a lone colon', ':'],
    ['a leading colon', ':1:2:3:4:5:6:7'],
    ['five digits', '12345::'],
    ['a letter beyond f', 'g::'],
    ['a quad in the middle', '1.2.3.4::1'],
    ['a zone', 'fe80::1%eth0'],
    ['a prefix length', '::/0'],
  ])('with %s is refused', (_reason, text) => {
    expect(parseAddress(text)).toBeNull();
  });

  test('survives the way through text and octets', () => {
    const octets = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      // Many zeros, so that :: has something to stand for.
      fc.uint8Array({ minLength: 16, maxLength: 16, max: 1 }),
    );
    fc.assert(
      fc.property(octets, (bytes) => {
        const address = addressOfBytes(bytes);
        expect(addressBytes(address)).toEqual(bytes);
        const again = parseAddress(formatAddress(address));
        expect(again && addressBytes(again)).toEqual(bytes);
      }),
    );
  });
});
