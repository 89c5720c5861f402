/**
 * The folder of a laboratory, which holds the secret of its intercept's channel. Its name bears the mark of
 * the process that made it, as the namespaces' do: `gryphon-lab-PID-START-XXXXXX`.
 */
import { lstatSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bearsDeadMark, ownMark } from '../rules/process-mark.ts';

const NAME_PATTERN = /^gryphon-lab-(\d+)-(\d+)-/;

/** A folder that its user alone may read, until it is closed or the process ends. */
export class LabFolder {
  readonly path: string;
  readonly #onExit = (): void => this.close();

  /** Makes it, in place of what killed processes have left. */
  constructor() {
    removeLeftovers();
    const [, pid, start] = ownMark().split(':');
    this.path = mkdtempSync(join(tmpdir(), `gryphon-lab-${pid}-${start}-`));
    process.once('exit', this.#onExit);
  }

  /** Removes it with all that is in it; harmless when called again. */
  close(): void {
    process.off('exit', this.#onExit);
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Of this user's folders: in a place where everybody may write, a name alone says nothing. */
function removeLeftovers(): void {
  for (const name of readdirSync(tmpdir())) {
    const [, pid, start] = NAME_PATTERN.exec(name) ?? [];
    if (pid === undefined || !bearsDeadMark(`gryphon:${pid}:${start}`)) continue;
    const path = join(tmpdir(), name);
    const status = lstatSync(path, { throwIfNoEntry: false });
    const isOwn = status?.isDirectory() && status.uid === process.geteuid?.();
    if (isOwn === true) rmSync(path, { recursive: true, force: true });
  }
}
