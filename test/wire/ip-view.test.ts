import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { IpView } from '../../src/wire/ip-view.ts';
import { WireFault } from '../../src/wire/wire-fault.ts';
import { bigEndian, naivePacket } from './naive.ts';

const V4 = { src: [10, 0, 0, 1], dst: [192, 0, 2, 9] };
const V6 = {
  src: [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xa0, 0xb0, 0xc0, 0xd0],
  dst: [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff],
};
const TCP = { ipId: 7, srcPort: 80, dstPort: 40_000, seq: 1, ack: 2, flags: 0x10, window: 3 };
const packetOf = (ends: { src: number[]; dst: number[] }, payload: number[] = [1, 2, 3]) =>
  naivePacket({ ...TCP, ...ends, options: [], payload });

/** The packet as if somewhere in a ring, with other octets before and after it. */
function viewOf(packet: readonly number[], capturedBytes = packet.length): IpView {
  const ring = Uint8Array.of(0xff, 0xff, 0xff, ...packet, 0xff);
  const view = new IpView();
  view.wrap(new DataView(ring.buffer), 3, capturedBytes);
  return view;
}

function patched(packet: readonly number[], patches: Record<number, number>): number[] {
  const copy = [...packet];
  for (const [at, octet] of Object.entries(patches)) copy[Number(at)] = octet;
  return copy;
}

/** The IPv6 packet with extension headers before TCP; each is [kind, octets after next-header]. */
function withExtensions(extensions: readonly (readonly [number, readonly number[]])[]): number[] {
  const packet = packetOf(V6);
  const kinds = [...extensions.map(([kind]) => kind), 6];
  const headers = extensions.flatMap(([, rest], i) => [kinds[i + 1], ...rest]);
  const length = bigEndian(packet.length - 40 + headers.length, 2);
  const fixed = patched(packet.slice(0, 40), { 4: length[0], 5: length[1], 6: kinds[0] });
  return [...fixed, ...headers, ...packet.slice(40)];
}

describe('check accepts', () => {
  test('an IPv4 packet, and reads its fields', () => {
    const view = viewOf(packetOf(V4));
    expect(view.check()).toBe(WireFault.OK);
    expect(view.version).toBe(4);
    expect(view.headerBytes).toBe(20);
    expect(view.protocol).toBe(6);
    expect(view.totalBytes).toBe(43);
    expect(view.payloadBytes).toBe(23);
    expect(view.srcLow32).toBe(0x0a00_0001);
    expect(view.dstLow32).toBe(0xc000_0209);
    expect(view.dstBits32).toBe(0xc000_0209 | 0);
  });

  test('an IPv6 packet, and reads its fields', () => {
    const view = viewOf(packetOf(V6));
    expect(view.check()).toBe(WireFault.OK);
    expect(view.version).toBe(6);
    expect(view.headerBytes).toBe(40);
    expect(view.totalBytes).toBe(63);
    expect(view.srcLow32).toBe(0xa0b0_c0d0);
    expect(view.dstLow32).toBe(0xff);
  });

  test('IPv4 options', () => {
    const packet = packetOf(V4);
    const longer = [...packet.slice(0, 20), 1, 1, 1, 0, ...packet.slice(20)];
    const view = viewOf(patched(longer, { 0: 0x46, 3: longer.length }));
    expect(view.check()).toBe(WireFault.OK);
    expect(view.headerBytes).toBe(24);
    expect(view.payloadBytes).toBe(23);
  });

  test('a packet whose payload was not captured', () => {
    const view = viewOf(packetOf(V4), 40);
    expect(view.check()).toBe(WireFault.OK);
    expect(view.totalBytes).toBe(43);
  });

  test.each([
    { name: 'IPv4', packet: patched(packetOf(V4), { 2: 0, 3: 0 }), totalBytes: 43 },
    { name: 'IPv6', packet: patched(packetOf(V6), { 4: 0, 5: 0 }), totalBytes: 63 },
  ])('$name with a declared length of 0: what is there counts', ({ packet, totalBytes }) => {
    const view = viewOf(packet);
    expect(view.check()).toBe(WireFault.OK);
    expect(view.totalBytes).toBe(totalBytes);
  });

  test.each([
    { name: 'hop-by-hop', extensions: [[0, [0, 1, 4, 0, 0, 0, 0]]], bytes: 8 },
    { name: 'routing of 16 octets', extensions: [[43, [1, ...new Array(14).fill(0)]]], bytes: 16 },
    { name: 'an atomic fragment', extensions: [[44, [0, 0, 0, 0, 0, 0, 9]]], bytes: 8 },
    {
      name: 'authentication (words of four)',
      extensions: [[51, [4, ...new Array(22).fill(0)]]],
      bytes: 24,
    },
    {
      name: 'hop-by-hop, destination options, atomic fragment',
      extensions: [
        [0, [0, 1, 4, 0, 0, 0, 0]],
        [60, [0, 1, 4, 0, 0, 0, 0]],
        [44, [9, 0, 6, 0, 0, 0, 9]],
      ],
      bytes: 24,
    },
  ] as { name: string; extensions: [number, number[]][]; bytes: number }[])(
    'IPv6 behind $name',
    ({ extensions, bytes }) => {
      const view = viewOf(withExtensions(extensions));
      expect(view.check()).toBe(WireFault.OK);
      expect(view.headerBytes).toBe(40 + bytes);
      expect(view.payloadBytes).toBe(23);
      expect(view.protocol).toBe(6);
    },
  );
});

describe('check refuses', () => {
  const v4 = packetOf(V4);
  const v6 = packetOf(V6);
  test.each([
    { name: 'nothing at all', packet: v4, captured: 0, fault: WireFault.TRUNCATED },
    { name: 'version 5', packet: patched(v4, { 0: 0x55 }), fault: WireFault.BAD_VERSION },
    { name: 'version 0', packet: patched(v4, { 0: 0 }), fault: WireFault.BAD_VERSION },
    { name: '19 octets of IPv4', packet: v4, captured: 19, fault: WireFault.TRUNCATED },
    {
      name: 'an IPv4 header of 16 octets',
      packet: patched(v4, { 0: 0x44 }),
      fault: WireFault.BAD_LENGTH,
    },
    {
      name: 'IPv4 options not captured',
      packet: patched(v4, { 0: 0x4f }),
      fault: WireFault.TRUNCATED,
    },
    {
      name: 'an IPv4 total below its header',
      packet: patched(v4, { 2: 0, 3: 19 }),
      fault: WireFault.BAD_LENGTH,
    },
    { name: 'IPv4 UDP', packet: patched(v4, { 9: 17 }), fault: WireFault.NOT_TCP },
    { name: 'a first IPv4 fragment', packet: patched(v4, { 6: 0x20 }), fault: WireFault.FRAGMENT },
    {
      name: 'a last IPv4 fragment',
      packet: patched(v4, { 6: 0, 7: 1 }),
      fault: WireFault.FRAGMENT,
    },
    { name: '39 octets of IPv6', packet: v6, captured: 39, fault: WireFault.TRUNCATED },
    { name: 'IPv6 UDP', packet: patched(v6, { 6: 17 }), fault: WireFault.NOT_TCP },
    { name: 'IPv6 with no next header', packet: patched(v6, { 6: 59 }), fault: WireFault.NOT_TCP },
    {
      name: 'an IPv6 fragment',
      packet: withExtensions([[44, [0, 0, 8, 0, 0, 0, 9]]]),
      fault: WireFault.FRAGMENT,
    },
    {
      name: 'a first IPv6 fragment',
      packet: withExtensions([[44, [0, 0, 1, 0, 0, 0, 9]]]),
      fault: WireFault.FRAGMENT,
    },
    {
      name: 'an extension header not captured',
      packet: withExtensions([[0, [0, 1, 4, 0, 0, 0, 0]]]),
      captured: 47,
      fault: WireFault.TRUNCATED,
    },
    {
      name: 'an extension header past the packet',
      packet: withExtensions([[0, [9, 1, 4, 0, 0, 0, 0]]]),
      fault: WireFault.BAD_LENGTH,
    },
  ])('$name', ({ packet, captured, fault }) => {
    expect(viewOf(packet, captured ?? packet.length).check()).toBe(fault);
  });
});

test('no octets, however wrong, make it read outside the packet or run on', () => {
  const start = fc.constantFrom([0x45], [0x60], []);
  fc.assert(
    fc.property(
      start,
      fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 120 }),
      (first, rest) => {
        const packet = [...first, ...rest];
        // An exact buffer: a read past its end throws a RangeError.
        const view = new IpView();
        view.wrap(new DataView(Uint8Array.from(packet).buffer), 0, packet.length);
        if (view.check() !== WireFault.OK) return;
        expect(view.headerBytes).toBeLessThanOrEqual(packet.length);
        expect(view.payloadBytes).toBeGreaterThanOrEqual(0);
      },
    ),
    { numRuns: 2000 },
  );
});

describe('srcMatches and dstMatches', () => {
  test.each([
    { name: 'the whole source', ends: V4, address: V4.src, octets: 4, src: true, dst: false },
    { name: 'a prefix', ends: V4, address: [10, 0, 9, 9], octets: 2, src: true, dst: false },
    {
      name: 'one octet too many',
      ends: V4,
      address: [10, 0, 9, 9],
      octets: 3,
      src: false,
      dst: false,
    },
    {
      name: 'the whole destination, IPv6',
      ends: V6,
      address: V6.dst,
      octets: 16,
      src: false,
      dst: true,
    },
    {
      name: 'the 96 bits before the host',
      ends: V6,
      address: [...V6.src.slice(0, 12), 9, 9, 9, 9],
      octets: 12,
      src: true,
      dst: false,
    },
    {
      name: 'an IPv4 address in an IPv6 packet',
      ends: V6,
      address: V4.src,
      octets: 4,
      src: false,
      dst: false,
    },
    {
      name: 'an IPv6 address in an IPv4 packet',
      ends: V4,
      address: V6.src,
      octets: 16,
      src: false,
      dst: false,
    },
  ])('$name', ({ ends, address, octets, src, dst }) => {
    const view = viewOf(packetOf(ends));
    expect(view.check()).toBe(WireFault.OK);
    expect(view.srcMatches(Uint8Array.from(address), octets)).toBe(src);
    expect(view.dstMatches(Uint8Array.from(address), octets)).toBe(dst);
  });
});
