/**
 * The joined capture in memory: every file mapped read-only at its base in one range of addresses,
 * so that an octet's address is the range's plus its offset in the joined capture.
 *
 * Only the kernel reads through this map. JavaScript must not: a file that somebody truncates would
 * end the process with SIGBUS, whereas `sendmmsg` answers EFAULT for the frame and goes on.
 */

import { closeSync, fstatSync, openSync } from 'node:fs';
import { assert } from '../../base/assert.ts';
import { ReplayError } from '../../base/errors.ts';
import type { JoinedFile } from '../../base/joined-file.ts';
import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_NORESERVE,
  MAP_PRIVATE,
  map,
  PAGE_BYTES,
  PROT_NONE,
  PROT_READ,
  unmap,
} from '../sys/memory.ts';

/** The joined capture in memory: files mapped one after another, which the kernel sends from. */
export class CaptureMap {
  /** Address of the joined capture's first octet; 0 without any file. */
  readonly address: number;
  /** Addresses reserved from there: a frame's extents must lie in them. */
  readonly #bytes: number;
  #isOpen = true;

  /**
   * @throws ReplayError ERR_IO_CAPTURE_CHANGED where a file is shorter than it was, or cannot be
   * opened any more; ERR_IO_MMAP
   */
  constructor(files: readonly JoinedFile[]) {
    this.#bytes = files.reduce((end, { base, bytes }) => Math.max(end, base + bytes), 0);
    this.address = this.#bytes === 0 ? 0 : reserve(this.#bytes);
    try {
      for (const file of files) mapFile(this.address, file);
    } catch (fault) {
      this.close();
      throw fault;
    }
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    if (this.#bytes > 0) unmap(this.address, this.#bytes);
  }
}

/** Addresses with nothing behind them: the gaps between files answer EFAULT as well. */
const reserve = (bytes: number): number =>
  map({
    bytes,
    protection: PROT_NONE,
    flags: MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
    what: `${bytes} bytes of addresses for the captures`,
  });

function mapFile(start: number, file: JoinedFile): void {
  const { path, base, bytes } = file;
  if (bytes === 0) return;
  assert(base % PAGE_BYTES === 0, 'files begin at a page');
  const fd = open(path);
  try {
    const present = fstatSync(fd).size;
    if (present < bytes)
      throw changed(`${path} has ${present} bytes; it had ${bytes} when it was read`);
    map({
      address: start + base,
      bytes,
      protection: PROT_READ,
      flags: MAP_PRIVATE | MAP_FIXED,
      fd,
      what: path,
    });
  } finally {
    closeSync(fd);
  }
}

function open(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (cause) {
    throw changed(`${path} cannot be opened any more`, cause);
  }
}

const changed = (message: string, cause?: unknown): ReplayError =>
  new ReplayError({
    code: 'ERR_IO_CAPTURE_CHANGED',
    kind: 'capture',
    message,
    hint: 'leave the captures alone while they are replayed',
    cause,
  });
