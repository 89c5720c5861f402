/**
 * From what the user names to files that can be read anywhere: folders are listed, compressed files
 * and pipes unpacked, and each gets its place in the joined capture.
 */

import { basename } from 'node:path';
import { ReplayError } from '../../base/errors.ts';
import type { JoinedFile } from '../../base/joined-file.ts';
import { CaptureError } from '../../capture/capture-error.ts';
import { formatOf, MAGIC_BYTES } from '../../capture/format.ts';
import type { Damage } from '../../capture/packet-reader.ts';
import { CaptureFile, JOIN_BYTES } from '../../io/files/capture-file.ts';
import { filesIn, headOf, kindOf, STANDARD_INPUT } from '../../io/files/capture-source.ts';
import { INDEX_SUFFIX } from '../../io/files/index-file.ts';
import { type Compression, unpackCapture } from './unpack-capture.ts';

/** Names of files that a note lists. */
const NAMED_MAX = 3;

/** A file that packets are read from. */
export interface Source extends JoinedFile {
  /** As the user named it. */
  readonly name: string;
  /** Of the file that the user named, packed or not. */
  readonly namedBytes: number;
  readonly compression: Compression | null;
  /** What went wrong while it was unpacked. */
  readonly damage: Damage | null;
  /** How much of its share of the work is done when it has been unpacked: 0 or a half. */
  readonly unpackedShare: number;
}

/** How captures are looked for and opened. */
export interface CaptureSourceOptions {
  readonly signal?: AbortSignal;
  /** Whether what is no capture is an error among others, too. */
  readonly strict?: boolean;
  readonly onWarning?: (text: string) => void;
  /** Octets of packed files that have been read, and of all files that are to be read. */
  readonly onProgress: (bytesRead: number, bytes: number) => Promise<void>;
}

/** The sources of a run, until they are closed. */
export class CaptureSources {
  readonly list: readonly Source[];
  readonly #unnamed: readonly { close(): void }[];

  constructor(list: readonly Source[], unnamed: readonly { close(): void }[]) {
    this.list = list;
    this.#unnamed = unnamed;
  }

  /** Lets go of what was unpacked. */
  close(): void {
    for (const file of this.#unnamed) file.close();
  }
}

/** Opens everything once, so that what is wrong with any of it is said before the work begins. */
export async function openSources(
  paths: readonly string[],
  options: CaptureSourceOptions,
): Promise<CaptureSources> {
  const names = paths.flatMap((path) => expand(path, options));
  if (names.filter((name) => name === STANDARD_INPUT).length > 1) throw standardInputTwice();
  const plain = names.map((name) => (isPlain(name) ? new CaptureFile(name) : null));
  for (const file of plain) file?.close();
  const opening = new Opening(names, plain, options);
  return await opening.run();
}

class Opening {
  readonly #names: readonly string[];
  readonly #plain: readonly (CaptureFile | null)[];
  readonly #options: CaptureSourceOptions;
  readonly #list: Source[] = [];
  readonly #unnamed: { close(): void }[] = [];
  #base = 0;
  /** Of what was left out. */
  #firstFault: unknown = null;
  #bytesRead = 0;
  #bytes: number;

  constructor(
    names: readonly string[],
    plain: readonly (CaptureFile | null)[],
    options: CaptureSourceOptions,
  ) {
    this.#names = names;
    this.#plain = plain;
    this.#options = options;
    const sizes = names.map((name, i) => plain.at(i)?.bytes ?? packedSize(name));
    this.#bytes = sizes.reduce((sum, bytes) => sum + bytes, 0);
  }

  async run(): Promise<CaptureSources> {
    try {
      for (const [i, name] of this.#names.entries()) {
        const file = this.#plain.at(i);
        if (file) this.#addPlain(name, file);
        else await this.#addUnpacked(name).catch((fault: unknown) => this.#leaveOut(fault));
      }
      if (this.#list.length === 0) throw this.#firstFault;
      return new CaptureSources(this.#list, this.#unnamed);
    } catch (fault) {
      for (const file of this.#unnamed) file.close();
      throw fault;
    }
  }

  /** What is no capture among others is no reason to do without them. */
  #leaveOut(fault: unknown): void {
    const isAlone = this.#names.length === 1;
    if (!(fault instanceof CaptureError) || isAlone || this.#options.strict === true) throw fault;
    this.#firstFault ??= fault;
    this.#options.onWarning?.(`${fault.message}; it is left out`);
  }

  #addPlain(name: string, { path, bytes }: CaptureFile): void {
    const base = this.#place(bytes);
    const rest = { namedBytes: bytes, compression: null, damage: null, unpackedShare: 0 };
    this.#list.push({ name, path, bytes, base, ...rest });
  }

  async #addUnpacked(name: string): Promise<void> {
    const { signal } = this.#options;
    const unpacked = await unpackCapture(name, {
      ...(signal === undefined ? {} : { signal }),
      onSilence: () => {
        const what = name === STANDARD_INPUT ? 'standard input' : name;
        this.#options.onWarning?.(`reading ${what}, from which nothing has come so far`);
      },
      onRead: async (bytes) => {
        // Half of the work on a packed file is to unpack it; reading it is the other half.
        this.#bytesRead += bytes / 2;
        this.#bytes = Math.max(this.#bytes, this.#bytesRead * 2);
        await this.#options.onProgress(this.#bytesRead, this.#bytes);
      },
    }).catch((fault: unknown) => {
      throw named(name, fault);
    });
    const { file, compression, packedBytes, damage } = unpacked;
    this.#unnamed.push(file);
    this.#list.push({
      name: name === STANDARD_INPUT ? 'standard input' : name,
      path: file.path,
      bytes: file.bytes,
      base: this.#place(file.bytes),
      namedBytes: packedBytes,
      compression,
      damage,
      unpackedShare: 0.5,
    });
  }

  /** Where the next file begins: files lie one after another, page by page. */
  #place(bytes: number): number {
    const base = this.#base;
    this.#base += Math.max(1, Math.ceil(bytes / JOIN_BYTES)) * JOIN_BYTES;
    return base;
  }
}

/** A folder stands for the captures in it. */
function expand(path: string, options: CaptureSourceOptions): string[] {
  if (kindOf(path) !== 'folder') return [path];
  const files = filesIn(path).filter((file) => !file.endsWith(INDEX_SUFFIX));
  const captures = files.filter((file) => formatOf(headOf(file, MAGIC_BYTES)) !== null);
  if (captures.length === 0) {
    throw new ReplayError({
      code: 'ERR_CAPTURE_IS_FOLDER',
      kind: 'capture',
      message: `${path} is a folder without a capture in it`,
      hint: 'name a capture, or a folder of captures',
    });
  }
  // With them all, the first that is none says so.
  if (options.strict === true) return files;
  const known = new Set(captures);
  const others = files.filter((file) => !known.has(file));
  if (others.length > 0) options.onWarning?.(`${path}: ${noteOf(others)}`);
  return captures;
}

function noteOf(others: readonly string[]): string {
  const names = others
    .slice(0, NAMED_MAX)
    .map((path) => basename(path))
    .join(', ');
  const rest = others.length > NAMED_MAX ? ', …' : '';
  return others.length === 1
    ? `1 file in it is no capture (${names})`
    : `${others.length} files in it are no captures (${names}${rest})`;
}

/** Whether it can be read where it is. */
function isPlain(name: string): boolean {
  if (kindOf(name) !== 'file') return false;
  const format = formatOf(headOf(name, MAGIC_BYTES));
  return format !== 'gzip' && format !== 'zstd';
}

const packedSize = (name: string): number =>
  kindOf(name) === 'file' ? new CaptureFile(name).close().bytes : 0;

/** The same fault, with the file's name in front. */
export function named(name: string, fault: unknown): unknown {
  if (!(fault instanceof CaptureError)) return fault;
  const { code, message, hint, offset } = fault;
  const text = name === STANDARD_INPUT ? 'standard input' : name;
  return new CaptureError({ code, message: `${text}: ${message}`, hint: hint ?? '', offset });
}

const standardInputTwice = (): ReplayError =>
  new ReplayError({
    code: 'ERR_CAPTURE_STDIN_TWICE',
    kind: 'usage',
    message: '- (standard input) is named more than once',
    hint: 'it can be read once',
  });
