/** The entry of a worker thread: opens its way to the target, says so, plays, and reports. */
import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '../../base/assert.ts';
import { failureOf } from '../../base/posted-failure.ts';
import { openCaptureBytes } from '../../io/files/capture-file.ts';
import type { MainMessage, ThreadJob, ThreadMessage } from './thread-job.ts';
import { modulesOf } from './thread-modules.ts';
import { playThrough, type ThreadRun } from './thread-run.ts';

const port = parentPort;
assert(port !== null, 'this file is the entry of a worker thread');
const post = (message: ThreadMessage): void => port.postMessage(message);

const job = workerData as ThreadJob;
const go = once(port, 'message') as Promise<[MainMessage]>;
const capture = openCaptureBytes(job.plan.scripts.files);
try {
  const onWarning = (text: string): void => post({ type: 'warning', text });
  const run = await openThread(job, onWarning);
  try {
    post({ type: 'ready', latencies: run.latency.columns, notes: run.notes });
    const [{ start }] = await go;
    const timeline = playThrough(run.turns(start));
    post({ type: 'done', timeline, moduleFailures: run.moduleFailures });
  } finally {
    run.close();
  }
} catch (error) {
  post({ type: 'failed', failure: failureOf(error) });
} finally {
  capture.close();
}
/** Loads what this way needs and not the other: each is a fifth of what there is to load. */
async function openThread(job: ThreadJob, onWarning: (text: string) => void): Promise<ThreadRun> {
  const { network } = job;
  const modules = await modulesOf(job);
  if (network === null) {
    const { openEmbeddedThread } = await import('./embedded-thread.ts');
    return openEmbeddedThread(job, capture, modules);
  }
  const { openNetworkThread } = await import('./network-thread.ts');
  return openNetworkThread(job, network, capture, modules, onWarning);
}

// The listener for 'go' keeps the thread alive where it never came.
port.unref();
