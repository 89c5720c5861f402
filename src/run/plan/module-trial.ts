/**
 * Users' modules are loaded once before all else, in a thread of their own: one that does not come to an end is
 * named, and an interrupt is heard.
 */
import { Worker } from 'node:worker_threads';
import { NS_PER_MS } from '../../base/time.ts';
import { formatDuration } from '../../base/units.ts';
import { type FileModuleSpec, type ModuleSpec, moduleFault } from './modules.ts';
import type { RunHost } from './options.ts';

/** A module that is loaded for so long is told of: ms. */
export const LOADING_MS = 10_000;
/** What Node ends a thread with whose module waits at its top level, and for nothing that there is. */
const UNSETTLED = 13;

/** What the thread tells: that it begins with a module, by its place; or that it is through, whatever came of it. */
export type TrialMessage = number | 'done';

/** Whether a module is a user's own. */
export const isFileModule = (spec: ModuleSpec): spec is FileModuleSpec => spec.kind === 'file';

/** Tells of a module that is not loaded yet. */
export function warnOfLoading(path: string, onWarning: (text: string) => void): void {
  const patience = formatDuration(LOADING_MS * NS_PER_MS);
  onWarning(
    `module ${path} has not been loaded for ${patience}: interrupt the run (Ctrl-C) to end it`,
  );
}

/**
 * Loads those modules that are files. What is wrong with them is left to whoever loads them next.
 * @returns how long it took: ms
 * @throws ReplayError usage: ERR_MODULE_LOAD, of one that waits for what never comes or ends the process; the interrupt's reason
 */
export async function tryModules(
  specs: readonly ModuleSpec[],
  { onWarning, interrupted }: Pick<RunHost, 'onWarning' | 'interrupted'>,
): Promise<number> {
  const files = specs.filter(isFileModule);
  if (files.length === 0) return 0;
  interrupted.throwIfAborted();
  // Whatever they print is printed when they are loaded to be used.
  const options = { workerData: files, stdout: true, stderr: true };
  const worker = new Worker(new URL('./trial-worker.js', import.meta.url), options);
  let path = files[0].path;
  const timer = setTimeout(() => warnOfLoading(path, onWarning), LOADING_MS);
  const begunMs = performance.now();
  let stop = (): void => undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      stop = () => reject(interrupted.reason);
      interrupted.addEventListener('abort', stop, { once: true });
      worker.on('message', (message: TrialMessage) => {
        if (message === 'done') return resolve();
        path = files[message].path;
        timer.refresh();
      });
      // It will fail where it is used as well, and be told there.
      worker.on('error', () => resolve());
      worker.on('exit', (code) => {
        const isUnsettled = code === UNSETTLED;
        const why = isUnsettled ? 'it waits for something that never comes' : 'it ends the process';
        reject(moduleFault(path, why, undefined));
      });
    });
    return performance.now() - begunMs;
  } finally {
    clearTimeout(timer);
    interrupted.removeEventListener('abort', stop);
    await worker.terminate();
  }
}
