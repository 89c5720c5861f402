import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readerOf } from '../../src/capture/format.ts';
import { OctetWindow } from '../../src/capture/octet-window.ts';
import { ReadResult } from '../../src/capture/packet-reader.ts';
import {
  block,
  concat,
  enhancedPacket,
  interfaceBlock,
  section,
  u16,
  u32,
} from '../helpers/packets.ts';
import { readAll } from './read-all.ts';

const DATA = Uint8Array.of(1, 2, 3, 4, 5);
const file = (...blocks: readonly Uint8Array[]): Uint8Array => concat(section(), ...blocks);

describe('packets', () => {
  test('of both byte orders in one file, each section with its own interfaces', () => {
    const octets = concat(
      section(true),
      interfaceBlock({ linkType: 101 }, true),
      enhancedPacket({ data: DATA, units: 5_000_001n }, true),
      section(false),
      interfaceBlock({ linkType: 1, resolution: 9 }, false),
      enhancedPacket({ data: DATA, units: 7_000_000_002n, originalBytes: 70 }, false),
    );
    expect(readAll(octets)).toEqual({
      packets: [
        { octets: [1, 2, 3, 4, 5], original: 5, seconds: 5, nanoseconds: 1000, linkType: 101 },
        { octets: [1, 2, 3, 4, 5], original: 70, seconds: 7, nanoseconds: 2, linkType: 1 },
      ],
      damage: null,
    });
  });

  test('of several interfaces have the link type and the clock of theirs', () => {
    const octets = file(
      interfaceBlock({ linkType: 1 }),
      interfaceBlock({ linkType: 113, resolution: 3, offsetSeconds: -10n }),
      enhancedPacket({ data: DATA, units: 1_000_000n, interfaceId: 0 }),
      enhancedPacket({ data: DATA, units: 12_345n, interfaceId: 1 }),
    );
    expect(readAll(octets).packets).toMatchObject([
      { linkType: 1, seconds: 1, nanoseconds: 0 },
      { linkType: 113, seconds: 2, nanoseconds: 345_000_000 },
    ]);
  });

  test('of simple blocks have no time and are cut to the snap length', () => {
    const simple = block(3, concat(u32(70).reverse(), DATA, [0, 0, 0]));
    const octets = file(interfaceBlock({ snapLen: 5 }), simple);
    expect(readAll(octets).packets).toEqual([
      { octets: [1, 2, 3, 4, 5], original: 70, seconds: Number.NaN, nanoseconds: 0, linkType: 1 },
    ]);
  });

  test('of the obsolete block are read', () => {
    const le = (value: number) => u32(value).reverse();
    const head = [u16(0).reverse(), u16(3).reverse(), le(0), le(2_000_000), le(5), le(9)];
    const octets = file(interfaceBlock(), block(2, concat(...head, DATA, [0, 0, 0])));
    expect(readAll(octets).packets).toMatchObject([{ original: 9, seconds: 2, octets: [...DATA] }]);
  });

  test('stand between blocks that are stepped over, however long those are', () => {
    const octets = file(
      block(0x0bad, new Uint8Array(3_000_000)),
      interfaceBlock(),
      block(4, new Uint8Array(64)),
      enhancedPacket({ data: DATA }),
      block(10, Uint8Array.of(1)),
      block(5, new Uint8Array(12)),
      enhancedPacket({ data: DATA }),
    );
    expect(readAll(octets, 1000)).toMatchObject({ packets: [{}, {}], damage: null });
  });

  test('are the same however the file is cut into pieces', () => {
    const octets = file(
      interfaceBlock({ resolution: 6 }),
      block(0x0bad, new Uint8Array(9)),
      enhancedPacket({ data: DATA, units: 1n }),
      enhancedPacket({ data: new Uint8Array(0), units: 2n }),
    );
    const whole = readAll(octets);
    expect(whole.packets).toHaveLength(2);
    for (let bytes = 1; bytes <= octets.length; bytes++) {
      expect(readAll(octets, bytes)).toEqual(whole);
    }
  });
});

describe('times', () => {
  test.each([
    { name: 'seconds', resolution: 0, units: 5n, seconds: 5, nanoseconds: 0 },
    { name: 'milliseconds', resolution: 3, units: 5_007n, seconds: 5, nanoseconds: 7_000_000 },
    {
      name: 'nanoseconds beyond 2^53',
      resolution: 9,
      units: 1_700_000_000_123_456_789n,
      seconds: 1_700_000_000,
      nanoseconds: 123_456_789,
    },
    {
      name: 'picoseconds: what is finer than a nanosecond is cut off',
      resolution: 12,
      units: 1_700_000_000_123_999n,
      seconds: 1700,
      nanoseconds: 123,
    },
    {
      name: '2^-32 seconds',
      resolution: 0x80 | 32,
      units: (7n << 32n) | 0x8000_0000n,
      seconds: 7,
      nanoseconds: 500_000_000,
    },
    {
      name: '2^-63 seconds',
      resolution: 0x80 | 63,
      units: 0x4000_0000_0000_0000n,
      seconds: 0,
      nanoseconds: 500_000_000,
    },
    {
      name: 'the largest number of microseconds',
      resolution: 6,
      units: 0xffff_ffff_ffff_ffffn,
      seconds: 18_446_744_073_709,
      nanoseconds: 551_615_000,
    },
  ])('are converted exactly: $name', ({ resolution, units, seconds, nanoseconds }) => {
    const octets = file(interfaceBlock({ resolution }), enhancedPacket({ data: DATA, units }));
    expect(readAll(octets).packets).toMatchObject([{ seconds, nanoseconds }]);
  });

  test('are those of big integers, whatever the unit', () => {
    fc.assert(
      fc.property(
        fc.bigInt(0n, 2n ** 64n - 1n),
        fc.integer({ min: 4, max: 12 }),
        (units, resolution) => {
          const octets = file(
            interfaceBlock({ resolution }),
            enhancedPacket({ data: DATA, units }),
          );
          const perSecond = 10n ** BigInt(resolution);
          const nanoseconds = ((units % perSecond) * 1_000_000_000n) / perSecond;
          expect(readAll(octets).packets).toMatchObject([
            { seconds: Number(units / perSecond), nanoseconds: Number(nanoseconds) },
          ]);
        },
      ),
    );
  });
});

describe('damage', () => {
  const good = enhancedPacket({ data: DATA, units: 1n });

  test('a cut file yields the packets whose blocks are whole', () => {
    const octets = file(interfaceBlock(), good, good);
    const first = octets.length - 2 * good.length;
    for (let bytes = 32; bytes < octets.length; bytes++) {
      const { packets, damage } = readAll(octets.subarray(0, bytes), 7);
      const whole = Math.max(0, Math.floor((bytes - first) / good.length));
      expect(packets).toHaveLength(whole);
      const isAtBlock = bytes === first || bytes === first + good.length || bytes === 28;
      if (!isAtBlock) expect(damage).not.toBeNull();
    }
  });

  const patched = (octets: Uint8Array, at: number, value: number): Uint8Array => {
    const copy = octets.slice();
    new DataView(copy.buffer).setUint32(at, value, true);
    return copy;
  };

  test.each([
    { name: 'lengths that differ', bad: patched(good, good.length - 4, 999) },
    { name: 'a block shorter than its own lengths', bad: patched(good, 4, 8) },
    { name: 'more octets than the block has', bad: patched(good, 20, 6000) },
    { name: 'more octets than any packet has', bad: patched(good, 20, 0x7fff_ffff) },
    {
      name: 'an interface that is not described',
      bad: enhancedPacket({ data: DATA, interfaceId: 1 }),
    },
    { name: 'a packet block without room for its head', bad: block(6, new Uint8Array(16)) },
    { name: 'a simple packet without room for its head', bad: block(3, new Uint8Array(0)) },
    { name: 'an interface without room for its head', bad: block(1, new Uint8Array(4)) },
    { name: 'a section without byte order', bad: block(0x0a0d_0d0a, new Uint8Array(16)) },
    { name: 'a section of a later version', bad: section(true, 7) },
  ])('ends the file where it is and keeps what came before: $name', ({ bad }) => {
    const octets = file(interfaceBlock(), good, bad, good);
    const { packets, damage } = readAll(octets);
    expect(packets).toHaveLength(1);
    expect(damage?.reason).toBeTruthy();
    const start = section().length + interfaceBlock().length + good.length;
    expect(damage?.offset).toBeGreaterThanOrEqual(start);
    expect(damage?.offset).toBeLessThan(start + bad.length);
  });

  test('a simple packet before any interface has no link type', () => {
    const { packets, damage } = readAll(file(block(3, concat(u32(0)))));
    expect(packets).toEqual([]);
    expect(damage?.reason).toBe('a packet before any interface');
  });

  test('a version that none knows at the start is an error', () => {
    const octets = concat(section(true, 7), interfaceBlock());
    expect(() => readAll(octets)).toThrow(expect.objectContaining({ code: 'ERR_CAPTURE_VERSION' }));
  });
});

test('a packet with options longer than the window is where it says, and so is what follows', () => {
  const le = (value: number) => u32(value).reverse();
  const head = [le(0), le(0), le(0), le(5), le(5)];
  const long = block(6, concat(...head, DATA, [0, 0, 0], new Uint8Array(1_200_000)));
  const window = new OctetWindow();
  const octets = file(interfaceBlock(), long, enhancedPacket({ data: DATA }));
  const found: number[] = [];
  const fill = () => {
    const room = window.room();
    const piece = octets.subarray(window.nextOffset, window.nextOffset + room.length);
    room.set(piece);
    window.added(piece.length);
  };
  fill();
  const reader = readerOf(window);
  for (let step = reader.next(); step !== ReadResult.END; step = reader.next()) {
    if (step === ReadResult.PACKET) found.push(window.base + reader.packetStart);
    else if (window.nextOffset >= octets.length) reader.end();
    else fill();
  }
  expect(found.map((at) => [...octets.subarray(at, at + 5)])).toEqual([[...DATA], [...DATA]]);
  expect(reader.damage).toBeNull();
});
