/** Where captures come from: files, folders of files, pipes, standard input. */
import {
  closeSync,
  constants,
  createReadStream,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  statSync,
} from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { addAbortSignal, type Readable } from 'node:stream';
import { isatty } from 'node:tty';
import { ReplayError } from '../../base/errors.ts';
import { unreadable } from './capture-file.ts';

/** The name that stands for standard input. */
export const STANDARD_INPUT = '-';

const PIECE_BYTES = 1 << 18;

/** What a path is. `stream`: a pipe, a device or standard input, which can be read only once. */
export type SourceKind = 'file' | 'folder' | 'stream';

/** @throws ReplayError (capture) as CaptureFile does */
export function kindOf(path: string): SourceKind {
  if (path === STANDARD_INPUT) return 'stream';
  try {
    const stat = statSync(path);
    if (stat.isDirectory()) return 'folder';
    return stat.isFile() ? 'file' : 'stream';
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

/** Whether a capture would be typed in: then somebody waits for us who does not know it. */
export const isTerminal = (path: string): boolean => path === STANDARD_INPUT && isatty(0);

/** Paths of the files in a folder, by name; not of those in folders in it. */
export function filesIn(folder: string): string[] {
  try {
    const names = readdirSync(folder).sort();
    const paths = names.map((name) => join(folder, name));
    return paths.filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile());
  } catch (cause) {
    throw unreadable(folder, cause);
  }
}

/** The first octets of a file, at most `bytes`. */
export function headOf(path: string, bytes: number): Uint8Array {
  try {
    const fd = openSync(path, 'r');
    try {
      const head = new Uint8Array(bytes);
      return head.subarray(0, readSync(fd, head, 0, bytes, 0));
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

/**
 * All octets of a file or a stream, from its start, piece by piece; a piece is the receiver's.
 * @throws the signal's reason at once when it is aborted, even while a pipe says nothing
 * @throws ReplayError ERR_CAPTURE_TERMINAL (usage) when standard input is a terminal, where nobody
 * can type a capture
 */
export async function* octetsOf(path: string, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  if (path === STANDARD_INPUT && isatty(0)) throw aTerminal();
  try {
    const stream = streamOf(path);
    if (signal !== undefined) addAbortSignal(signal, stream);
    for await (const piece of stream) yield piece as Uint8Array;
  } catch (cause) {
    signal?.throwIfAborted();
    throw unreadable(path === STANDARD_INPUT ? 'standard input' : path, cause);
  }
}

const aTerminal = (): ReplayError =>
  new ReplayError({
    code: 'ERR_CAPTURE_TERMINAL',
    kind: 'usage',
    message: 'standard input is a terminal and no capture',
    hint: 'pipe one in: xz -dc x.pcap.xz | gryphon replay -',
  });

/**
 * Pipes are waited for by poll, and read when they have something: a read that waits would hold a
 * thread of libuv's pool, for which even the end of the process waits.
 */
function streamOf(path: string): Readable {
  const isStandardInput = path === STANDARD_INPUT;
  const stat = isStandardInput ? fstatSync(0) : statSync(path);
  if (stat.isFIFO() || stat.isSocket()) {
    // Not to wait in open(2) for somebody who writes.
    const fd = isStandardInput ? 0 : openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return new Socket({ fd, readable: true, writable: false });
  }
  const options = { highWaterMark: PIECE_BYTES };
  if (isStandardInput) return createReadStream('', { ...options, fd: 0, autoClose: false });
  return createReadStream(path, options);
}
