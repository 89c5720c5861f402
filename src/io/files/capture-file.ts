/**
 * Captures as files: read in large pieces, and read again anywhere in the joined capture.
 *
 * Files are read, never mapped: when somebody truncates a capture, a read comes back short and is
 * an error with a message, where a mapped page would end the process.
 */

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { ReplayError } from '../../base/errors.ts';
import type { JoinedFile } from '../../base/joined-file.ts';
import type { CaptureBytes } from '../../transport/ports.ts';

/**
 * Files begin at multiples of this in the joined capture, so that they can be mapped there: the
 * largest page that Linux has on the machines it is run on (arm64, loong64, ppc64), so that an index
 * does not depend on the machine.
 */
export const JOIN_BYTES = 65_536;

/** An open capture. */
export class CaptureFile {
  readonly path: string;
  /** Its length when it was opened; what is appended later is not read. */
  readonly bytes: number;
  #fd: number | null;

  /**
   * @param bytesMax what lies beyond is left alone: a capture may have grown since it was looked at
   * @throws ReplayError (capture) ERR_CAPTURE_NOT_FOUND, ERR_CAPTURE_IS_FOLDER,
   * ERR_CAPTURE_UNREADABLE
   */
  constructor(path: string, bytesMax = Number.POSITIVE_INFINITY) {
    this.path = path;
    try {
      this.#fd = openSync(path, 'r');
    } catch (cause) {
      throw unreadable(path, cause);
    }
    const stat = fstatSync(this.#fd);
    this.bytes = Math.min(stat.size, bytesMax);
    if (!stat.isDirectory()) return;
    this.close();
    throw unreadable(path, { code: 'EISDIR' });
  }

  /** Fills `into` from `position`, and returns how much there was; 0 at the end. */
  read(into: Uint8Array, position: number): number {
    const wanted = Math.min(into.length, this.bytes - position);
    if (wanted <= 0 || this.#fd === null) return 0;
    try {
      return readSync(this.#fd, into, 0, wanted, position);
    } catch (cause) {
      throw unreadable(this.path, cause);
    }
  }

  close(): this {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
    return this;
  }
}

/** Octets of the joined capture, from its files. Keeps them open until `close`. */
export interface OpenCaptureBytes extends CaptureBytes {
  close(): void;
}

/** @throws ReplayError as CaptureFile does, and ERR_CAPTURE_CHANGED from `read` */
export function openCaptureBytes(files: readonly JoinedFile[]): OpenCaptureBytes {
  return new JoinedFiles(files);
}

/** Files that nobody has read from for a while are closed: a run may have thousands of them. */
const OPEN_FILES_MAX = 64;

class JoinedFiles implements OpenCaptureBytes {
  readonly #files: readonly JoinedFile[];
  /** By row in `#files`, the least recently used first. */
  readonly #open = new Map<number, CaptureFile>();
  /** The file that was read last, and its row. */
  #row = -1;
  #file: CaptureFile | null = null;

  constructor(files: readonly JoinedFile[]) {
    this.#files = [...files].sort((a, b) => a.base - b.base);
  }

  read(offset: number, into: Uint8Array): void {
    const row = this.#rowOf(offset);
    const place = this.#files.at(row);
    if (place === undefined) throw outside(offset);
    if (row !== this.#row || this.#file === null) this.#select(row, place);
    let done = 0;
    while (done < into.length) {
      const rest = done === 0 ? into : into.subarray(done);
      const count = this.#file?.read(rest, offset - place.base + done) ?? 0;
      if (count === 0) throw changed(place);
      done += count;
    }
  }

  close(): void {
    for (const file of this.#open.values()) file.close();
    this.#open.clear();
    this.#file = null;
    this.#row = -1;
  }

  /** The last file that begins at or before `offset`; -1 before the first. */
  #rowOf(offset: number): number {
    let low = -1;
    let high = this.#files.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#files.at(middle)?.base ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #select(row: number, place: JoinedFile): void {
    const file = this.#open.get(row) ?? new CaptureFile(place.path);
    this.#open.delete(row);
    this.#open.set(row, file);
    if (this.#open.size > OPEN_FILES_MAX) {
      for (const [oldest, unused] of this.#open) {
        unused.close();
        this.#open.delete(oldest);
        break;
      }
    }
    this.#row = row;
    this.#file = file;
  }
}

const changed = ({ path, bytes }: JoinedFile): ReplayError =>
  new ReplayError({
    code: 'ERR_CAPTURE_CHANGED',
    kind: 'capture',
    message: `${path} is shorter than the ${bytes} bytes that it had when it was read first`,
    hint: 'leave the captures alone while they are replayed',
  });

const outside = (offset: number): ReplayError =>
  new ReplayError({
    code: 'ERR_CAPTURE_CHANGED',
    kind: 'capture',
    message: `byte ${offset} lies in none of the captures`,
    hint: 'read the captures again',
  });

/** What the kernel said about a capture, in words. */
export function unreadable(path: string, cause: unknown): ReplayError {
  const errno = (cause as NodeJS.ErrnoException).code ?? 'unknown';
  if (errno === 'ENOENT' && URL_PATTERN.test(path)) return isUrl(path, cause);
  const { code, text, hint } = READ_FAULTS.get(errno) ?? {
    code: 'ERR_CAPTURE_UNREADABLE',
    text: `cannot be read (${errno})`,
    hint: 'check the file and the disk',
  };
  return new ReplayError({ code, kind: 'capture', message: `${path} ${text}`, hint, cause });
}

const URL_PATTERN = /^[a-z][a-z0-9+.-]*:\/\//i;

const isUrl = (path: string, cause: unknown): ReplayError =>
  new ReplayError({
    code: 'ERR_CAPTURE_NOT_FOUND',
    kind: 'capture',
    message: `${path} is a URL, and captures are read from files`,
    hint: 'pipe it in: `curl -sSL URL | gryphon inspect -`',
    cause,
  });

const READ_FAULTS: ReadonlyMap<string, { code: string; text: string; hint: string }> = new Map([
  [
    'ENOENT',
    {
      code: 'ERR_CAPTURE_NOT_FOUND',
      text: 'does not exist',
      hint: 'check the spelling of the path',
    },
  ],
  [
    'ENOTDIR',
    {
      code: 'ERR_CAPTURE_NOT_FOUND',
      text: 'does not exist',
      hint: 'check the spelling of the path',
    },
  ],
  [
    'EISDIR',
    {
      code: 'ERR_CAPTURE_IS_FOLDER',
      text: 'is a folder, not a capture',
      hint: 'name the capture files in it',
    },
  ],
  [
    'EACCES',
    {
      code: 'ERR_CAPTURE_UNREADABLE',
      text: 'may not be read by this user',
      hint: 'give yourself read permission on it, or copy it',
    },
  ],
]);
