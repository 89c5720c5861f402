/**
 * Captures of a recording in a folder: a new file when one is large or old enough, old ones removed so
 * that all together stay below a limit. Written synchronously from a buffer of fixed size: while the disk
 * is slow, packets wait in the kernel's ring, which counts what it has no room for.
 */
import {
  closeSync,
  openSync,
  readdirSync,
  statfsSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { ReplayError } from '../../base/errors.ts';
import { makeFolders } from './make-folders.ts';

const BUFFER_BYTES = 1 << 20;
const NAME_PATTERN = /^gryphon-\d{8}T\d{6}Z-\d{4,}\.pcapng$/;

/** Where captures go, and how much of them. */
export interface CaptureWriterOptions {
  readonly folder: string;
  /** A file that would become longer is followed by another one. */
  readonly fileBytes: number;
  readonly fileMs: number;
  /** Octets of all captures in the folder; Infinity: no limit. */
  readonly keepBytes: number;
  /** What a file begins with. */
  readonly head: Uint8Array;
  /** What it ends with. */
  tail(): Uint8Array;
  nowMs(): number;
}

/** Writes one file after the other. */
export class CaptureWriter {
  readonly #options: CaptureWriterOptions;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  readonly view = new DataView(this.#buffer.buffer);
  #used = 0;
  #fd: number | null = null;
  #fileBytes = 0;
  #fileStartMs = 0;
  /** Files begun. */
  files = 0;
  /** Octets written, in all files. */
  bytes = 0;
  readonly #own: string[] = [];

  /** @throws ReplayError ERR_IO_CAPTURE_FOLDER (environment) */
  constructor(options: CaptureWriterOptions) {
    this.#options = options;
    try {
      makeFolders(options.folder, 0o750);
    } catch (cause) {
      throw this.#fault(cause);
    }
    this.#begin();
  }

  /**
   * Room for so many octets in one piece, at most 1 MiB less 64 octets.
   * @returns where it begins in `view`; the octets have to be written before the next call
   */
  room(bytes: number): number {
    const { fileBytes, fileMs, nowMs, head } = this.#options;
    const isOver = this.#fileBytes + bytes > fileBytes || nowMs() - this.#fileStartMs >= fileMs;
    if (isOver && this.#fileBytes > head.length) this.#next();
    // A file is as old as its first packet.
    if (this.#fileBytes === head.length) this.#fileStartMs = nowMs();
    if (this.#used + bytes > BUFFER_BYTES) this.#flush();
    const at = this.#used;
    this.#used += bytes;
    this.#fileBytes += bytes;
    return at;
  }

  /** Copies octets into the room. */
  put(octets: Uint8Array, at: number): void {
    this.#buffer.set(octets, at);
  }

  /** Octets that the folder's disk has left for this user. */
  freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.#options.folder);
    return bavail * bsize;
  }

  /** Ends the last file. */
  close(): void {
    if (this.#fd === null) return;
    this.#write(this.#options.tail());
    this.#flush();
    closeSync(this.#fd);
    this.#fd = null;
  }

  #next(): void {
    this.close();
    this.#begin();
    this.#removeOld();
  }

  #begin(): void {
    const { folder, head, nowMs } = this.#options;
    const time = new Date(nowMs()).toISOString().replace(/[-:]|\.\d+/g, '');
    const name = `gryphon-${time}-${String(++this.files).padStart(4, '0')}.pcapng`;
    try {
      // Requests may hold secrets.
      this.#fd = openSync(join(folder, name), 'wx', 0o600);
    } catch (cause) {
      throw this.#fault(cause);
    }
    this.#own.push(name);
    this.#fileBytes = 0;
    this.#write(head);
  }

  #write(octets: Uint8Array): void {
    if (this.#used + octets.length > BUFFER_BYTES) this.#flush();
    this.#buffer.set(octets, this.#used);
    this.#used += octets.length;
    this.#fileBytes += octets.length;
  }

  #flush(): void {
    if (this.#fd === null) return;
    try {
      for (let at = 0; at < this.#used; ) {
        at += writeSync(this.#fd, this.#buffer, at, this.#used - at);
      }
    } catch (cause) {
      throw this.#fault(cause);
    }
    this.bytes += this.#used;
    this.#used = 0;
  }

  /** The oldest captures of the folder go first, those of earlier recordings too; never the open one. */
  #removeOld(): void {
    const { folder, fileBytes, keepBytes } = this.#options;
    if (keepBytes === Number.POSITIVE_INFINITY) return;
    const open = this.#own.at(-1);
    const all = readdirSync(folder)
      .filter((name) => NAME_PATTERN.test(name) && name !== open)
      .sort();
    const sizes = all.map((name) => statSync(join(folder, name)).size);
    // Room for the one that is being written.
    const next = Number.isFinite(fileBytes) ? fileBytes : 0;
    let sum = sizes.reduce((total, size) => total + size, next);
    for (const [i, name] of all.entries()) {
      if (sum <= keepBytes) return;
      unlinkSync(join(folder, name));
      sum -= sizes[i];
    }
  }

  #fault(cause: unknown): ReplayError {
    const { folder } = this.#options;
    const { code, message } = cause as NodeJS.ErrnoException;
    return new ReplayError({
      code: 'ERR_IO_CAPTURE_FOLDER',
      kind: 'environment',
      message: `captures cannot be written to ${folder}: ${code ?? message}`,
      hint: 'make room, or name a folder that the user of --user may write to with --out',
      cause,
    });
  }
}
