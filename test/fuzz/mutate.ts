/** Random changes to a file: the usual ones of mutation fuzzers. */
import type { Prng } from '../../src/base/prng.ts';

/** Values at which lengths and offsets go wrong. */
const INTERESTING: readonly number[] = [
  0, 1, 2, 3, 4, 7, 8, 12, 15, 16, 19, 20, 27, 28, 39, 40, 60, 63, 64, 127, 128, 255, 256, 1500,
  0x0fff, 0x1fff, 0x2000, 0x3fff, 0x7fff, 0x8000, 0xffff, 0x1_0000, 0x3_ffff, 0x4_0000, 0x4_0001,
  0x7fff_ffff, 0x8000_0000, 0xffff_fff0, 0xffff_ffff,
];
const CHANGES_MAX = 8;
const FILE_BYTES_MAX = 40_000;

/** A changed copy of `octets`; `other` lends pieces. */
export function mutate(octets: Uint8Array, other: Uint8Array, prng: Prng): Uint8Array {
  const below = (limit: number): number => (limit <= 0 ? 0 : prng.nextUint32() % limit);
  let file = octets.slice();
  for (let changes = 1 + below(CHANGES_MAX); changes > 0; changes--) {
    if (file.length === 0) return file;
    const at = below(file.length);
    switch (below(9)) {
      case 0:
        file[at] ^= 1 << below(8);
        break;
      case 1:
        file[at] = below(256);
        break;
      case 2:
      case 3:
        putInteresting(file, at, prng);
        break;
      case 4:
        file = file.slice(0, at);
        break;
      case 5: {
        // A piece twice: repeated packets, blocks out of place.
        const piece = file.slice(at, at + below(400));
        file = join(file.subarray(0, at), piece, file.subarray(at));
        break;
      }
      case 6:
        file = join(file.subarray(0, at), file.subarray(at + below(100)));
        break;
      case 7: {
        const from = below(other.length);
        file = join(
          file.subarray(0, at),
          other.subarray(from, from + below(600)),
          file.subarray(at),
        );
        break;
      }
      default: {
        const from = below(other.length);
        const piece = other.subarray(from, from + Math.min(below(200), file.length - at));
        file.set(piece, at);
      }
    }
  }
  return file.length > FILE_BYTES_MAX ? file.slice(0, FILE_BYTES_MAX) : file;
}

function putInteresting(file: Uint8Array, at: number, prng: Prng): void {
  const value = INTERESTING[prng.nextUint32() % INTERESTING.length];
  const bytes = 1 << (prng.nextUint32() % 3);
  if (at + bytes > file.length) return;
  const data = new DataView(file.buffer);
  const isLittle = (prng.nextUint32() & 1) === 0;
  if (bytes === 1) data.setUint8(at, value);
  else if (bytes === 2) data.setUint16(at, value, isLittle);
  else data.setUint32(at, value, isLittle);
}

function join(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((bytes, part) => bytes + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
