/** Both decoders of Zstandard, the system's and the one in JavaScript, beside what was packed. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openFzstd, type ZstdDecoder } from '../../src/capture/zstd-frames.ts';
import { openLibzstd } from '../../src/io/sys/libzstd.ts';

type Open = (onOctets: (octets: Uint8Array) => void) => ZstdDecoder;

const DECODERS: readonly { readonly name: string; readonly open: Open }[] = [
  { name: 'fzstd', open: openFzstd },
  {
    name: 'libzstd',
    open: (onOctets) => {
      const decoder = openLibzstd(onOctets);
      if (decoder === null) throw new Error('libzstd is not installed');
      return decoder;
    },
  },
];

/** A stretch of the content: so many times the same octet, in a block of one octet or of all. */
interface Run {
  readonly octet: number;
  readonly bytes: number;
  readonly isRepeated: boolean;
}

/** The largest block that a window of 1 MiB may have (RFC 8878, 3.1.1.2.4). */
const BLOCK_BYTES_MAX = 128 << 10;
const WINDOW_1_MIB = 10 << 3;
const MIB: readonly Run[] = Array.from({ length: 8 }, (_, octet) => ({
  octet,
  bytes: BLOCK_BYTES_MAX,
  isRepeated: true,
}));

/** A frame of raw and repeated blocks, without a checksum. */
function frame(runs: readonly Run[]): Buffer {
  const blocks = runs.map(({ octet, bytes, isRepeated }, i) => {
    const head = Buffer.alloc(3);
    const isLast = i === runs.length - 1 ? 1 : 0;
    head.writeUIntLE((bytes << 3) | (isRepeated ? 2 : 0) | isLast, 0, 3);
    return Buffer.concat([head, Buffer.alloc(isRepeated ? 1 : bytes, octet)]);
  });
  return Buffer.concat([Buffer.of(0x28, 0xb5, 0x2f, 0xfd, 0, WINDOW_1_MIB), ...blocks]);
}

const skippable = (bytes: number): Buffer => {
  const head = Buffer.of(0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0);
  head.writeUInt32LE(bytes, 4);
  return Buffer.concat([head, Buffer.alloc(bytes, 7)]);
};

const contentOf = (runs: readonly Run[]): Buffer =>
  Buffer.concat(runs.map(({ octet, bytes }) => Buffer.alloc(bytes, octet)));

/** What comes out, and why it ended early. */
function unpack(open: Open, pieces: readonly Uint8Array[]): { out: Buffer; fault: string | null } {
  const out: Buffer[] = [];
  const decoder = open((octets) => out.push(Buffer.from(octets)));
  try {
    for (const piece of pieces) decoder.push(piece);
    decoder.end();
    return { out: Buffer.concat(out), fault: null };
  } catch (fault) {
    return { out: Buffer.concat(out), fault: (fault as Error).message };
  } finally {
    decoder.close();
  }
}

function cut(octets: Uint8Array, at: readonly number[]): Uint8Array[] {
  const ends = [...at.map((each) => each % (octets.length + 1)), octets.length];
  ends.sort((a, b) => a - b);
  return ends.map((end, i) => octets.subarray(i === 0 ? 0 : ends[i - 1], end));
}

const runs = fc.array(
  fc.record({
    octet: fc.nat(255),
    bytes: fc.integer({ min: 1, max: BLOCK_BYTES_MAX }),
    isRepeated: fc.boolean(),
  }),
  { minLength: 1, maxLength: 4 },
);

describe.each(DECODERS)('$name', ({ open }) => {
  test('unpacks frame after frame, wherever the pieces are cut', () => {
    fc.assert(
      fc.property(
        fc.array(runs, { minLength: 1, maxLength: 3 }),
        fc.array(fc.nat(), { maxLength: 6 }),
        (frames, at) => {
          const octets = Buffer.concat(frames.map(frame));
          const { out, fault } = unpack(open, cut(octets, at));
          expect(fault).toBeNull();
          expect(out.equals(Buffer.concat(frames.map(contentOf)))).toBe(true);
        },
      ),
      { numRuns: 40 },
    );
  });

  test('is at the end where a frame fills what is unpacked at a time', () => {
    const octets = frame(MIB);
    for (const pieces of [[octets], [octets, frame(MIB)], [octets, skippable(9)]]) {
      const { out, fault } = unpack(open, pieces);
      expect(fault).toBeNull();
      expect(out.length % (8 * BLOCK_BYTES_MAX)).toBe(0);
      expect(out.subarray(0, 8 * BLOCK_BYTES_MAX).equals(contentOf(MIB))).toBe(true);
    }
  });

  test('tells a stream that is cut anywhere within a frame, and keeps what came before', () => {
    const octets = readFileSync(new URL('../../fixtures/http-short.pcap.zst', import.meta.url));
    const whole = unpack(open, [octets]);
    expect(whole.fault).toBeNull();
    const packed = readFileSync(new URL('../../fixtures/http-short.pcap', import.meta.url));
    expect(whole.out.equals(packed)).toBe(true);
    for (let end = 5; end < octets.length; end += 97) {
      const { out, fault } = unpack(open, [octets.subarray(0, end)]);
      expect(fault, `cut at ${end}`).not.toBeNull();
      expect(whole.out.subarray(0, out.length).equals(out)).toBe(true);
    }
  });

  test('tells what is damaged, and what is no frame behind one', () => {
    const octets = frame(MIB);
    const wrong = Buffer.from(octets);
    // A block of the kind that does not exist.
    wrong[6] |= 6;
    expect(unpack(open, [wrong]).fault).not.toBeNull();
    const { out, fault } = unpack(open, [octets, Buffer.from('no frame at all')]);
    expect(fault).not.toBeNull();
    expect(out.equals(contentOf(MIB))).toBe(true);
  });
});
