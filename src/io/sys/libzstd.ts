/** The system's libzstd, where it is installed: it unpacks some five times as fast as JavaScript does. */

import koffi from 'koffi';
import { ADDRESS } from './libc.ts';
import { KernelMemory } from './memory.ts';

/** Names of the library: with the version that its programs are linked to, and without. */
const LIBRARIES: readonly string[] = ['libzstd.so.1', 'libzstd.so'];

/** Octets that go in and come out by one call, at most. */
const IN_BYTES = 1 << 18;
const OUT_BYTES = 1 << 20;
/** ZSTD_inBuffer and ZSTD_outBuffer, alike: pointer, size and position, eight octets each. */
const BUFFER_BYTES = 24;
const SIZE_AT = 8;
const POSITION_AT = 16;

interface Library {
  readonly create: () => number;
  readonly free: (context: number) => number;
  readonly decompress: (context: number, out: number, input: number) => number;
  readonly errorName: (code: number) => string;
}

/** Unpacks one stream of Zstandard frames, one after another, with the system's library. */
export class LibzstdDecoder {
  readonly #library: Library;
  readonly #onOctets: (octets: Uint8Array) => void;
  readonly #context: number;
  /** Input, output, and both structures. */
  readonly #memory = new KernelMemory(IN_BYTES + OUT_BYTES + 2 * BUFFER_BYTES);
  readonly #in: Uint8Array;
  readonly #out: Uint8Array;
  readonly #structures: DataView;
  /** What the last call returned: 0 at the end of a frame. */
  #wanted = 0;
  #isOpen = true;

  constructor(library: Library, onOctets: (octets: Uint8Array) => void) {
    this.#library = library;
    this.#onOctets = onOctets;
    const { address, buffer } = this.#memory;
    this.#in = new Uint8Array(buffer, 0, IN_BYTES);
    this.#out = new Uint8Array(buffer, IN_BYTES, OUT_BYTES);
    this.#structures = new DataView(buffer, IN_BYTES + OUT_BYTES, 2 * BUFFER_BYTES);
    this.#structures.setBigUint64(0, BigInt(address), true);
    this.#structures.setBigUint64(BUFFER_BYTES, BigInt(address + IN_BYTES), true);
    this.#structures.setBigUint64(BUFFER_BYTES + SIZE_AT, BigInt(OUT_BYTES), true);
    this.#context = library.create();
    if (this.#context === 0) throw new Error('libzstd has no memory');
  }

  /** @throws Error where the data is damaged; what came out before it has been handed on */
  push(octets: Uint8Array): void {
    for (let from = 0; from < octets.length; from += IN_BYTES) {
      const piece = octets.subarray(from, from + IN_BYTES);
      this.#in.set(piece);
      this.#unpack(piece.length);
    }
  }

  /** @throws Error where the stream is cut */
  end(): void {
    if (this.#wanted !== 0) throw new Error('unexpected end');
  }

  /** Gives the memory back; nothing may be pushed any more. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#library.free(this.#context);
    this.#memory.close();
  }

  #unpack(bytes: number): void {
    const { address } = this.#memory;
    const input = address + IN_BYTES + OUT_BYTES;
    const output = input + BUFFER_BYTES;
    this.#structures.setBigUint64(SIZE_AT, BigInt(bytes), true);
    this.#structures.setBigUint64(POSITION_AT, 0n, true);
    let produced = OUT_BYTES;
    // A full output may mean that there is more of it, though the input is used up.
    while (this.#taken() < bytes || produced === OUT_BYTES) {
      this.#structures.setBigUint64(BUFFER_BYTES + POSITION_AT, 0n, true);
      const before = this.#taken();
      const code = this.#library.decompress(this.#context, output, input);
      produced = Number(this.#structures.getBigUint64(BUFFER_BYTES + POSITION_AT, true));
      if (produced > 0) this.#onOctets(this.#out.subarray(0, produced));
      if (code < 0) throw new Error(this.#library.errorName(code));
      // Behind a frame's last octet a call that moves nothing asks for another frame.
      if (produced === 0 && this.#taken() === before) return;
      this.#wanted = code;
    }
  }

  #taken(): number {
    return Number(this.#structures.getBigUint64(POSITION_AT, true));
  }
}

/**
 * A decoder of the system's, to be closed; null where the library is not installed.
 * @param onOctets gets what has been unpacked, to be used before it returns
 */
export function openLibzstd(onOctets: (octets: Uint8Array) => void): LibzstdDecoder | null {
  for (const name of LIBRARIES) {
    const library = load(name);
    if (library !== null) return new LibzstdDecoder(library, onOctets);
  }
  return null;
}

function load(name: string): Library | null {
  try {
    return functionsOf(koffi.load(name));
  } catch {
    return null;
  }
}

function functionsOf(library: ReturnType<typeof koffi.load>): Library {
  return {
    create: library.func('ZSTD_createDStream', 'intptr_t', []),
    free: library.func('ZSTD_freeDStream', 'size_t', [ADDRESS]),
    // A size_t; those of errors are its last values, so below zero where it is read with a sign.
    decompress: library.func('ZSTD_decompressStream', 'int64_t', [ADDRESS, ADDRESS, ADDRESS]),
    errorName: library.func('ZSTD_getErrorName', 'str', ['int64_t']),
  };
}
