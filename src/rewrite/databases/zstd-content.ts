/**
 * What one Zstandard frame holds (RFC 8878, section 3.1.1) whose length is known: nothing is unpacked that says
 * otherwise, or that asks for more memory than such contents do.
 *
 *   frame: magic (4) | descriptor (1): size of the content's size (2 bits), single segment (1), …, dictionary (2)
 *          | window (0-1) | dictionary (0-4) | content size (0-8) | blocks
 */
import { Decompress } from 'fzstd';
import { textOf } from '../octet-text.ts';
import { numberAt } from './mysql-packets.ts';

const MAGIC = 0xfd2f_b528;
const SINGLE_SEGMENT = 0x20;
const DICTIONARY = 0x03;
/** The longest head without a dictionary. */
const HEAD_BYTES_MAX = 14;
/** No packet holds more, nor has to look back further. */
const WINDOW_BYTES_MAX = 1 << 24;

/** Whether it begins as a frame does. */
const isZstd = (octets: Uint8Array): boolean =>
  octets.length >= 4 && numberAt(textOf(octets.subarray(0, 4)), 0, 4) === MAGIC;

/**
 * Unpacks a frame.
 * @param bytes that it holds
 * @returns null where it does not hold so many, or is damaged; undefined where it is no frame
 */
export function unzstd(frame: Uint8Array, bytes: number): Uint8Array | null | undefined {
  if (!isZstd(frame)) return undefined;
  const stated = statedBytes(textOf(frame.subarray(0, HEAD_BYTES_MAX)));
  if (stated !== bytes) return null;
  const content = new Uint8Array(bytes);
  let done = 0;
  const unpacker = new Decompress((part) => {
    content.set(part, done);
    done += part.length;
  });
  try {
    unpacker.push(frame, true);
  } catch {
    return null;
  }
  return done === bytes ? content : null;
}

/** Octets that a frame says it holds; NaN where it does not say, or takes a dictionary or too much memory. */
function statedBytes(head: string): number {
  const descriptor = numberAt(head, 4, 1);
  if ((descriptor & DICTIONARY) !== 0) return Number.NaN;
  const isSingle = (descriptor & SINGLE_SEGMENT) !== 0;
  const code = descriptor >>> 6;
  if (!isSingle && windowBytes(numberAt(head, 5, 1)) > WINDOW_BYTES_MAX) return Number.NaN;
  const at = isSingle ? 5 : 6;
  if (code === 0) return isSingle ? numberAt(head, at, 1) : Number.NaN;
  // Of eight octets the first four do for a packet's content.
  if (code === 3) return numberAt(head, at + 4, 4) === 0 ? numberAt(head, at, 4) : Number.NaN;
  return code === 1 ? numberAt(head, at, 2) + 256 : numberAt(head, at, 4);
}

const windowBytes = (field: number): number => {
  const base = 2 ** (10 + (field >>> 3));
  return base + (base / 8) * (field & 7);
};
