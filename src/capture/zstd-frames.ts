/**
 * Walks the frames of a Zstandard stream (RFC 8878, section 3.1.1) without unpacking them, to know
 * how much memory unpacking will take before it is taken.
 *
 *   frame: magic | descriptor (1) | window (0-1) | dictionary (0-4) | content size (0-8) | blocks
 *          | checksum (0 or 4)
 *   block: last (1 bit), type (2 bits), size (21 bits) | content
 */

import { Decompress } from 'fzstd';
import { CaptureError } from './capture-error.ts';

/** What zstd itself unpacks without being told to take more memory (--long=27). */
const ZSTD_WINDOW_BYTES_MAX = 128 << 20;

const MAGIC = 0xfd2f_b528;
const SKIPPABLE_MAGIC = 0x184d_2a50;
const SKIPPABLE_MASK = 0xffff_fff0;
const HEAD_BYTES_MAX = 14;
const BLOCK_HEAD_BYTES = 3;
const BLOCK_RLE = 1;

const Expect = {
  MAGIC: 0,
  SKIPPABLE_SIZE: 1,
  DESCRIPTOR: 2,
  HEAD: 3,
  BLOCK: 4,
  NOTHING: 5,
} as const;
type Expect = (typeof Expect)[keyof typeof Expect];

/** Follows a zstd stream that is fed in pieces, and knows which window its frames want. */
export class ZstdFrames {
  /** The largest window that a frame wanted so far. */
  windowBytes = 0;
  #expect: Expect = Expect.MAGIC;
  /** Octets of the header field at hand: so many are needed, so many are there. */
  readonly #field = new Uint8Array(HEAD_BYTES_MAX);
  readonly #data = new DataView(this.#field.buffer);
  #needed = 4;
  #filled = 0;
  /** Octets of content to be stepped over. */
  #skip = 0;
  #descriptor = 0;

  /** Takes the stream's next octets; what is not Zstandard is not looked at any further. */
  scan(octets: Uint8Array): void {
    let at = 0;
    while (at < octets.length && this.#expect !== Expect.NOTHING) {
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, octets.length - at);
        this.#skip -= step;
        at += step;
        continue;
      }
      this.#field[this.#filled++] = octets[at++];
      if (this.#filled === this.#needed) this.#take();
    }
  }

  #take(): void {
    const { MAGIC: magic, SKIPPABLE_SIZE, DESCRIPTOR, HEAD } = Expect;
    if (this.#expect === magic) this.#takeMagic(this.#data.getUint32(0, true));
    else if (this.#expect === SKIPPABLE_SIZE) this.#takeSkippable(this.#data.getUint32(0, true));
    else if (this.#expect === DESCRIPTOR) this.#takeDescriptor(this.#field[0]);
    else if (this.#expect === HEAD) this.#takeHead();
    else this.#takeBlock();
  }

  #await(expect: Expect, needed: number): void {
    this.#expect = expect;
    this.#needed = needed;
    this.#filled = 0;
  }

  #takeMagic(magic: number): void {
    if (magic === MAGIC) this.#await(Expect.DESCRIPTOR, 1);
    else if ((magic & SKIPPABLE_MASK) >>> 0 === SKIPPABLE_MAGIC)
      this.#await(Expect.SKIPPABLE_SIZE, 4);
    else this.#await(Expect.NOTHING, 0);
  }

  #takeSkippable(bytes: number): void {
    this.#skip = bytes;
    this.#await(Expect.MAGIC, 4);
  }

  #takeDescriptor(descriptor: number): void {
    this.#descriptor = descriptor;
    const bytes = this.#windowFieldBytes + this.#dictionaryBytes + this.#sizeBytes;
    this.#await(Expect.HEAD, bytes);
  }

  #takeHead(): void {
    if (this.#windowFieldBytes === 1) {
      const exponent = this.#field[0] >>> 3;
      const base = 2 ** (10 + exponent);
      this.#want(base + (base / 8) * (this.#field[0] & 7));
    } else {
      this.#want(this.#contentBytes());
    }
    this.#await(Expect.BLOCK, BLOCK_HEAD_BYTES);
  }

  #takeBlock(): void {
    const head = this.#field[0] | (this.#field[1] << 8) | (this.#field[2] << 16);
    const isLast = (head & 1) === 1;
    const isRle = ((head >>> 1) & 3) === BLOCK_RLE;
    this.#skip = isRle ? 1 : head >>> 3;
    if (!isLast) {
      this.#await(Expect.BLOCK, BLOCK_HEAD_BYTES);
      return;
    }
    if ((this.#descriptor & 0x04) !== 0) this.#skip += 4;
    this.#await(Expect.MAGIC, 4);
  }

  #want(bytes: number): void {
    this.windowBytes = Math.max(this.windowBytes, bytes);
  }

  /** A single segment's window is its content, whose size is stated. */
  #contentBytes(): number {
    const at = this.#dictionaryBytes;
    switch (this.#sizeBytes) {
      case 1:
        return this.#field[at];
      case 2:
        return this.#data.getUint16(at, true) + 256;
      case 4:
        return this.#data.getUint32(at, true);
      default:
        return Number(this.#data.getBigUint64(at, true));
    }
  }

  get #isSingleSegment(): boolean {
    return (this.#descriptor & 0x20) !== 0;
  }

  get #windowFieldBytes(): number {
    return this.#isSingleSegment ? 0 : 1;
  }

  get #dictionaryBytes(): number {
    const code = this.#descriptor & 3;
    return code === 3 ? 4 : code;
  }

  get #sizeBytes(): number {
    const code = this.#descriptor >>> 6;
    if (code === 0) return this.#isSingleSegment ? 1 : 0;
    return 1 << code;
  }
}

/** What unpacks a stream of frames that is pushed in piece by piece. */
export interface ZstdDecoder {
  /** @throws Error where the data is damaged */
  push(octets: Uint8Array): void;
  /** @throws Error where the stream is cut */
  end(): void;
  close(): void;
}

/**
 * The decoder that is always there.
 * @param onOctets gets what has been unpacked, to be used before it returns
 */
export function openFzstd(onOctets: (octets: Uint8Array) => void): ZstdDecoder {
  const unpacker = new Decompress(onOctets);
  return {
    push: (octets) => unpacker.push(octets),
    end: () => unpacker.push(new Uint8Array(0), true),
    close: () => undefined,
  };
}

/** Unpacks a Zstandard stream, and refuses it before it takes too much memory. */
export class ZstdUnpacker {
  readonly #frames = new ZstdFrames();
  readonly #decoder: ZstdDecoder;

  constructor(decoder: ZstdDecoder) {
    this.#decoder = decoder;
  }

  /** @throws CaptureError ERR_CAPTURE_UNPACK; Error where the data is damaged */
  push(octets: Uint8Array): void {
    this.#frames.scan(octets);
    const { windowBytes } = this.#frames;
    if (windowBytes > ZSTD_WINDOW_BYTES_MAX) {
      throw new CaptureError({
        code: 'ERR_CAPTURE_UNPACK',
        message: `unpacking it takes ${Math.ceil(windowBytes / 2 ** 20)} MiB of memory`,
        hint: 'unpack it yourself with `zstd -d --long=31`',
        offset: 0,
      });
    }
    this.#decoder.push(octets);
  }

  /** @throws Error where the stream is cut */
  end(): void {
    this.#decoder.end();
  }

  close(): void {
    this.#decoder.close();
  }
}
