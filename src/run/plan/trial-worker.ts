/** The entry of a thread that loads users' modules, and nothing else. */
import { parentPort, workerData } from 'node:worker_threads';
import type { TrialMessage } from './module-trial.ts';
import { type FileModuleSpec, makeModules } from './modules.ts';

const post = (message: TrialMessage): void => parentPort?.postMessage(message);
try {
  await makeModules(workerData as readonly FileModuleSpec[], undefined, post);
} catch {
  // Whoever loads them next meets the same, and says so.
}
post('done');
