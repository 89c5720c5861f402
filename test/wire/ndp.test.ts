import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addressBytes, parseAddress } from '../../src/base/address.ts';
import {
  emitNdp,
  multicastMac,
  type NdpFields,
  NdpType,
  ndpAnswer,
  parseNdp,
  solicitedNode,
} from '../../src/wire/ndp.ts';

const octetsOf = (text: string): Uint8Array =>
  Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'));

function address(text: string): Uint8Array {
  const parsed = parseAddress(text);
  if (parsed === null) throw new Error(`${text} is no address`);
  return addressBytes(parsed);
}

const MAC = octetsOf('020000000002');
const SOLICITATION: NdpFields = {
  type: NdpType.SOLICITATION,
  source: address('fd77::1'),
  destination: address('ff02::1:ff64:2'),
  target: address('fd77::64:2'),
  mac: MAC,
  isSolicited: false,
};

/** As a Linux 6.18 kernel sent it, seen by tcpdump on a veth pair: fd77::1 asks for fd77::64:2. */
const CAPTURED = octetsOf(`
  60000000 00203aff fd770000 00000000 00000000 00000001 ff020000 00000000
  00000001 ff640002 8700aac9 00000000 fd770000 00000000 00000000 00640002
  0101166f 7fef3cba
`);

/** RFC 1071's sum, the plain way: pseudo-header and message. */
function checksumOf(packet: Uint8Array): number {
  const data = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  let sum = packet.length - 40 + 58;
  for (let at = 8; at < packet.length; at += 2) sum += data.getUint16(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

test('a solicitation of a real kernel is read', () => {
  const message = parseNdp(CAPTURED);
  expect(message).toMatchObject({
    type: NdpType.SOLICITATION,
    source: address('fd77::1'),
    destination: address('ff02::1:ff64:2'),
    target: address('fd77::64:2'),
  });
  expect(message?.mac).toEqual(octetsOf('166f7fef3cba'));
});

test('what we write is what the kernel wrote', () => {
  const message = parseNdp(CAPTURED);
  if (message === null) throw new Error('the capture is one');
  expect(emitNdp(message)).toEqual(CAPTURED);
});

const octetsArbitrary = (count: number) => fc.uint8Array({ minLength: count, maxLength: count });
const fieldsArbitrary = fc
  .record({
    type: fc.constantFrom(NdpType.SOLICITATION, NdpType.ADVERTISEMENT),
    source: octetsArbitrary(16),
    destination: octetsArbitrary(16),
    target: octetsArbitrary(16).filter((octets) => octets[0] !== 0xff),
    mac: fc.option(octetsArbitrary(6)),
    isSolicited: fc.boolean(),
  })
  .map((fields) =>
    fields.type === NdpType.SOLICITATION ? { ...fields, isSolicited: false } : fields,
  );

test('what is written has a right checksum and is read again', () => {
  fc.assert(
    fc.property(fieldsArbitrary, (fields) => {
      const packet = emitNdp(fields);
      expect(checksumOf(packet)).toBe(0xffff);
      expect(parseNdp(packet)).toEqual(fields);
    }),
  );
});

test('a packet with one bit turned over is not read', () => {
  const packet = emitNdp(SOLICITATION);
  // Of the octets before the source only version, length, next header and hop limit are checked.
  const unchecked = new Set([1, 2, 3]);
  for (let bit = 0; bit < packet.length * 8; bit++) {
    if (unchecked.has(bit >> 3) || (bit >> 3 === 0 && (bit & 7) > 3)) continue;
    const turned = packet.slice();
    turned[bit >> 3] ^= 0x80 >> (bit & 7);
    expect({ bit, message: parseNdp(turned) }).toEqual({ bit, message: null });
  }
});

test('a packet cut off anywhere is not read', () => {
  const packet = emitNdp(SOLICITATION);
  for (let bytes = 0; bytes < packet.length; bytes++) {
    expect(parseNdp(packet.subarray(0, bytes))).toBeNull();
  }
});

describe('a message with a right checksum is not read', () => {
  test.each([
    { name: 'that a router has forwarded', at: 7, octet: 254 },
    { name: 'of another type', at: 40, octet: 137 },
    { name: 'of another code', at: 41, octet: 1 },
    { name: 'about a multicast target', at: 48, octet: 0xff },
    { name: 'with an option of no length', at: 65, octet: 0 },
    { name: 'with an option longer than itself', at: 65, octet: 2 },
  ])('$name', ({ at, octet }) => {
    const packet = emitNdp(SOLICITATION);
    packet[at] = octet;
    const data = new DataView(packet.buffer);
    data.setUint16(42, 0);
    data.setUint16(42, ~checksumOf(packet) & 0xffff);
    expect(checksumOf(packet)).toBe(0xffff);
    expect(parseNdp(packet)).toBeNull();
  });
});

test('any octets at all do not throw', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 120 }), (octets) => void parseNdp(octets)));
});

test('the answer goes to who asked, and says that it was asked for', () => {
  const mac = octetsOf('020000000001');
  expect(ndpAnswer(SOLICITATION, mac)).toEqual({
    type: NdpType.ADVERTISEMENT,
    source: SOLICITATION.target,
    destination: SOLICITATION.source,
    target: SOLICITATION.target,
    mac,
    isSolicited: true,
  });
  // Flags: solicited and override, not router.
  expect(emitNdp(ndpAnswer(SOLICITATION, mac))[44]).toBe(0x60);
});

test('the answer to one without an address goes to all nodes', () => {
  const probe = { ...SOLICITATION, source: new Uint8Array(16), mac: null };
  const answer = ndpAnswer(probe, MAC);
  expect(answer.destination).toEqual(address('ff02::1'));
  expect(answer.isSolicited).toBe(false);
});

test('groups and their MACs are those of RFC 4291 and RFC 2464', () => {
  const group = solicitedNode(address('fd77::1234:5678:9abc'));
  expect(group).toEqual(address('ff02::1:ff78:9abc'));
  expect(multicastMac(group)).toEqual(octetsOf('3333ff789abc'));
});
