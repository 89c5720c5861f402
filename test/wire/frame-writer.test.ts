import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sumOctets } from '../../src/wire/checksum.ts';
import { FrameBatch, HEADER_SLOT_BYTES } from '../../src/wire/frame-batch.ts';
import { FrameWriter, OptionsKind, type SynOptions } from '../../src/wire/frame-writer.ts';
import { ACK, PSH, SYN } from '../../src/wire/tcp.ts';
import { bigEndian, naivePacket } from './naive.ts';

const CAPACITY = 4;
const SYN_OPTIONS: SynOptions = {
  mss: 1460,
  windowScale: 7,
  timestamps: true,
  sackPermitted: true,
};

const uint8 = fc.integer({ min: 0, max: 0xff });
const uint16 = fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.constantFrom(0, 0xffff));
const uint32 = fc.oneof(
  fc.integer({ min: 0, max: 0xffff_ffff }),
  fc.constantFrom(0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff),
);
const octets = (length: number) => fc.array(uint8, { minLength: length, maxLength: length });

/** The options in the order of Linux, written down plainly. */
function naiveOptions(
  kind: number,
  { sackPermitted, ...syn }: SynOptions,
  tsVal: number,
  tsEcr: number,
  sack: readonly number[],
): number[] {
  const timestamps = [8, 10, ...bigEndian(tsVal, 4), ...bigEndian(tsEcr, 4)];
  const blocks = [1, 1, 5, 2 + 4 * sack.length, ...sack.flatMap((edge) => bigEndian(edge, 4))];
  if (kind === OptionsKind.NONE) return [];
  if (kind === OptionsKind.TIMESTAMPS) return [1, 1, ...timestamps];
  if (kind === OptionsKind.SACK) return blocks;
  if (kind === OptionsKind.TIMESTAMPS_SACK) return [1, 1, ...timestamps, ...blocks];
  const hasSack = sackPermitted && kind !== OptionsKind.SYN_WITHOUT_SACK;
  const middle: number[] = [];
  if (hasSack && syn.timestamps) middle.push(4, 2, ...timestamps);
  else if (hasSack) middle.push(4, 2, 1, 1);
  else if (syn.timestamps) middle.push(1, 1, ...timestamps);
  const scale = syn.windowScale < 0 ? [] : [1, 3, 3, syn.windowScale];
  return [2, 4, ...bigEndian(syn.mss, 2), ...middle, ...scale];
}

const segment = fc.record({
  srcLow: uint32,
  ipId: uint16,
  srcPort: uint16,
  dstPort: uint16,
  seq: uint32,
  ack: uint32,
  flags: fc.integer({ min: 0, max: 0x3f }),
  window: uint16,
  kind: fc.constantFrom(...Object.values(OptionsKind)),
  sack: fc.array(fc.tuple(uint32, uint32), { minLength: 1, maxLength: 3 }),
  tsVal: uint32,
  tsEcr: uint32,
  payload: fc.array(uint8, { maxLength: 99 }),
  slot: fc.integer({ min: 0, max: CAPACITY - 1 }),
  link: fc.constantFrom(0, 14, 18, 22, 24).chain(octets),
});
const synOptions = fc.record({
  mss: uint16,
  windowScale: fc.integer({ min: -1, max: 14 }),
  timestamps: fc.boolean(),
  sackPermitted: fc.boolean(),
});

describe.each([
  { family: 4, addressBytes: 4 },
  { family: 6, addressBytes: 16 },
] as const)('writeTcp, IPv$family', ({ family, addressBytes }) => {
  test('any frame equals the packet assembled and summed octet by octet', () => {
    const dirt = fc.uint8Array({
      minLength: CAPACITY * HEADER_SLOT_BYTES,
      maxLength: CAPACITY * HEADER_SLOT_BYTES,
    });
    fc.assert(
      fc.property(
        segment,
        synOptions,
        octets(addressBytes),
        octets(addressBytes),
        dirt,
        (s, syn, dst, prefix, before) => {
          const batch = new FrameBatch(CAPACITY);
          batch.headers.set(before);
          batch.count = s.slot;
          const writer = new FrameWriter(batch, { family });
          writer.synOptions = syn;
          writer.addRoute(
            new Uint8Array(14),
            new Uint8Array(addressBytes),
            new Uint8Array(addressBytes),
          );
          const route = writer.addRoute(
            Uint8Array.from(before.slice(0, s.link.length)),
            Uint8Array.from(dst),
            Uint8Array.from(prefix),
          );
          // It has moved since it was added.
          writer.setLink(route, Uint8Array.from(s.link));
          const payload = Uint8Array.from(s.payload);
          for (const [left, right] of s.sack) writer.sack.add(left, right);
          writer.writeTcp(
            route,
            s.srcLow,
            s.srcPort,
            s.dstPort,
            s.ipId,
            s.seq,
            s.ack,
            s.flags,
            s.window,
            s.kind,
            s.tsVal,
            s.tsEcr,
            payload.length,
            sumOctets(payload, 0, payload.length),
          );
          const src = [...prefix.slice(0, addressBytes - 4), ...bigEndian(s.srcLow, 4)];
          const options = naiveOptions(s.kind, syn, s.tsVal, s.tsEcr, s.sack.flat());
          const packet = naivePacket({ ...s, src, dst, options });
          const at = s.slot * HEADER_SLOT_BYTES;
          const bytes = batch.headerBytes[s.slot];
          const written = [...batch.headers.subarray(at, at + bytes), ...s.payload];
          expect(written).toEqual([...s.link, ...packet]);
          // Its neighbours are left alone.
          before.set(batch.headers.subarray(at, at + HEADER_SLOT_BYTES), at);
          expect(batch.headers).toEqual(before);
        },
      ),
    );
  });
});

test('a SYN with every option behind two tags and IPv6 fits its slot', () => {
  const batch = new FrameBatch(1);
  const writer = new FrameWriter(batch, { family: 6 });
  writer.synOptions = SYN_OPTIONS;
  const route = writer.addRoute(new Uint8Array(24), new Uint8Array(16), new Uint8Array(16));
  writer.writeTcp(route, 1, 2, 3, 4, 5, 0, SYN, 0xffff, OptionsKind.SYN, 7, 0, 0, 0);
  expect(batch.headerBytes[0]).toBe(24 + 40 + 40);
  expect(batch.headerBytes[0]).toBeLessThanOrEqual(HEADER_SLOT_BYTES);
});

test.each([
  { name: 'a link header of 25 octets', link: 25, dst: 4, src: 4 },
  { name: 'an IPv6 destination in an IPv4 writer', link: 14, dst: 16, src: 4 },
  { name: 'an IPv6 source in an IPv4 writer', link: 14, dst: 4, src: 16 },
])('$name is a programmer error', ({ link, dst, src }) => {
  const writer = new FrameWriter(new FrameBatch(1), { family: 4 });
  expect(() =>
    writer.addRoute(new Uint8Array(link), new Uint8Array(dst), new Uint8Array(src)),
  ).toThrow('assertion failed');
});

test('routes added later do not disturb earlier ones', () => {
  const batch = new FrameBatch(1);
  const writer = new FrameWriter(batch, { family: 4 });
  const routes = [1, 2, 3].map((last) =>
    writer.addRoute(
      new Uint8Array(14).fill(last),
      Uint8Array.of(10, 0, 0, last),
      new Uint8Array(4),
    ),
  );
  const destinations = routes.map((route) => {
    writer.writeTcp(route, 1, 2, 3, 4, 5, 6, ACK | PSH, 7, OptionsKind.NONE, 0, 0, 0, 0);
    return [batch.headers[0], batch.headers[14 + 19]];
  });
  expect(destinations).toEqual([
    [1, 1],
    [2, 2],
    [3, 3],
  ]);
});
