import { describe, expect, test } from 'vitest';
import { EtherType, emitEthernet, formatMac, parseMac } from '../../src/wire/ethernet.ts';

describe('Ethernet', () => {
  const destination = Uint8Array.of(1, 2, 3, 4, 5, 6);
  const source = Uint8Array.of(7, 8, 9, 10, 11, 12);

  test('a header without a tag', () => {
    const octets = emitEthernet({ destination, source, etherType: EtherType.IPV4 });
    expect([...octets]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x08, 0x00]);
  });

  test('a header with a tag', () => {
    const octets = emitEthernet({ destination, source, etherType: EtherType.IPV6, vlan: 4094 });
    expect([...octets.subarray(12)]).toEqual([0x81, 0x00, 0x0f, 0xfe, 0x86, 0xdd]);
  });

  test.each(['aa:bb:cc:dd:ee:ff', '00:01:02:03:04:05'])('%s survives the round trip', (text) => {
    expect(formatMac(parseMac(text) ?? new Uint8Array(0))).toBe(text);
  });

  test.each([
    '',
    'aa:bb:cc:dd:ee',
    'aa:bb:cc:dd:ee:ff:00',
    'aa:bb:cc:dd:ee-ff',
    'ag:bb:cc:dd:ee:ff',
    'aabbccddeeff',
    'a:b:c:d:e:f',
  ])('"%s" is refused', (text) => {
    expect(parseMac(text)).toBeNull();
  });
});
