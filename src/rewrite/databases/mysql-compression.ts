/**
 * MySQL's and MariaDB's compressed packets ("MySQL Internals", client/server protocol): a length (24 bits), a
 * number (8), the length of what it holds before it was compressed (24), 0 where it is not, and that: packets of
 * the protocol, which begin and end anywhere, by zlib or Zstandard: each tells by its first octets. Numbers are
 * little-endian.
 */
import { inflateSync } from 'node:zlib';
import type { StoredStream } from '../../protocol/message-ends.ts';
import type { RecordedSession } from '../module.ts';
import { Capability } from './mysql-packets.ts';
import type { unzstd } from './zstd-content.ts';

/** Brought by who logs in to MySQL: what finds exchanges is loaded by every run, and need not load it. */
let zstd: typeof unzstd = () => undefined;

/** From now on packets are unpacked that are compressed by Zstandard. */
export const bringZstd = (unpack: typeof unzstd): void => {
  zstd = unpack;
};

const HEAD_BYTES = 7;
/** A client's log-in says with these octets that it compresses; which bits are that. */
const WISHES = [
  { at: 4, bits: Capability.COMPRESS },
  { at: 7, bits: Capability.ZSTD >>> 24 },
];

/**
 * What compressed packets hold, which lie in these octets from the first one to the last.
 * @param bytesMax no more than about so many octets from its beginning are of interest
 * @returns null where they are none
 */
export function inflated(
  octets: Uint8Array,
  bytesMax: number = Number.POSITIVE_INFINITY,
): Uint8Array | null {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for (let at = 0; at < octets.length && bytes < bytesMax; ) {
    const head = octets.subarray(at, at + HEAD_BYTES);
    const from = at + HEAD_BYTES;
    at = from + packedBytes(head);
    if (head.length < HEAD_BYTES || at > octets.length) return null;
    const part = contentOf(octets.subarray(from, at), bytesBefore(head));
    if (part === null) return null;
    parts.push(part);
    bytes += part.length;
  }
  return parts.length === 1 ? parts[0] : Buffer.concat(parts);
}

/** Messages of a session whose packets do not begin and end with them, and what the packets that end in them hold. */
export type PartedMessages = ReadonlyMap<number, Uint8Array>;

/** Of what is kept of a session. */
const PARTED_BYTES_MAX = 1 << 28;
/** Of a stage: the beginning tells what is asked for. */
const STAGE_BYTES = 1 << 10;

/**
 * A session without its compressed packets, of stages their beginnings.
 * @param from message from which on, and from behind the stage before it, it is compressed
 * @returns null where what the client said is not in such packets
 */
export function inflatedSession(
  session: RecordedSession,
  from: number,
): { readonly session: RecordedSession; readonly parted: PartedMessages } | null {
  const parted = new Map<number, Uint8Array>();
  let begun = new Uint8Array(0);
  let bytes = 0;
  for (let i = from; i < session.messages; i++) {
    const octets = Buffer.concat([begun, session.message(i)]);
    const whole = wholeBytes(octets);
    const content = inflated(octets.subarray(0, whole));
    if (content === null) return null;
    if (begun.length > 0 || whole < octets.length) {
      parted.set(i, content);
      bytes += content.length;
      if (bytes > PARTED_BYTES_MAX) return null;
    }
    begun = octets.subarray(whole);
  }
  if (begun.length > 0) return null;
  const played = {
    ...session,
    message: (i: number) =>
      i < from ? session.message(i) : inflatedMessage(parted, i, session.message(i)),
    stage: (i: number) => {
      const octets = session.stage(i);
      if (octets === undefined || i <= from) return octets;
      return inflated(octets, STAGE_BYTES) ?? undefined;
    },
  };
  return { session: played, parted };
}

/**
 * What is said in a message's place. @param octets those of the message
 * @throws Error where that are not the packets that they were
 */
export function inflatedMessage(
  parted: PartedMessages,
  message: number,
  octets: Uint8Array,
): Uint8Array {
  const content = parted.get(message) ?? inflated(octets);
  if (content === null) throw new Error('the recorded compressed packets cannot be read');
  return content;
}

/** Octets of the whole packets at a beginning. */
function wholeBytes(octets: Uint8Array): number {
  for (let at = 0; ; ) {
    if (at + HEAD_BYTES > octets.length) return at;
    const end = at + HEAD_BYTES + packedBytes(octets.subarray(at));
    if (end > octets.length) return at;
    at = end;
  }
}

const packedBytes = (head: Uint8Array): number => head[0] | (head[1] << 8) | (head[2] << 16);
const bytesBefore = (head: Uint8Array): number => head[4] | (head[5] << 8) | (head[6] << 16);

/** @returns null where it is not what it says */
function contentOf(packed: Uint8Array, bytes: number): Uint8Array | null {
  if (bytes === 0) return packed;
  const content = zstd(packed, bytes);
  if (content !== undefined) return content;
  try {
    const content = inflateSync(packed, { maxOutputLength: bytes });
    return content.length === bytes ? content : null;
  } catch {
    return null;
  }
}

/**
 * A recorded stream with what its compressed packets hold in their place: as it would have been without compression,
 * the client's wish for it included. From a packet on that is none, or was not captured, nothing is known of it.
 */
export class InflatedStream implements StoredStream {
  readonly bytes: number;
  readonly #packed: StoredStream;
  readonly #from: number;
  readonly #isClients: boolean;
  /** A row a compressed packet: where it begins in either stream; one more for their end. */
  readonly #packedAt: number[] = [];
  readonly #at: number[] = [];
  /** The last packet that was looked at, and what it holds. */
  #row = -1;
  #content: Uint8Array | null = null;

  /** @param from where the first compressed packet begins */
  constructor(packed: StoredStream, from: number, isClients: boolean) {
    this.#packed = packed;
    this.#from = from;
    this.#isClients = isClients;
    const head = new Uint8Array(HEAD_BYTES);
    let packedAt = from;
    let at = from;
    while (readKnown(packed, packedAt, head)) {
      const end = packedAt + HEAD_BYTES + packedBytes(head);
      if (end > packed.bytes) break;
      this.#packedAt.push(packedAt);
      this.#at.push(at);
      at += bytesBefore(head) || packedBytes(head);
      packedAt = end;
    }
    this.#packedAt.push(packedAt);
    this.#at.push(at);
    this.bytes = at + Math.max(0, packed.bytes - packedAt);
  }

  /** Where in this stream lies what begins at an offset of the recorded one; within a packet its beginning. */
  offsetOf(packedOffset: number): number {
    if (packedOffset <= this.#from) return packedOffset;
    const row = rowAt(this.#packedAt, packedOffset);
    const isBehind = row === this.#packedAt.length - 1;
    return this.#at[row] + (isBehind ? packedOffset - this.#packedAt[row] : 0);
  }

  knownFrom(at: number, most: number): number {
    if (at < this.#from) {
      const bytes = Math.min(most, this.#from - at);
      return this.#packed.knownFrom?.(at, bytes) ?? bytes;
    }
    const row = rowAt(this.#at, at);
    if (row === this.#at.length - 1 || this.#contentOf(row) === null) return 0;
    return Math.min(most, this.#at[row + 1] - at);
  }

  read(start: number, into: Uint8Array): void {
    for (let done = 0; done < into.length; ) {
      const at = start + done;
      const bytes = this.knownFrom(at, into.length - done);
      if (bytes === 0) return;
      const part = into.subarray(done, done + bytes);
      if (at < this.#from) this.#readFirst(at, part);
      else {
        const from = at - this.#at[this.#row];
        part.set(this.#content?.subarray(from, from + bytes) ?? part);
      }
      done += bytes;
    }
  }

  /** Of what lies before the first compressed packet. */
  #readFirst(at: number, into: Uint8Array): void {
    this.#packed.read(at, into);
    if (!this.#isClients) return;
    for (const wish of WISHES) {
      const i = wish.at - at;
      if (i >= 0 && i < into.length) into[i] &= ~wish.bits;
    }
  }

  #contentOf(row: number): Uint8Array | null {
    if (row === this.#row) return this.#content;
    const octets = new Uint8Array(this.#packedAt[row + 1] - this.#packedAt[row]);
    const isKnown = readKnown(this.#packed, this.#packedAt[row], octets);
    this.#content = isKnown ? inflated(octets) : null;
    this.#row = row;
    return this.#content;
  }
}

/** @returns whether all of the octets are there, and known */
function readKnown(stream: StoredStream, at: number, into: Uint8Array): boolean {
  if (at + into.length > stream.bytes) return false;
  const known = stream.knownFrom?.(at, into.length) ?? into.length;
  if (known < into.length) return false;
  stream.read(at, into);
  return true;
}

/** The last row that does not lie behind the offset, of rows that ascend and begin before it. */
function rowAt(starts: readonly number[], offset: number): number {
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (starts[middle] <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}
