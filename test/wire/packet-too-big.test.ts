import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { IpView } from '../../src/wire/ip-view.ts';
import { PacketTooBigView } from '../../src/wire/packet-too-big.ts';
import { WireFault } from '../../src/wire/wire-fault.ts';
import { packetTooBig } from '../helpers/icmp.ts';
import { naivePacket } from './naive.ts';

const V4 = { src: [198, 18, 0, 9], dst: [10, 0, 0, 1] };
const V6 = {
  src: [0xfd, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xa0, 0xb0, 0xc0, 0xd0],
  dst: [0xfd, 0x78, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
};
const TCP = { ipId: 7, srcPort: 40_000, dstPort: 80, seq: 0xfedc_ba98, ack: 2, flags: 0x10 };

/** A packet of ours of so many octets. */
function sent(ends: { src: number[]; dst: number[] }, bytes: number): Uint8Array {
  const payload = new Array<number>(bytes - (ends.src.length === 4 ? 40 : 60)).fill(0x61);
  return Uint8Array.from(naivePacket({ ...TCP, ...ends, window: 3, options: [], payload }));
}

/** The message as if somewhere in a ring, with other octets before and after it. */
function viewOf(packet: Uint8Array, capturedBytes = packet.length) {
  const ring = Uint8Array.of(0xff, 0xff, 0xff, ...packet, 0xff);
  const data = new DataView(ring.buffer);
  const ip = new IpView();
  ip.wrap(data, 3, capturedBytes);
  expect(ip.check()).toBe(WireFault.NOT_TCP);
  const view = new PacketTooBigView();
  view.wrap(data, 3, capturedBytes, ip);
  return { view, verdict: view.check() };
}

describe.each([
  { name: 'ICMP', ends: V4, headers: 20 + 8 + 28 },
  { name: 'ICMPv6', ends: V6, headers: 40 + 8 + 48 },
])('a message of $name', ({ ends, headers }) => {
  const family = ends.src.length;

  test('is read; its ends are those of an answer', () => {
    const { view, verdict } = viewOf(packetTooBig({ quoted: sent(ends, 1500), mtu: 1400 }));
    expect(verdict).toBe(WireFault.OK);
    expect(view.pathMtu).toBe(1400);
    expect(view.seq).toBe(TCP.seq | 0);
    expect([view.srcPort, view.dstPort]).toEqual([80, 40_000]);
    expect(view.srcMatches(Uint8Array.from(ends.dst))).toBe(true);
    expect(view.dstMatches(Uint8Array.from(ends.src))).toBe(true);
    expect(view.srcMatches(Uint8Array.from(ends.src))).toBe(false);
    expect(view.srcMatches(new Uint8Array(family === 4 ? 16 : 4))).toBe(false);
    expect(view.dstLow32).toBe(family === 4 ? 0xc612_0009 : 0xa0b0_c0d0);
    expect(view.dstBits32).toBe(view.dstLow32 | 0);
    expect(view.headerBytes).toBe(headers);
  });

  test('that quotes the least there can be is read, and nothing shorter', () => {
    const whole = packetTooBig({ quoted: sent(ends, 1500), mtu: 1400 });
    for (let bytes = family === 4 ? 20 : 40; bytes < headers; bytes++) {
      const { verdict } = viewOf(whole, bytes);
      expect({ bytes, verdict }).toEqual({ bytes, verdict: WireFault.TRUNCATED });
    }
    expect(viewOf(whole, headers).verdict).toBe(WireFault.OK);
  });

  test.each([
    { name: 'of another type', change: { typeAndCode: family === 4 ? 0x0b00 : 0x0300 } },
    { name: 'of another code', change: { typeAndCode: family === 4 ? 0x0303 : 0x0201 } },
  ])('$name is none', ({ change }) => {
    const packet = packetTooBig({ quoted: sent(ends, 1500), mtu: 1400, ...change });
    expect(viewOf(packet).verdict).toBe(WireFault.NOT_TCP);
  });

  test('about UDP is none', () => {
    const quoted = sent(ends, 1500);
    quoted[family === 4 ? 9 : 6] = 17;
    expect(viewOf(packetTooBig({ quoted, mtu: 1400 })).verdict).toBe(WireFault.NOT_TCP);
  });

  test('that quotes the other version is refused', () => {
    const packet = packetTooBig({ quoted: sent(ends, 1500), mtu: 1400 });
    const at = family === 4 ? 28 : 48;
    packet[at] = family === 4 ? 0x65 : 0x45;
    expect(viewOf(packet).verdict).toBe(WireFault.BAD_VERSION);
  });

  test('whatever octets come, nothing beyond them is read', () => {
    const whole = packetTooBig({ quoted: sent(ends, 1500), mtu: 1400 }).subarray(0, 160);
    fc.assert(
      fc.property(
        fc.nat(159),
        fc.nat(255),
        fc.integer({ min: family === 4 ? 20 : 40, max: 160 }),
        (at, octet, bytes) => {
          const packet = whole.slice(0, bytes);
          if (at < bytes) packet[at] = octet;
          const data = new DataView(packet.buffer);
          const ip = new IpView();
          ip.wrap(data, 0, bytes);
          if (ip.check() !== WireFault.NOT_TCP) return;
          const view = new PacketTooBigView();
          view.wrap(data, 0, bytes, ip);
          if (view.check() !== WireFault.OK) return;
          expect(view.headerBytes).toBeLessThanOrEqual(bytes);
          expect(view.pathMtu).toBeLessThanOrEqual(65_535);
          expect([view.seq, view.dstLow32].every(Number.isInteger)).toBe(true);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe('the path MTU', () => {
  test.each([
    { name: 'is the next hop’s', told: 1400, bytes: 1500, mtu: 1400 },
    { name: 'is never below 576', told: 68, bytes: 1500, mtu: 576 },
    { name: 'that the packet had already makes no sense', told: 1500, bytes: 1500, mtu: 0 },
    { name: 'that is larger makes no sense', told: 9000, bytes: 1500, mtu: 0 },
    { name: 'that is not told is the next plateau: Ethernet', told: 0, bytes: 1500, mtu: 1492 },
    { name: 'that is not told is the next plateau: PPPoE', told: 0, bytes: 1492, mtu: 1006 },
    { name: 'that is not told is the next plateau: jumbo', told: 0, bytes: 9000, mtu: 8166 },
    { name: 'that is not told is the last plateau', told: 0, bytes: 600, mtu: 576 },
    { name: 'that is not told has an end', told: 0, bytes: 576, mtu: 0 },
  ])('of ICMP $name', ({ told, bytes, mtu }) => {
    const { view } = viewOf(packetTooBig({ quoted: sent(V4, bytes), mtu: told }));
    expect(view.pathMtu).toBe(mtu);
  });

  test.each([
    { name: 'is the link’s', told: 1280, bytes: 1500, mtu: 1280 },
    { name: 'below what IPv6 needs is ignored', told: 1279, bytes: 1500, mtu: 0 },
    { name: 'of 0 is ignored', told: 0, bytes: 1500, mtu: 0 },
    { name: 'that the packet had already makes no sense', told: 1400, bytes: 1400, mtu: 0 },
    { name: 'of 32 bits makes no sense', told: 0xffff_ffff, bytes: 1500, mtu: 0 },
  ])('of ICMPv6 $name', ({ told, bytes, mtu }) => {
    const { view } = viewOf(packetTooBig({ quoted: sent(V6, bytes), mtu: told }));
    expect(view.pathMtu).toBe(mtu);
  });
});

test('options of either IPv4 header are stepped over', () => {
  const packet = sent(V4, 1500);
  const quoted = Uint8Array.of(0x4a, ...packet.subarray(1, 20), ...new Uint8Array(20).fill(1));
  const whole = Uint8Array.of(...quoted, ...packet.subarray(20, 60));
  const { view, verdict } = viewOf(packetTooBig({ quoted: whole, mtu: 1400, optionWords: 10 }));
  expect(verdict).toBe(WireFault.OK);
  expect([view.srcPort, view.dstPort, view.seq]).toEqual([80, 40_000, TCP.seq | 0]);
});
