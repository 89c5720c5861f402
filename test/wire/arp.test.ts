import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ARP_BYTES, ArpOperation, arpReply, emitArp, parseArp } from '../../src/wire/arp.ts';

/** Written by hand from RFC 826: who has 10.0.0.1, tell 10.0.0.2 at 02:00:00:00:00:02. */
const REQUEST = '0001 0800 06 04 0001 020000000002 0a000002 000000000000 0a000001';
const octetsOf = (text: string): Uint8Array =>
  Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));

const octetsArbitrary = (count: number) => fc.uint8Array({ minLength: count, maxLength: count });

test('a request is read', () => {
  expect(parseArp(octetsOf(REQUEST))).toEqual({
    operation: ArpOperation.REQUEST,
    senderMac: octetsOf('020000000002'),
    senderAddress: octetsOf('0a000002'),
    targetMac: octetsOf('000000000000'),
    targetAddress: octetsOf('0a000001'),
  });
});

test('its reply says who has the address, to the one who asked', () => {
  const request = parseArp(octetsOf(REQUEST));
  if (request === null) throw new Error('the request is one');
  const reply = emitArp(arpReply(request, octetsOf('020000000001')));
  const wanted = '0001 0800 06 04 0002 020000000001 0a000001 020000000002 0a000002';
  expect(reply).toEqual(octetsOf(wanted));
});

test('what is written is read again, with padding behind it', () => {
  fc.assert(
    fc.property(
      fc.record({
        operation: fc.constantFrom(ArpOperation.REQUEST, ArpOperation.REPLY),
        senderMac: octetsArbitrary(6),
        senderAddress: octetsArbitrary(4),
        targetMac: octetsArbitrary(6),
        targetAddress: octetsArbitrary(4),
      }),
      fc.uint8Array({ maxLength: 18 }),
      (fields, padding) => {
        const octets = emitArp(fields);
        expect(octets).toHaveLength(ARP_BYTES);
        expect(parseArp(Uint8Array.of(...octets, ...padding))).toEqual(fields);
      },
    ),
  );
});

describe('what is no ARP for Ethernet and IPv4 is null', () => {
  test.each([
    { name: 'hardware that is not Ethernet', at: 1, octet: 6 },
    { name: 'a protocol that is not IPv4', at: 2, octet: 0x86 },
    { name: 'a MAC of another length', at: 4, octet: 8 },
    { name: 'an address of another length', at: 5, octet: 16 },
    { name: 'an operation of 0', at: 7, octet: 0 },
    { name: 'an operation of RARP', at: 7, octet: 3 },
  ])('$name', ({ at, octet }) => {
    const octets = octetsOf(REQUEST);
    octets[at] = octet;
    expect(parseArp(octets)).toBeNull();
  });

  test('cut off anywhere', () => {
    const octets = octetsOf(REQUEST);
    for (let bytes = 0; bytes < ARP_BYTES; bytes++) {
      expect(parseArp(octets.subarray(0, bytes))).toBeNull();
    }
  });

  test('any octets at all do not throw', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (octets) => void parseArp(octets)));
  });
});
