/**
 * Makes a file out of what is none: unpacks .gz and .zst, and keeps what comes through a pipe, so
 * that every octet has a place from which it can be sent.
 */
import type { Transform } from 'node:stream';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import * as zlib from 'node:zlib';
import { ReplayError } from '../../base/errors.ts';
import { CaptureError } from '../../capture/capture-error.ts';
import { FOREIGN_HEAD_BYTES } from '../../capture/foreign-format.ts';
import { type FileFormat, formatOf, MAGIC_BYTES, notACapture } from '../../capture/format.ts';
import type { Damage } from '../../capture/packet-reader.ts';
import type { ZstdDecoder } from '../../capture/zstd-frames.ts';
import { isTerminal, octetsOf } from '../../io/files/capture-source.ts';
import { UnnamedFile } from '../../io/files/unnamed-file.ts';

/** A few kilobytes can unpack to any size; more than this is no capture that anybody meant. */
const UNPACKED_BYTES_MAX = 256 * 2 ** 30;

/** After this long without an octet the user is told what is being waited for. */
const SILENCE_MS = 1000;

/** How a capture file was packed. */
export type Compression = 'gzip' | 'zstd';

/** A capture that was not a plain file, as one that can be mapped. */
export interface Unpacked {
  readonly file: UnnamedFile;
  /** Null for what was not compressed, but came through a pipe. */
  readonly compression: Compression | null;
  /** Octets as they came. */
  readonly packedBytes: number;
  /** Where unpacking went wrong, in octets of the unpacked file. */
  readonly damage: Damage | null;
}

/** What ends the unpacking, and what is told meanwhile. */
export interface UnpackOptions {
  readonly signal?: AbortSignal;
  /** Called once where nothing comes for a while, or would have to be typed. */
  readonly onSilence?: () => void;
  /** Called with each piece that was read, before the next one is. */
  readonly onRead?: (bytes: number) => Promise<void>;
}

/**
 * Reads all of a file or stream (`-`: standard input) into a file without a name, unpacked.
 * @throws ReplayError (capture) ERR_CAPTURE_FORMAT, ERR_CAPTURE_EMPTY, ERR_CAPTURE_UNPACK,
 * ERR_CAPTURE_UNREADABLE; (environment) ERR_CAPTURE_NO_ROOM
 */
export async function unpackCapture(path: string, options: UnpackOptions): Promise<Unpacked> {
  const input = new Input(octetsOf(path, options.signal), options);
  const silence = setTimeout(() => options.onSilence?.(), isTerminal(path) ? 0 : SILENCE_MS);
  const head = await input.head(MAGIC_BYTES).finally(() => clearTimeout(silence));
  const format = formatOf(head);
  const file = new UnnamedFile();
  const sink = new Sink(file);
  try {
    const reason = await unpack(format, input.pieces(), sink);
    sink.end(reason);
    const damage = reason === null ? null : { offset: file.bytes, reason };
    const compression = format === 'gzip' || format === 'zstd' ? format : null;
    return { file, compression, packedBytes: input.bytes, damage };
  } catch (fault) {
    file.close();
    throw fault;
  }
}

/** @returns why it ended early, or null */
async function unpack(
  format: FileFormat | null,
  pieces: AsyncIterable<Uint8Array>,
  sink: Sink,
): Promise<string | null> {
  if (format === 'gzip') return await through(zlib.createGunzip(), pieces, sink, 'gzip');
  // Not by node:zlib, where that has it: it ends at the first frame of several without a word.
  if (format === 'zstd') return await unzstd(pieces, sink);
  for await (const piece of pieces) sink.write(piece);
  return null;
}

async function through(
  transform: Transform,
  pieces: AsyncIterable<Uint8Array>,
  sink: Sink,
  name: Compression,
): Promise<string | null> {
  const into = new Writable({
    // Written at once, so that what was unpacked before a fault is kept.
    write(piece: Uint8Array, _encoding, done) {
      try {
        sink.write(piece);
        done();
      } catch (fault) {
        done(fault as Error);
      }
    },
  });
  try {
    await pipeline(Readable.from(pieces), transform, into);
    return null;
  } catch (fault) {
    return faultOfData(fault, name);
  }
}

async function unzstd(pieces: AsyncIterable<Uint8Array>, sink: Sink): Promise<string | null> {
  const { openFzstd, ZstdUnpacker } = await import('../../capture/zstd-frames.ts');
  const write = (piece: Uint8Array) => sink.write(piece);
  const unpacker = new ZstdUnpacker((await systemsZstd(write)) ?? openFzstd(write));
  try {
    for await (const piece of pieces) unpacker.push(piece);
    unpacker.end();
    return null;
  } catch (fault) {
    return faultOfData(fault, 'zstd');
  } finally {
    unpacker.close();
  }
}

/** Null where there is no libzstd, or nothing can be called: an unknown machine, koffi without a binary for it. */
async function systemsZstd(write: (piece: Uint8Array) => void): Promise<ZstdDecoder | null> {
  const library = await import('../../io/sys/libzstd.ts').catch(() => null);
  return library?.openLibzstd(write) ?? null;
}

/** What is wrong with packed data is damage; all else goes on up. */
function faultOfData(fault: unknown, name: Compression): string {
  const isAbort = (fault as Error).name === 'AbortError';
  if (fault instanceof ReplayError || isAbort || !(fault instanceof Error)) throw fault;
  return `its ${name} data is cut or damaged (${fault.message})`;
}

/** Pieces of a source, with those in front kept until they are asked for again. */
class Input {
  bytes = 0;
  readonly #source: AsyncGenerator<Uint8Array>;
  readonly #options: UnpackOptions;
  readonly #ahead: Uint8Array[] = [];

  constructor(source: AsyncGenerator<Uint8Array>, options: UnpackOptions) {
    this.#source = source;
    this.#options = options;
  }

  /** The first `wanted` octets, or all there are. */
  async head(wanted: number): Promise<Uint8Array> {
    while (this.bytes < wanted) {
      const { value, done } = await this.#source.next();
      if (done === true || value === undefined) break;
      this.bytes += value.length;
      this.#ahead.push(value);
    }
    return Buffer.concat(this.#ahead).subarray(0, wanted);
  }

  async *pieces(): AsyncGenerator<Uint8Array> {
    for (const piece of this.#ahead) yield piece;
    for await (const piece of this.#source) {
      this.bytes += piece.length;
      await this.#options.onRead?.(piece.length);
      yield piece;
    }
  }
}

/** Takes unpacked octets, and looks at the first of them before there is more. */
class Sink {
  readonly #file: UnnamedFile;
  #head = new Uint8Array(0);

  constructor(file: UnnamedFile) {
    this.#file = file;
  }

  write(piece: Uint8Array): void {
    if (this.#head.length < MAGIC_BYTES) this.#takeHead(piece);
    if (this.#file.bytes + piece.length > UNPACKED_BYTES_MAX) throw tooLarge();
    this.#file.append(piece);
  }

  /** @param reason why there is no more, where something went wrong */
  end(reason: string | null): void {
    if (this.#head.length === MAGIC_BYTES) return;
    throw reason === null ? notACapture(this.#head) : unreadableData(reason);
  }

  #takeHead(piece: Uint8Array): void {
    const missing = MAGIC_BYTES - this.#head.length;
    this.#head = new Uint8Array(Buffer.concat([this.#head, piece.subarray(0, missing)]));
    if (this.#head.length < MAGIC_BYTES) return;
    const format = formatOf(this.#head);
    if (format === 'pcap' || format === 'pcapng') return;
    throw notACapture(Buffer.concat([this.#head, piece.subarray(missing, FOREIGN_HEAD_BYTES)]));
  }
}

const unreadableData = (reason: string): CaptureError =>
  new CaptureError({
    code: 'ERR_CAPTURE_UNPACK',
    message: reason,
    hint: 'copy it again from where it came',
    offset: 0,
  });

const tooLarge = (): CaptureError =>
  new CaptureError({
    code: 'ERR_CAPTURE_UNPACK',
    message: `it unpacks to more than ${UNPACKED_BYTES_MAX / 2 ** 30} GiB`,
    hint: 'unpack it yourself, if it really is a capture',
    offset: UNPACKED_BYTES_MAX,
  });
