/**
 * A client's frames behind the upgrade to WebSocket (RFC 6455, section 5.2): taken apart before the run,
 * and put together with another payload under the recorded masking key.
 */
import { textOf } from '../octet-text.ts';
import type { Range } from './recorded-requests.ts';
import type { Edit } from './render.ts';

/** A frame as it was recorded. */
export interface RecordedFrame {
  /** Of its octets in the client's stream. */
  readonly at: Range;
  /** FIN, the reserved bits and the opcode. */
  readonly first: number;
  /** Four octets; null where the frame is not masked. */
  readonly mask: Uint8Array | null;
  /** Unmasked, octets as text. */
  readonly payload: string;
}

const RESERVED = 0x70;
const OPCODE = 0x0f;
const MASKED = 0x80;
const LENGTH = 0x7f;
const LENGTH_16 = 126;
const LENGTH_64 = 127;
/** Text, binary, and what goes on with them. */
const DATA_OPCODES = new Set([0, 1, 2]);

/**
 * The frames with data of a stream, as far as they are whole. Those that an extension has changed
 * (compression) are left out.
 */
export function readFrames(octets: Uint8Array, from: number): readonly RecordedFrame[] {
  const data = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  const frames: RecordedFrame[] = [];
  let at = from;
  while (at + 2 <= octets.length) {
    const first = data.getUint8(at);
    const second = data.getUint8(at + 1);
    const size = second & LENGTH;
    const lengthBytes = size === LENGTH_64 ? 8 : size === LENGTH_16 ? 2 : 0;
    const isMasked = (second & MASKED) !== 0;
    const payloadFrom = at + 2 + lengthBytes + (isMasked ? 4 : 0);
    if (payloadFrom > octets.length) break;
    const bytes = size < LENGTH_16 ? size : lengthOf(data, at + 2, lengthBytes);
    const to = payloadFrom + bytes;
    if (to > octets.length) break;
    if (DATA_OPCODES.has(first & OPCODE) && (first & RESERVED) === 0) {
      const mask = isMasked ? octets.slice(payloadFrom - 4, payloadFrom) : null;
      const payload = textOf(masked(octets.slice(payloadFrom, to), mask));
      frames.push({ at: { from: at, to }, first, mask, payload });
    }
    at = to;
  }
  return frames;
}

const lengthOf = (data: DataView, at: number, bytes: number): number =>
  bytes === 2 ? data.getUint16(at) : Number(data.getBigUint64(at));

/** Masks or unmasks octets, in place. */
function masked(octets: Uint8Array, mask: Uint8Array | null): Uint8Array {
  if (mask !== null) for (let i = 0; i < octets.length; i++) octets[i] ^= mask[i & 3];
  return octets;
}

/** The frame with these edits of its payload, as one of its octets; none where there are none. */
export function renderFrame(
  { at, first, mask, payload }: RecordedFrame,
  edits: readonly Edit[],
): readonly Edit[] {
  if (edits.length === 0) return [];
  let text = '';
  let done = 0;
  for (const edit of edits) {
    text += payload.slice(done, edit.from) + edit.text;
    done = edit.to;
  }
  const octets = Buffer.from(text + payload.slice(done), 'latin1');
  const header = headerOf(first, octets.length, mask);
  return [{ from: 0, to: at.to - at.from, text: textOf(header) + textOf(masked(octets, mask)) }];
}

/** The shortest length that says it, as section 5.2 wants it. */
function headerOf(first: number, bytes: number, mask: Uint8Array | null): Uint8Array {
  const lengthBytes = bytes < LENGTH_16 ? 0 : bytes < 65_536 ? 2 : 8;
  const header = new Uint8Array(2 + lengthBytes + (mask === null ? 0 : 4));
  const data = new DataView(header.buffer);
  data.setUint8(0, first);
  const size = lengthBytes === 0 ? bytes : lengthBytes === 2 ? LENGTH_16 : LENGTH_64;
  data.setUint8(1, size | (mask === null ? 0 : MASKED));
  if (lengthBytes === 2) data.setUint16(2, bytes);
  if (lengthBytes === 8) data.setBigUint64(2, BigInt(bytes));
  if (mask !== null) header.set(mask, 2 + lengthBytes);
  return header;
}
