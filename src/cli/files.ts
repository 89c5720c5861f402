/** The files that commands read and write: errno in, ReplayError out. */
import { constants, type Stats } from 'node:fs';
import {
  access,
  appendFile,
  chmod,
  chown,
  open,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ReplayError } from '../base/errors.ts';
import { makeFolders } from '../io/files/make-folders.ts';
import type { HtmlAssets } from '../report/html/page.ts';

/** What commands do with files; faults are ReplayErrors that name the file and the reason. */
export interface Files {
  /**
   * Makes a folder, and those above it, unless it is there, and sees that files can be made in it.
   * @throws ReplayError ERR_CLI_OUTPUT (usage: not a folder; environment: not permitted)
   */
  makeFolder(path: string): Promise<void>;
  /**
   * Sees that a file can be written, without touching it.
   * @throws ReplayError ERR_CLI_OUTPUT, as above
   */
  checkWritable(path: string): Promise<void>;
  /**
   * @param bytesMax what is larger is refused before it is read to its end
   * @throws ReplayError ERR_CLI_INPUT (usage; environment: not permitted)
   */
  read(path: string, bytesMax?: number): Promise<string>;
  /**
   * Writes a file as a whole or not at all: where that fails, there is what was there before. Devices
   * and pipes are written to.
   * @throws ReplayError ERR_CLI_OUTPUT (environment)
   */
  write(path: string, content: string): Promise<void>;
  /**
   * Writes behind what a file holds; makes it where it is not there.
   * @throws ReplayError ERR_CLI_OUTPUT
   */
  append(path: string, content: string): Promise<void>;
  /**
   * The stylesheets and scripts of the HTML report: ours, and uPlot's.
   * @throws ReplayError ERR_CLI_INPUT where the installation is not whole
   */
  readHtmlAssets(): Promise<HtmlAssets>;
}

/** The files of this machine. */
export const kernelFiles: Files = {
  async makeFolder(path) {
    try {
      makeFolders(path);
    } catch (cause) {
      throw outputError(`the folder ${path} cannot be made`, cause);
    }
    await access(path, constants.W_OK).catch((cause: unknown) => {
      throw outputError(`the folder ${path} cannot be written to`, cause);
    });
  },

  async checkWritable(path) {
    const found = await stat(path).catch((cause: unknown) => {
      if (codeOf(cause) === 'ENOENT') return null;
      throw outputError(`${path} cannot be written`, cause);
    });
    if (found?.isDirectory()) {
      throw outputError(`${path} cannot be written`, { code: 'EISDIR' });
    }
    const folder = dirname(path);
    // A file that is there is overwritten, one that is not is made in its folder.
    await access(found === null ? folder : path, constants.W_OK).catch((cause: unknown) => {
      throw outputError(`${path} cannot be written`, cause);
    });
  },

  async read(path, bytesMax) {
    const text = bytesMax === undefined ? readFile(path, 'utf8') : readUpTo(path, bytesMax);
    return await text.catch((cause: unknown) => {
      throw inputError(path, cause);
    });
  },

  async write(path, content) {
    await writeWhole(path, content).catch((cause: unknown) => {
      throw outputError(`${path} cannot be written`, cause);
    });
  },

  async append(path, content) {
    await appendFile(path, content).catch((cause: unknown) => {
      throw outputError(`${path} cannot be written`, cause);
    });
  },

  async readHtmlAssets() {
    const require = createRequire(import.meta.url);
    const own = (name: string) => fileURLToPath(new URL(`../../assets/${name}`, import.meta.url));
    const [style, script, chartStyle, chartScript] = await Promise.all([
      this.read(own('report.css')),
      this.read(own('report.js')),
      this.read(require.resolve('uplot/dist/uPlot.min.css')),
      this.read(require.resolve('uplot/dist/uPlot.iife.min.js')),
    ]);
    return { style, script, chartStyle, chartScript };
  },
};

/** The text of a file that may be no file at all, but something that never ends. */
async function readUpTo(path: string, bytesMax: number): Promise<string> {
  const file = await open(path);
  try {
    const buffer = new Uint8Array(bytesMax + 1);
    let bytes = 0;
    while (bytes <= bytesMax) {
      const { bytesRead } = await file.read(buffer, bytes, bytesMax + 1 - bytes);
      if (bytesRead === 0) return new TextDecoder().decode(buffer.subarray(0, bytes));
      bytes += bytesRead;
    }
    throw Object.assign(new Error(`more than ${bytesMax} bytes`), { code: 'TOO_LARGE' });
  } finally {
    await file.close();
  }
}

/** Why no file can be made beside another one, which may be written to all the same. */
const NONE_BESIDE: ReadonlySet<string> = new Set(['EACCES', 'EPERM', 'ENAMETOOLONG']);

/** Writes beside the file and puts the new one in its place. */
async function writeWhole(path: string, content: string): Promise<void> {
  const found = await stat(path).catch(() => null);
  // `/dev/stdout` may be a file that somebody else has open: another in its place would not be theirs.
  const isOpened = /^\/(?:dev\/(?:fd\/|std)|proc\/)/.test(path);
  if (isOpened || (found !== null && !found.isFile())) return await writeFile(path, content);
  const place = found === null ? path : await realpath(path);
  const part = `${place}.${crypto.randomUUID()}.part`;
  try {
    await writeFile(part, content, { flag: 'wx' });
    if (found !== null) await keepOwner(part, found);
    await rename(part, place);
  } catch (fault) {
    await rm(part, { force: true });
    if (!NONE_BESIDE.has(codeOf(fault))) throw fault;
    await writeFile(place, content);
  }
}

/** Under sudo a file stays its user's. Who may not give it away made it their own with writing. */
async function keepOwner(path: string, { uid, gid, mode }: Stats): Promise<void> {
  await chown(path, uid, gid).catch(() => undefined);
  await chmod(path, mode);
}

const REASONS: ReadonlyMap<string, string> = new Map([
  ['EACCES', 'permission denied'],
  ['EPERM', 'permission denied'],
  ['EROFS', 'the file system is read-only'],
  ['ENOSPC', 'no space left on the device'],
  ['EDQUOT', 'the quota is used up'],
  ['EFBIG', 'it would be larger than files may be here'],
  ['ENOENT', 'its folder does not exist'],
  ['NOT_THERE', 'it does not exist'],
  ['ENOTDIR', 'a part of the path is not a folder'],
  ['EEXIST', 'it is there and not a folder'],
  ['EISDIR', 'it is a folder'],
  ['ENAMETOOLONG', 'the name is too long'],
  ['TOO_LARGE', 'it is too large for what it should be'],
]);

const NO_ROOM = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** Faults of what was asked for; all others are the machine's. */
const WRONG_USE = new Set(['ENOENT', 'ENOTDIR', 'EEXIST', 'EISDIR', 'ENAMETOOLONG', 'TOO_LARGE']);

function outputError(what: string, cause: unknown): ReplayError {
  const code = codeOf(cause);
  return new ReplayError({
    code: 'ERR_CLI_OUTPUT',
    kind: WRONG_USE.has(code) ? 'usage' : 'environment',
    message: `${what}: ${reasonOf(code, cause)}`,
    hint: NO_ROOM.has(code) ? 'make room there, or choose another place' : 'choose another place',
    cause,
  });
}

function inputError(path: string, cause: unknown): ReplayError {
  const code = codeOf(cause);
  return new ReplayError({
    code: 'ERR_CLI_INPUT',
    kind: WRONG_USE.has(code) ? 'usage' : 'environment',
    message: `${path} cannot be read: ${reasonOf(code === 'ENOENT' ? 'NOT_THERE' : code, cause)}`,
    cause,
  });
}

const reasonOf = (code: string, cause: unknown): string =>
  REASONS.get(code) ?? (code || String(cause));

const codeOf = (cause: unknown): string => (cause as NodeJS.ErrnoException).code ?? '';
