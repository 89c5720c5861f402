/** The entry of a worker thread: opens its way to the target, says so, plays, and reports. */
import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '../../base/assert.ts';
import { failureOf } from '../../base/posted-failure.ts';
import { openCaptureBytes } from '../../io/files/capture-file.ts';
import { openEmbeddedThread, playThrough } from './embedded-thread.ts';
import { openNetworkThread } from './network-thread.ts';
import type { MainMessage, ThreadJob, ThreadMessage } from './thread-job.ts';

const port = parentPort;
assert(port !== null, 'this file is the entry of a worker thread');
const post = (message: ThreadMessage): void => port.postMessage(message);

const job = workerData as ThreadJob;
const go = once(port, 'message') as Promise<[MainMessage]>;
const capture = openCaptureBytes(job.plan.scripts.files);
try {
  const onWarning = (text: string): void => post({ type: 'warning', text });
  const run =
    job.network === null
      ? openEmbeddedThread(job, capture)
      : openNetworkThread(job, job.network, capture, onWarning);
  try {
    post({ type: 'ready', latencies: run.latency.columns, notes: run.notes });
    const [{ start }] = await go;
    post({ type: 'done', timeline: playThrough(run.turns(start)) });
  } finally {
    run.close();
  }
} catch (error) {
  post({ type: 'failed', failure: failureOf(error) });
} finally {
  capture.close();
}
// The listener for 'go' keeps the thread alive where it never came.
port.unref();
