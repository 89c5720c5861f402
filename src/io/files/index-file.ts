/**
 * The file beside a capture in which its index is kept.
 *
 * What it says is believed, and root may be the one who reads it: so it is only read where nobody
 * else can have written it, and no link that somebody put in its place is followed.
 */
import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  type Stats,
  writeSync,
} from 'node:fs';
import { ReplayError } from '../../base/errors.ts';

/** As much of the beginning and of the end of a capture as is looked at to know it again. */
const EDGE_BYTES = 65_536;
const PIECE_BYTES = 1 << 28;
/** Octets of the name that a draft gets, so that nobody can know it before. */
const DRAFT_NAME_BYTES = 9;
const WRITABLE_BY_OTHERS = 0o022;
const MODE = 0o600;

/** What is appended to a capture's path for its index. */
export const INDEX_SUFFIX = '.gryphon-index';

/** Where the index of a capture lies. */
export const indexPathOf = (capture: string): string => `${capture}${INDEX_SUFFIX}`;

/** What tells a file from another one of the same name, and from itself when it has changed. */
export interface FileIdentity {
  readonly bytes: number;
  readonly modifiedMs: number;
  /** SHA-256 of its first and last octets. */
  readonly edges: string;
}

/** What tells whether a file is still the one that was indexed: size, time, a hash of both ends. */
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

/** An index as it was found, or why it is not used; neither where there is none. */
export interface FoundIndex {
  readonly file: IndexFile | null;
  readonly refusal: string | null;
}

const NO_INDEX: FoundIndex = { file: null, refusal: null };

/** An index that is being read; it stays the same file when another one takes its place. */
export class IndexFile {
  readonly bytes: number;
  readonly #fd: number;

  constructor(fd: number, bytes: number) {
    this.#fd = fd;
    this.bytes = bytes;
  }

  /** @returns false where it cannot be read that far */
  read(at: number, into: Uint8Array): boolean {
    try {
      for (let done = 0; done < into.length; ) {
        const piece = Math.min(PIECE_BYTES, into.length - done);
        const count = readSync(this.#fd, into, done, piece, at + done);
        if (count === 0) return false;
        done += count;
      }
      return true;
    } catch {
      // A medium that fails: as good as absent.
      return false;
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** Opens an index, if there is one that only this user (or root) can have written. */
export function openIndex(path: string): FoundIndex {
  let fd: number;
  try {
    // Not blocking: what lies there may be a pipe.
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    const isLink = (cause as NodeJS.ErrnoException).code === 'ELOOP';
    // No index yet, or one of somebody else that cannot be read: it is made anew.
    return isLink ? refused(path, 'a link, which is not followed') : NO_INDEX;
  }
  const stat = fstatSync(fd);
  const fault = faultOf(stat);
  if (fault === null) return { file: new IndexFile(fd, stat.size), refusal: null };
  closeSync(fd);
  return refused(path, fault);
}

function faultOf(stat: Stats): string | null {
  if (!stat.isFile()) return 'no file';
  if (stat.uid !== 0 && stat.uid !== process.geteuid?.()) return `of another user (${stat.uid})`;
  return (stat.mode & WRITABLE_BY_OTHERS) !== 0 ? 'writable by others' : null;
}

const refused = (path: string, what: string): FoundIndex => ({
  file: null,
  refusal: `the index ${path} is ${what}: it is not used`,
});

/**
 * Writes an index whole or not at all, in the place of whatever has its name.
 * @param parts each is written before the next one is asked for
 * @throws ReplayError ERR_CAPTURE_INDEX (environment)
 */
export function writeIndex(path: string, parts: Iterable<Uint8Array>): void {
  const draft = `${path}.${randomBytes(DRAFT_NAME_BYTES).toString('base64url')}`;
  try {
    // Made anew or not at all: what is there, link or file, is somebody else's.
    const fd = openSync(draft, 'wx', MODE);
    try {
      for (const part of parts) writeAll(fd, part);
    } catch (fault) {
      rmSync(draft, { force: true });
      throw fault;
    } finally {
      closeSync(fd);
    }
    moveInto(path, draft);
  } catch (cause) {
    throw new ReplayError({
      code: 'ERR_CAPTURE_INDEX',
      kind: 'environment',
      message: `the index ${path} cannot be written (${(cause as NodeJS.ErrnoException).code})`,
      hint: 'leave out --index, or copy the capture to where there is room and permission',
      cause,
    });
  }
}

function moveInto(path: string, draft: string): void {
  try {
    renameSync(draft, path);
  } catch (fault) {
    rmSync(draft, { force: true });
    throw fault;
  }
}

function writeAll(fd: number, part: Uint8Array): void {
  for (let done = 0; done < part.length; ) {
    done += writeSync(fd, part, done, Math.min(PIECE_BYTES, part.length - done));
  }
}
