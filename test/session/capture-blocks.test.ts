import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type BlockSize,
  CaptureBlocks,
  SPARSE_BLOCKS,
} from '../../src/session/script/capture-blocks.ts';
import { randomOctets } from '../helpers/recorded.ts';

const MIB = 1 << 20;
/** Two files, the second one behind a gap; nothing lies in between. */
const FILES = [
  { path: 'a', base: 0, bytes: MIB + 77 },
  { path: 'b', base: 2 * MIB, bytes: 700_001 },
];
const END = 2 * MIB + 700_001;
const octets = randomOctets(END, 1);

function reader(size?: BlockSize) {
  const reads: [offset: number, bytes: number][] = [];
  const read = (offset: number, into: Uint8Array): void => {
    const file = FILES.find(({ base, bytes }) => offset >= base && offset < base + bytes);
    if (file === undefined || offset + into.length > file.base + file.bytes) {
      throw new Error(`no ${into.length} octets at ${offset}`);
    }
    reads.push([offset, into.length]);
    into.set(octets.subarray(offset, offset + into.length));
  };
  return { reads, blocks: new CaptureBlocks(FILES, read, size) };
}

describe('octets of a capture by way of blocks', () => {
  test.each([
    { name: 'large blocks', size: undefined },
    { name: 'small blocks', size: SPARSE_BLOCKS },
    { name: 'few small blocks', size: { bytes: 4096, count: 5 } },
  ])('are those of the files, wherever they lie: $name', ({ size }) => {
    const { blocks } = reader(size);
    const within = fc.constantFrom(...FILES).chain(({ base, bytes }) =>
      fc
        .tuple(fc.integer({ min: 0, max: bytes - 1 }), fc.integer({ min: 0, max: 20_000 }))
        .map(([skip, wanted]) => ({
          offset: base + skip,
          bytes: Math.min(wanted, bytes - skip),
        })),
    );
    fc.assert(
      fc.property(within, ({ offset, bytes }) => {
        const into = new Uint8Array(bytes);
        blocks.read(offset, into);
        expect(Buffer.compare(into, octets.subarray(offset, offset + bytes))).toBe(0);
      }),
    );
  });

  test('are read once where small pieces follow each other', () => {
    const { blocks, reads } = reader();
    const piece = new Uint8Array(1_000);
    for (let at = 0; at + piece.length <= MIB; at += piece.length) blocks.read(at, piece);
    const bytes = reads.reduce((sum, [, each]) => sum + each, 0);
    expect(reads.length).toBeLessThan(10);
    expect(bytes).toBeLessThanOrEqual(MIB + 77);
  });

  test('come by few reads also in small blocks, where these follow each other', () => {
    const { blocks, reads } = reader(SPARSE_BLOCKS);
    const piece = new Uint8Array(1_000);
    for (let at = 0; at + piece.length <= MIB; at += piece.length) blocks.read(at, piece);
    expect(reads.length).toBeLessThan(10);
    expect(reads.reduce((sum, [, bytes]) => sum + bytes, 0)).toBeLessThanOrEqual(MIB + 77);
  });

  test('are read no further than needed where small blocks do not follow each other', () => {
    const { blocks, reads } = reader(SPARSE_BLOCKS);
    for (let at = 0; at < MIB; at += 2 * SPARSE_BLOCKS.bytes) blocks.read(at, new Uint8Array(9));
    expect(new Set(reads.map(([, bytes]) => bytes))).toEqual(new Set([SPARSE_BLOCKS.bytes]));
  });

  test('that lie in no file are asked of whoever reads the files', () => {
    const { blocks } = reader();
    expect(() => blocks.read(MIB + 70, new Uint8Array(20))).toThrow('no 13 octets at 1048653');
    expect(() => blocks.read(END, new Uint8Array(1))).toThrow(`no 1 octets at ${END}`);
  });
});
