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
import { dirname, join, resolve } from 'node:path';
import { ReplayError } from '../../base/errors.ts';
import { formatBytes } from '../../base/units.ts';
import { makeFolders } from './make-folders.ts';

const BUFFER_BYTES = 1 << 20;
const NAME_PATTERN = /^gryphon-\d{8}T\d{6}Z-\d{4,}\.pcapng$/;

const REASONS: ReadonlyMap<string | undefined, string> = new Map([
  ['EACCES', 'this user may not'],
  ['EPERM', 'this user may not'],
  ['ENOENT', 'there is no such folder, and none can be made'],
  ['ENOTDIR', 'what is there is no folder'],
  ['EEXIST', 'what is there is no folder'],
  ['ENOSPC', 'the disk is full'],
  ['EROFS', 'the file system is read-only'],
]);
const OF_USER =
  'name a folder that the user of --user, or whoever starts it, may write to with --out';
const HINTS: ReadonlyMap<string | undefined, string> = new Map([
  ['EACCES', OF_USER],
  ['EPERM', OF_USER],
  ['ENOSPC', 'make room, or name a folder of another disk with --out'],
]);

/** Where captures go, and how much of them. */
export interface CaptureWriterOptions {
  readonly folder: string;
  /** A file that would become longer is followed by another one. */
  readonly fileBytes: number;
  readonly fileMs: number;
  /** Octets of all captures in the folder; Infinity: no limit. */
  readonly keepBytes: number;
  /** Octets of the disk that stay free: it is full before one of them is written. */
  readonly keepFreeBytes: number;
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
  /** Octets that the disk has left, where there is no more room for a buffer; null: there is. */
  fullWithBytes: number | null = null;
  readonly #own: string[] = [];

  /** @throws ReplayError ERR_IO_CAPTURE_FOLDER, ERR_IO_KEEP_FREE (environment): nothing was written */
  constructor(options: CaptureWriterOptions) {
    this.#options = options;
    try {
      const free = freeBytesAt(options.folder);
      if (!isRoom(free, options.keepFreeBytes)) throw this.#noRoom(free);
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

  /**
   * Looks whether the disk still has room, which others may have taken. Afterwards no packet may be put
   * where it has not; what is in the buffer is still written at the end.
   */
  checkRoom(): void {
    const free = freeBytesAt(this.#options.folder);
    if (!isRoom(free, this.#options.keepFreeBytes)) this.fullWithBytes = free;
  }

  /** Ends the last file; one without a packet is removed. */
  close(): void {
    if (this.#fd === null) return;
    const isEmpty = this.#fileBytes === this.#options.head.length;
    if (!isEmpty) this.#write(this.#options.tail());
    this.#flush();
    closeSync(this.#fd);
    this.#fd = null;
    if (isEmpty) this.#removeEmpty();
  }

  #removeEmpty(): void {
    const { folder, head } = this.#options;
    unlinkSync(join(folder, this.#own.pop() ?? ''));
    this.files--;
    this.bytes -= head.length;
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
    this.checkRoom();
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

  #noRoom(free: number): ReplayError {
    const { folder, keepFreeBytes } = this.#options;
    return new ReplayError({
      code: 'ERR_IO_KEEP_FREE',
      kind: 'environment',
      message: `the disk of ${folder} has ${formatBytes(free)} free, and --keep-free leaves it ${formatBytes(keepFreeBytes)}`,
      hint: 'make room, name a folder of another disk with --out, or keep less free',
    });
  }

  #fault(cause: unknown): ReplayError {
    if (cause instanceof ReplayError) return cause;
    const { folder } = this.#options;
    const { code, message } = cause as NodeJS.ErrnoException;
    return new ReplayError({
      code: 'ERR_IO_CAPTURE_FOLDER',
      kind: 'environment',
      message: `captures cannot be written to ${folder}: ${REASONS.get(code) ?? code ?? message}`,
      hint: HINTS.get(code) ?? 'name another folder with --out',
      cause,
    });
  }
}

/** The buffer may still be written where this is so, with the file's end and what the file system needs. */
const isRoom = (freeBytes: number, keepFreeBytes: number): boolean =>
  freeBytes >= keepFreeBytes + 2 * BUFFER_BYTES;

/** Octets that a folder's disk, or the one that it would be made on, has left for this user. */
function freeBytesAt(folder: string): number {
  for (let path = resolve(folder); ; path = dirname(path)) {
    try {
      const { blocks, bavail, bsize } = statfsSync(path);
      // What has no blocks does not count them; whether it can be written to is seen soon enough.
      return blocks === 0 ? Number.POSITIVE_INFINITY : bavail * bsize;
    } catch (fault) {
      if ((fault as NodeJS.ErrnoException).code !== 'ENOENT' || path === '/') throw fault;
    }
  }
}
