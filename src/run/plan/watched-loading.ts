/**
 * Users' modules are loaded in the main thread, too. While one does not return there, no interrupt and no timer is
 * heard, so another thread stops it.
 */
import { Worker } from 'node:worker_threads';
import { isFileModule, LOADING_MS, warnOfLoading } from './module-trial.ts';
import { type ModuleSpec, moduleFault, moduleLabel } from './modules.ts';
import type { RunHost } from './options.ts';
import { BEAT_MS, Beat, type WatchJob } from './watch-job.ts';

/**
 * Loads modules, and watches those that are files.
 * @param triedMs how long that has taken elsewhere: so much more is waited for
 * @param load tells which one is loaded next, by its place
 * @throws ReplayError usage: ERR_MODULE_LOAD, of one that does not return; the interrupt's reason; whatever `load` throws
 */
export async function whileWatched<Loaded>(
  specs: readonly ModuleSpec[],
  { onWarning, interrupted }: Pick<RunHost, 'onWarning' | 'interrupted'>,
  triedMs: number,
  load: (onMaking?: (place: number) => void) => Promise<Loaded>,
): Promise<Loaded> {
  if (!specs.some(isFileModule)) return await load();
  const beat = new Int32Array(new SharedArrayBuffer(Beat.WORDS * Int32Array.BYTES_PER_ELEMENT));
  const paths = specs.map(moduleLabel);
  const patienceMs = LOADING_MS + 2 * triedMs;
  const job: WatchJob = { beat, paths, patienceMs };
  const worker = new Worker(new URL('./watch-worker.js', import.meta.url), { workerData: job });
  const pathNow = (): string => paths[beat[Beat.PLACE]];
  let stop = (): void => undefined;
  let beating: NodeJS.Timeout | undefined;
  const patience = setTimeout(() => warnOfLoading(pathNow(), onWarning), LOADING_MS);
  try {
    return await new Promise<Loaded>((resolve, reject) => {
      stop = () => reject(interrupted.reason);
      interrupted.addEventListener('abort', stop, { once: true });
      beating = setInterval(() => {
        Atomics.add(beat, Beat.COUNT, 1);
        if (Atomics.load(beat, Beat.STOPPED) === 0) return;
        reject(moduleFault(pathNow(), 'it does not return in the main thread', undefined));
      }, BEAT_MS);
      load((place) => {
        beat[Beat.PLACE] = place;
        patience.refresh();
      }).then(resolve, reject);
    });
  } finally {
    clearTimeout(patience);
    clearInterval(beating);
    interrupted.removeEventListener('abort', stop);
    await worker.terminate();
  }
}
