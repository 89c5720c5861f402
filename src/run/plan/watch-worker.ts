/** The entry of a thread that stops a module that does not return while the main thread loads it. */
import { writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import { BEAT_MS, Beat, type WatchJob } from './watch-job.ts';

const STDERR = 2;
/** Whoever is in a call of the system's, and not in JavaScript, is not stopped. */
const BEATS_TO_STOP = 4;

const { beat, paths, patienceMs } = workerData as WatchJob;
const beatsMax = Math.ceil(patienceMs / BEAT_MS);
let before = beat[Beat.COUNT];
// Beats are counted, so that a machine that slept is nobody's fault.
let missed = 0;

setInterval(async () => {
  const now = Atomics.load(beat, Beat.COUNT);
  missed = now === before ? missed + 1 : 0;
  before = now;
  if (missed === beatsMax) await stop();
  if (missed !== beatsMax + BEATS_TO_STOP) return;
  // The main thread would have to say it.
  const path = paths[Atomics.load(beat, Beat.PLACE)];
  writeSync(STDERR, `module ${path} does not return while it is loaded: kill the process\n`);
}, BEAT_MS);

/** Ends the JavaScript that the main thread is in. */
async function stop(): Promise<void> {
  Atomics.store(beat, Beat.STOPPED, 1);
  // Node may be built without it.
  const inspector = await import('node:inspector').catch(() => undefined);
  if (inspector === undefined) return;
  const session = new inspector.Session();
  session.connectToMainThread();
  session.post('Runtime.terminateExecution');
}
