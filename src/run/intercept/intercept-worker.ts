/** The entry of an intercept's capture thread. */
import { type MessagePort, workerData } from 'node:worker_threads';
import { openSource } from '../../io/intercept/intercept-source.ts';
import { runCapture } from './intercept-capture.ts';
import type { CaptureJob } from './intercept-job.ts';

const { job, port } = workerData as { job: CaptureJob; port: MessagePort };
runCapture(job, port, () => openSource(job.mode, job.source));
port.close();
