/**
 * A temporary file without a name: it is there as long as this process has it open, and nothing
 * needs to remove it, however the process ends.
 *
 * Others in this process (threads too) open it by its path in /proc.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ReplayError } from '../../base/errors.ts';

/** Readable by its owner only: a capture is nobody else's business. */
const MODE = 0o600;

/** A file that ends with the process: written here, read or mapped by its path. */
export class UnnamedFile {
  /** Opens the file from anywhere in this process, while it is not closed. */
  readonly path: string;
  bytes = 0;
  #fd: number | null;

  /** @throws ReplayError ERR_CAPTURE_NO_ROOM (environment) where none can be made */
  constructor() {
    const name = join(tmpdir(), `gryphon-${randomBytes(12).toString('hex')}`);
    try {
      this.#fd = openSync(name, 'wx+', MODE);
      unlinkSync(name);
    } catch (cause) {
      throw noRoom(`no temporary file can be made in ${tmpdir()}`, cause);
    }
    this.path = `/proc/self/fd/${this.#fd}`;
  }

  /** @throws ReplayError ERR_CAPTURE_NO_ROOM (environment) */
  append(octets: Uint8Array): void {
    if (this.#fd === null) return;
    for (let done = 0; done < octets.length; ) {
      try {
        const count = writeSync(this.#fd, octets, done, octets.length - done, this.bytes);
        done += count;
        this.bytes += count;
      } catch (cause) {
        throw noRoom(`no room in ${tmpdir()} to unpack a capture (${this.bytes} bytes in)`, cause);
      }
    }
  }

  close(): void {
    if (this.#fd === null) return;
    closeSync(this.#fd);
    this.#fd = null;
  }
}

const noRoom = (message: string, cause: unknown): ReplayError =>
  new ReplayError({
    code: 'ERR_CAPTURE_NO_ROOM',
    kind: 'environment',
    message,
    hint: 'set TMPDIR to a folder with more room, or unpack the capture yourself',
    cause,
  });
