import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readerOf } from '../../src/capture/format.ts';
import { OctetWindow } from '../../src/capture/octet-window.ts';
import { PACKET_BYTES_MAX } from '../../src/capture/packet-reader.ts';
import { concat, PCAP_KUZNETZOV, PCAP_NANOSECONDS, pcap, u32 } from '../helpers/packets.ts';
import { readAll } from './read-all.ts';

const FRAMES = [
  { data: Uint8Array.of(1, 2, 3), seconds: 7, fraction: 5, originalBytes: 9 },
  { data: new Uint8Array(0), seconds: 8, fraction: 0 },
  { data: Uint8Array.of(4), seconds: 0xffff_ffff, fraction: 999_999 },
];
const read = (nanosPerUnit: number) => [
  { octets: [1, 2, 3], original: 9, seconds: 7, nanoseconds: 5 * nanosPerUnit, linkType: 1 },
  { octets: [], original: 0, seconds: 8, nanoseconds: 0, linkType: 1 },
  {
    octets: [4],
    original: 1,
    seconds: 0xffff_ffff,
    nanoseconds: 999_999 * nanosPerUnit,
    linkType: 1,
  },
];

describe('packets of the classic format', () => {
  test.each([
    { name: 'little-endian', spec: {}, nanoseconds: 1000 },
    { name: 'big-endian', spec: { littleEndian: false }, nanoseconds: 1000 },
    { name: 'nanoseconds', spec: { magic: PCAP_NANOSECONDS }, nanoseconds: 1 },
    {
      name: 'nanoseconds, big-endian',
      spec: { magic: PCAP_NANOSECONDS, littleEndian: false },
      nanoseconds: 1,
    },
    { name: 'longer records', spec: { magic: PCAP_KUZNETZOV, extraBytes: 8 }, nanoseconds: 1000 },
    { name: 'a later version', spec: { version: [2, 9] as const }, nanoseconds: 1000 },
  ])('are read: $name', ({ spec, nanoseconds }) => {
    const { packets, damage } = readAll(pcap(FRAMES, spec));
    expect(packets).toEqual(read(nanoseconds));
    expect(damage).toBeNull();
  });

  test.each([
    { name: 'before 2.3 the original length comes first', version: [2, 2] as const },
    { name: 'in 2.3 the longer one is the original', version: [2, 3] as const },
    { name: '543.0 is an odd tcpdump', version: [543, 0] as const },
  ])('have swapped lengths in old versions: $name', ({ version }) => {
    const file = pcap([{ data: Uint8Array.of(1, 2, 3), originalBytes: 9 }], { version });
    const view = new DataView(file.buffer);
    view.setUint32(24 + 8, 9, true);
    view.setUint32(24 + 12, 3, true);
    expect(readAll(file).packets).toMatchObject([{ octets: [1, 2, 3], original: 9 }]);
  });

  test('have the link type without the FCS length that stands beside it', () => {
    const file = pcap(FRAMES, { linkType: 0x2400_0001 });
    expect(readAll(file).packets).toMatchObject([
      { linkType: 1 },
      { linkType: 1 },
      { linkType: 1 },
    ]);
  });

  test.each([
    { name: 'rounded up to a whole second', fraction: 1_000_001, seconds: 8, nanoseconds: 1000 },
    { name: 'no time at all', fraction: 0xffff_ffff, seconds: 7, nanoseconds: 0 },
  ])('with a fraction of more than a second: $name', ({ fraction, seconds, nanoseconds }) => {
    const file = pcap([{ data: Uint8Array.of(1), seconds: 7, fraction }]);
    expect(readAll(file).packets).toMatchObject([{ seconds, nanoseconds }]);
  });

  test('are the same however the file is cut into pieces', () => {
    const file = pcap(FRAMES);
    for (let pieceBytes = 1; pieceBytes <= file.length; pieceBytes++) {
      expect(readAll(file, pieceBytes).packets).toEqual(read(1000));
    }
  });
});

describe('damage', () => {
  test('a cut file yields the packets that are whole, and says where it was cut', () => {
    const file = pcap(FRAMES);
    const ends = [24, 24 + 19, 24 + 19 + 16, file.length];
    for (let bytes = 24; bytes <= file.length; bytes++) {
      const { packets, damage } = readAll(file.subarray(0, bytes), 5);
      const whole = ends.filter((end) => end <= bytes).length - 1;
      expect(packets).toEqual(read(1000).slice(0, whole));
      expect(damage?.offset ?? null).toBe(ends.includes(bytes) ? null : ends[whole]);
    }
  });

  test.each([4, 8, 23])('a file header of %i octets is cut', (bytes) => {
    const { packets, damage } = readAll(pcap(FRAMES).subarray(0, bytes));
    expect(packets).toEqual([]);
    expect(damage).toEqual({ offset: 0, reason: 'the file header is cut' });
  });

  test('a record longer than any packet ends the file there', () => {
    const record = concat(u32(0), u32(0), u32(PACKET_BYTES_MAX + 1), u32(1));
    const file = concat(pcap(FRAMES, { littleEndian: false }), record, new Uint8Array(300_000));
    const { packets, damage } = readAll(file);
    expect(packets).toHaveLength(3);
    expect(damage?.offset).toBe(file.length - 300_016);
  });

  test('a record of the greatest length is a packet', () => {
    const file = pcap([{ data: new Uint8Array(PACKET_BYTES_MAX) }, { data: Uint8Array.of(1) }]);
    expect(readAll(file, 1000).packets).toHaveLength(2);
  });

  test.each([
    { name: 'empty', octets: [], code: 'ERR_CAPTURE_EMPTY' },
    { name: 'three octets', octets: [0xd4, 0xc3, 0xb2], code: 'ERR_CAPTURE_FORMAT' },
    { name: 'text', octets: [...Buffer.from('hello')], code: 'ERR_CAPTURE_FORMAT' },
    { name: 'an xz file', octets: [0xfd, 0x37, 0x7a, 0x58, 0x5a], code: 'ERR_CAPTURE_FORMAT' },
  ])('what is no capture is an error: $name', ({ octets, code }) => {
    const window = new OctetWindow(64);
    window.bytes.set(octets);
    window.added(octets.length);
    expect(() => readerOf(window)).toThrow(expect.objectContaining({ code, kind: 'capture' }));
  });

  test('a version that none knows is an error', () => {
    const file = pcap(FRAMES, { version: [1, 9] });
    expect(() => readAll(file)).toThrow(expect.objectContaining({ code: 'ERR_CAPTURE_VERSION' }));
  });
});

test('what is written is read, whatever the pieces', () => {
  const frame = fc.record({
    data: fc.uint8Array({ maxLength: 80 }),
    seconds: fc.nat(0xffff_ffff),
    fraction: fc.nat(999_999),
  });
  fc.assert(
    fc.property(
      fc.array(frame, { maxLength: 12 }),
      fc.boolean(),
      fc.integer({ min: 1, max: 200 }),
      (frames, littleEndian, pieceBytes) => {
        const { packets, damage } = readAll(pcap(frames, { littleEndian }), pieceBytes);
        expect(damage).toBeNull();
        expect(packets).toEqual(
          frames.map(({ data, seconds, fraction }) => ({
            octets: [...data],
            original: data.length,
            seconds,
            nanoseconds: fraction * 1000,
            linkType: 1,
          })),
        );
      },
    ),
  );
});
