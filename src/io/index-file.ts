/** The file beside a capture in which its index is kept. */
import { createHash } from 'node:crypto';
import {
  closeSync,
  fstatSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { ReplayError } from '../base/errors.ts';

/** As much of the beginning and of the end of a capture as is looked at to know it again. */
const EDGE_BYTES = 65_536;
const PIECE_BYTES = 1 << 28;

export const indexPathOf = (capture: string): string => `${capture}.gryphon-index`;

/** What tells a file from another one of the same name. */
export interface FileIdentity {
  readonly bytes: number;
  readonly modifiedMs: number;
  /** SHA-256 of its first and last octets. */
  readonly edges: string;
}

export function identityOf(path: string): FileIdentity {
  const fd = openSync(path, 'r');
  try {
    const { size, mtimeMs } = fstatSync(fd);
    const hash = createHash('sha256');
    const edge = new Uint8Array(EDGE_BYTES);
    for (const at of [0, Math.max(0, size - EDGE_BYTES)]) {
      hash.update(edge.subarray(0, readSync(fd, edge, 0, EDGE_BYTES, at)));
    }
    return { bytes: size, modifiedMs: mtimeMs, edges: hash.digest('hex') };
  } finally {
    closeSync(fd);
  }
}

/** All of a file, or null where there is none that can be read. */
export function readWhole(path: string): ArrayBuffer | null {
  try {
    const bytes = statSync(path).size;
    const memory = new Uint8Array(bytes);
    const fd = openSync(path, 'r');
    try {
      let done = 0;
      while (done < bytes) {
        const count = readSync(fd, memory, done, Math.min(PIECE_BYTES, bytes - done), done);
        if (count === 0) return null;
        done += count;
      }
      return memory.buffer;
    } finally {
      closeSync(fd);
    }
  } catch {
    // No index yet, or one of somebody else: it is made anew.
    return null;
  }
}

/**
 * Writes a file whole or not at all.
 * @throws ReplayError ERR_CAPTURE_INDEX (environment)
 */
export function writeWhole(path: string, parts: readonly Uint8Array[]): void {
  const draft = `${path}.${process.pid}`;
  try {
    const fd = openSync(draft, 'w', 0o600);
    try {
      for (const part of parts) writeAll(fd, part);
    } finally {
      closeSync(fd);
    }
    renameSync(draft, path);
  } catch (cause) {
    rmSync(draft, { force: true });
    throw new ReplayError({
      code: 'ERR_CAPTURE_INDEX',
      kind: 'environment',
      message: `the index ${path} cannot be written (${(cause as NodeJS.ErrnoException).code})`,
      hint: 'leave out --index, or copy the capture to where there is room and permission',
      cause,
    });
  }
}

function writeAll(fd: number, part: Uint8Array): void {
  for (let done = 0; done < part.length; ) {
    done += writeSync(fd, part, done, Math.min(PIECE_BYTES, part.length - done));
  }
}
