/**
 * The channel between a replay and an intercept: frames over one stream, in network order.
 *
 *     frame:      0 type (8) | 1 octets of the payload (24) | 4 payload
 *
 *     type         from        payload
 *     1 HELLO      both        0 magic "GRIC" (32) | 4 oldest version spoken (16) | 6 newest (16)
 *                              8 capabilities offered (32) | 12 capabilities required (32)
 *                              16 the kernel's boot id (128) | 32 software, as text
 *     2 REFUSED    intercept   0 code (16) | 2 why, as text; the intercept closes behind it
 *     3 REGISTER   replay      a JSON document: registration.ts
 *     4 REGISTERED intercept   a JSON document: registration.ts
 *     5 PING       replay      0 seconds (32) | 4 nanoseconds (32): the sender's wall clock
 *     6 PONG       intercept   0 the ping's stamp | 8 stamp when it came | 16 stamp of the answer
 *     7 RECORDS    intercept   records side by side (base/record-ring.ts)
 *     8 STATUS     intercept   0 forwarded (64) | 8 dropped here (64) | 16 dropped by the kernel (64)
 *     9 BYE        replay      nothing: it has finished
 *
 * Each end begins with HELLO, whose first 8 octets mean the same in every version, so that ends of
 * any two versions can tell each other why they do not get on. Then the replay registers, and from
 * the answer on records flow. The replay pings; whoever hears nothing for a while gives up.
 */

import { assert } from '../base/assert.ts';
import type { Timestamp } from '../base/time.ts';

/** What a frame is; types that are not known are stepped over. */
export const FrameType = {
  HELLO: 1,
  REFUSED: 2,
  REGISTER: 3,
  REGISTERED: 4,
  PING: 5,
  PONG: 6,
  RECORDS: 7,
  STATUS: 8,
  BYE: 9,
} as const;
export type FrameType = (typeof FrameType)[keyof typeof FrameType];

/** Octets before a frame's payload. */
export const FRAME_HEADER_BYTES = 4;
/** Room for a registration of 256 ranges and 256 targets; a longer frame is a fault. */
export const FRAME_PAYLOAD_BYTES_MAX = 1 << 16;
/** With its header a frame of records fills one record of TLS, unless one record alone is longer. */
export const RECORDS_BYTES_MAX = (1 << 14) - FRAME_HEADER_BYTES;

/** Versions of the protocol that are spoken: from the oldest to the newest. */
export const PROTOCOL_VERSION_OLDEST = 1;
export const PROTOCOL_VERSION = 1;

/** What an end can do; bits. */
export const Capability = {
  /** PING and PONG with stamps. */
  CLOCK: 1,
  /** STATUS. */
  STATUS: 2,
  /** REGISTER says how many octets of each packet the replay needs, and they are granted. */
  PREFIX: 4,
} as const;
export const CAPABILITIES = Capability.CLOCK | Capability.STATUS | Capability.PREFIX;
/** Without the others an end is older, and gets on. */
export const CAPABILITIES_REQUIRED = Capability.CLOCK | Capability.STATUS;

const MAGIC = 0x4752_4943;
const HELLO_BYTES_MIN = 32;
/** Octets of a kernel's boot id (/proc/sys/kernel/random/boot_id). */
export const BOOT_ID_BYTES = 16;
const SOFTWARE_BYTES_MAX = 64;
/** Octets of a stamp: seconds and nanoseconds, 32 bits each. */
export const STAMP_BYTES = 8;
/** The first octet of a TLS record: alert, handshake. */
const TLS_ALERT = 0x15;
const TLS_HANDSHAKE = 0x16;

/** Why an intercept refuses; the text says more. */
export const RefusalCode = {
  VERSION: 1,
  BAD_FRAME: 2,
  /** Another replay has registered some of these clients. */
  OVERLAP: 3,
  /** It cannot capture what was asked for. */
  CAPTURE: 4,
  FULL: 5,
  TIMEOUT: 6,
  ENDING: 7,
  /** Without a secret only the intercept's own user may register, and root. */
  USER: 8,
} as const;
export type RefusalCode = (typeof RefusalCode)[keyof typeof RefusalCode];

/** What an end says of itself first. */
export interface Hello {
  readonly oldest: number;
  readonly newest: number;
  readonly offered: number;
  readonly required: number;
  /** 16 octets: ends with the same one share a kernel, and so a clock. */
  readonly bootId: Uint8Array;
  readonly software: string;
}

/** Totals since the registration. */
export interface ChannelStatus {
  readonly forwarded: number;
  /** For this replay, because it did not take them fast enough. */
  readonly dropped: number;
  /** Of everything that the intercept captures. */
  readonly kernelDropped: number;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A frame around `payload`. */
export function emitFrame(type: FrameType, payload: Uint8Array): Uint8Array {
  assert(payload.length <= FRAME_PAYLOAD_BYTES_MAX, 'a frame is within its limit');
  const frame = new Uint8Array(FRAME_HEADER_BYTES + payload.length);
  emitFrameHeader(frame, 0, type, payload.length);
  frame.set(payload, FRAME_HEADER_BYTES);
  return frame;
}

/** A frame's header, in front of a payload that is there already. */
export function emitFrameHeader(
  into: Uint8Array,
  at: number,
  type: FrameType,
  bytes: number,
): void {
  into[at] = type;
  into[at + 1] = bytes >>> 16;
  into[at + 2] = bytes >>> 8;
  into[at + 3] = bytes;
}

/** The first frame of either end, by which the protocol's version is agreed on. */
export function emitHello(hello: Hello): Uint8Array {
  const software = encoder.encode(hello.software).subarray(0, SOFTWARE_BYTES_MAX);
  const payload = new Uint8Array(HELLO_BYTES_MIN + software.length);
  const data = new DataView(payload.buffer);
  data.setUint32(0, MAGIC);
  data.setUint16(4, hello.oldest);
  data.setUint16(6, hello.newest);
  data.setUint32(8, hello.offered);
  data.setUint32(12, hello.required);
  payload.set(hello.bootId.subarray(0, BOOT_ID_BYTES), 16);
  payload.set(software, HELLO_BYTES_MIN);
  return emitFrame(FrameType.HELLO, payload);
}

/** The hello, or null where it is none; of a later version only the first fields are known. */
export function parseHello(payload: Uint8Array): Hello | null {
  const data = viewOf(payload);
  if (payload.length < 8 || data.getUint32(0) !== MAGIC) return null;
  const isWhole = payload.length >= HELLO_BYTES_MIN;
  return {
    oldest: data.getUint16(4),
    newest: data.getUint16(6),
    offered: isWhole ? data.getUint32(8) : 0,
    required: isWhole ? data.getUint32(12) : 0,
    bootId: isWhole ? payload.slice(16, 16 + BOOT_ID_BYTES) : new Uint8Array(BOOT_ID_BYTES),
    software: printable(payload.subarray(HELLO_BYTES_MIN, HELLO_BYTES_MIN + SOFTWARE_BYTES_MAX)),
  };
}

/** Why two ends cannot talk, or null. `theirs` is named in the text. */
export function mismatchOf(own: Hello, theirs: Hello): string | null {
  if (theirs.newest < own.oldest || theirs.oldest > own.newest) {
    return (
      `it speaks version ${spanOf(theirs)} of the channel (${theirs.software || 'unknown'}), ` +
      `this end version ${spanOf(own)} (${own.software})`
    );
  }
  const missing = (own.required & ~theirs.offered) | (theirs.required & ~own.offered);
  if (missing === 0) return null;
  const bits = (missing >>> 0).toString(16);
  return `one end (${theirs.software}) lacks what the other (${own.software}) needs: 0x${bits}`;
}

const spanOf = ({ oldest, newest }: Hello): string =>
  oldest === newest ? String(newest) : `${oldest}-${newest}`;

/**
 * Why a replay is turned away: a code for programs, a text (at most 1,000 characters) for people.
 */
export function emitRefused(code: RefusalCode, text: string): Uint8Array {
  const why = encoder.encode(text.slice(0, 1_000));
  const payload = new Uint8Array(2 + why.length);
  new DataView(payload.buffer).setUint16(0, code);
  payload.set(why, 2);
  return emitFrame(FrameType.REFUSED, payload);
}

/** The code and text of a REFUSED frame's payload. */
export function parseRefused(payload: Uint8Array): {
  readonly code: number;
  readonly text: string;
} {
  if (payload.length < 2) return { code: 0, text: 'no reason given' };
  return { code: viewOf(payload).getUint16(0), text: printable(payload.subarray(2)) };
}

/** A frame whose payload is a JSON document in UTF-8. */
export const emitJson = (type: FrameType, document: unknown): Uint8Array =>
  emitFrame(type, encoder.encode(JSON.stringify(document)));

/** The document, or undefined where the payload is none. */
export function parseJson(payload: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(payload));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** A question for the other end's clock, with the time of ours. */
export function emitPing(stamp: Timestamp): Uint8Array {
  const payload = new Uint8Array(STAMP_BYTES);
  writeTimestamp(payload, 0, stamp);
  return emitFrame(FrameType.PING, payload);
}

/** @param ping the payload of the ping that is answered */
export function emitPong(ping: Uint8Array, came: Timestamp, answered: Timestamp): Uint8Array {
  const payload = new Uint8Array(3 * STAMP_BYTES);
  payload.set(ping.subarray(0, STAMP_BYTES));
  writeTimestamp(payload, STAMP_BYTES, came);
  writeTimestamp(payload, 2 * STAMP_BYTES, answered);
  return emitFrame(FrameType.PONG, payload);
}

/** The stamp at an octet of a payload that is long enough. */
export function timestampAt(payload: Uint8Array, at: number): Timestamp {
  const data = viewOf(payload);
  return { seconds: data.getUint32(at), nanoseconds: data.getUint32(at + 4) };
}

function writeTimestamp(into: Uint8Array, at: number, { seconds, nanoseconds }: Timestamp): void {
  const data = viewOf(into);
  data.setUint32(at, seconds);
  data.setUint32(at + 4, nanoseconds);
}

const STATUS_BYTES = 24;

/** A frame of the intercept's totals since it started. */
export function emitStatus(status: ChannelStatus): Uint8Array {
  const payload = new Uint8Array(STATUS_BYTES);
  const data = new DataView(payload.buffer);
  data.setBigUint64(0, BigInt(status.forwarded));
  data.setBigUint64(8, BigInt(status.dropped));
  data.setBigUint64(16, BigInt(status.kernelDropped));
  return emitFrame(FrameType.STATUS, payload);
}

/** The totals, or null where the payload is shorter. */
export function parseStatus(payload: Uint8Array): ChannelStatus | null {
  if (payload.length < STATUS_BYTES) return null;
  const data = viewOf(payload);
  return {
    forwarded: Number(data.getBigUint64(0)),
    dropped: Number(data.getBigUint64(8)),
    kernelDropped: Number(data.getBigUint64(16)),
  };
}

/** Takes the frames that a FrameReader finds. */
export interface FrameSink {
  /**
   * A whole frame; its payload is only valid during the call.
   * @param start where the payload begins in the reader's `octets`
   * @returns false to stop reading: the connection is over
   */
  onFrame(type: number, start: number, bytes: number): boolean;
}

/** Takes frames out of a stream that arrives in pieces of any length. */
export class FrameReader {
  /** Where payloads are: one piece of memory for the reader's whole life. */
  readonly octets: Uint8Array;
  readonly data: DataView;
  #length = 0;
  #firstOctet = 0;
  #isFaulty = false;

  /** @param payloadBytesMax a longer frame is a fault */
  constructor(payloadBytesMax: number = FRAME_PAYLOAD_BYTES_MAX) {
    this.octets = new Uint8Array(FRAME_HEADER_BYTES + payloadBytesMax);
    this.data = new DataView(this.octets.buffer);
  }

  /** Whether the other end seems to speak TLS, though this one does not. */
  get looksLikeTls(): boolean {
    return this.#firstOctet === TLS_ALERT || this.#firstOctet === TLS_HANDSHAKE;
  }

  /** @returns false when a frame is too long, now or earlier, or the sink did not want to go on */
  push(chunk: Uint8Array, sink: FrameSink): boolean {
    if (this.#firstOctet === 0 && chunk.length > 0) this.#firstOctet = chunk[0];
    for (let at = 0; at < chunk.length && !this.#isFaulty; ) {
      const bytes = Math.min(chunk.length - at, this.octets.length - this.#length);
      this.octets.set(chunk.subarray(at, at + bytes), this.#length);
      this.#length += bytes;
      at += bytes;
      this.#isFaulty = !this.#takeFrames(sink);
    }
    return !this.#isFaulty;
  }

  #takeFrames(sink: FrameSink): boolean {
    let at = 0;
    while (this.#length - at >= FRAME_HEADER_BYTES) {
      const header = this.data.getUint32(at);
      const bytes = header & 0xff_ffff;
      if (bytes > this.octets.length - FRAME_HEADER_BYTES) return false;
      if (this.#length - at < FRAME_HEADER_BYTES + bytes) break;
      if (!sink.onFrame(header >>> 24, at + FRAME_HEADER_BYTES, bytes)) return false;
      at += FRAME_HEADER_BYTES + bytes;
    }
    this.octets.copyWithin(0, at, this.#length);
    this.#length -= at;
    return true;
  }
}

const viewOf = (octets: Uint8Array): DataView =>
  new DataView(octets.buffer, octets.byteOffset, octets.byteLength);

/** Text of the other end, which may be anybody: without what could play tricks on a terminal. */
const printable = (octets: Uint8Array): string =>
  decoder.decode(octets).replace(/[^\x20-\x7e]/g, '?');
