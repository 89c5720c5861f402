/** A log file that is put aside when it has grown too long: FILE, FILE.1, FILE.2, FILE.3. */
import { closeSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs';
import { ReplayError } from '../../base/errors.ts';

const BYTES_MAX = 10 << 20;
/** Files kept beside the one that is written. */
const KEPT = 3;

/** A log file that is put aside when it has grown beyond its size; lines are written whole. */
export class RotatingFile {
  readonly #path: string;
  readonly #bytesMax: number;
  #fd: number;
  #bytes: number;

  /** @throws ReplayError ERR_IO_LOG_FILE (environment) */
  constructor(path: string, bytesMax: number = BYTES_MAX) {
    this.#path = path;
    this.#bytesMax = bytesMax;
    try {
      this.#fd = openSync(path, 'a', 0o640);
    } catch (cause) {
      throw new ReplayError({
        code: 'ERR_IO_LOG_FILE',
        kind: 'environment',
        message: `the log file ${path} cannot be written: ${(cause as NodeJS.ErrnoException).code}`,
        cause,
      });
    }
    this.#bytes = fstatSync(this.#fd).size;
  }

  /** Appends; where the disk is full the text is lost, and the next one tries again. */
  write(text: string): void {
    if (this.#bytes > 0 && this.#bytes + text.length > this.#bytesMax) this.#rotate();
    try {
      this.#bytes += writeSync(this.#fd, text);
    } catch {
      // Nobody is left to tell: a daemon's work must not end with its log.
      this.#bytes = fstatSync(this.#fd).size;
    }
  }

  close(): void {
    closeSync(this.#fd);
  }

  #rotate(): void {
    try {
      for (let i = KEPT - 1; i >= 1; i--)
        renameIfThere(`${this.#path}.${i}`, `${this.#path}.${i + 1}`);
      renameIfThere(this.#path, `${this.#path}.1`);
      const fd = openSync(this.#path, 'a', 0o640);
      closeSync(this.#fd);
      this.#fd = fd;
      this.#bytes = 0;
    } catch {
      // A folder that may not be written to any more: the file grows on, for another stretch.
      this.#bytes = 0;
    }
  }
}

function renameIfThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
