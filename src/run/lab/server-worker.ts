/** The entry of the thread that has the laboratory's built-in server, in the target's namespace. */
import { parentPort, workerData } from 'node:worker_threads';
import { failureOf } from '../../base/posted-failure.ts';
import { openCaptureBytes } from '../../io/files/capture-file.ts';
import { enter } from '../../io/sys/namespace.ts';
import type { Incomplete } from '../../session/reading/session-selection.ts';
import { StreamView } from '../../session/script/stream-view.ts';
import { indexCaptures } from '../captures/index-captures.ts';
import { nothingToReplay } from '../captures/nothing-to-replay.ts';
import { RecordedAnswers } from './recorded-answers.ts';
import { serveRecorded } from './recorded-server.ts';

/** What the thread is told. */
export interface ServerJob {
  readonly namespacePath: string;
  readonly captures: readonly string[];
  readonly include: readonly Incomplete[];
  readonly seed: number;
  readonly port: number;
}

async function serve({ namespacePath, captures, include, seed, port }: ServerJob): Promise<void> {
  enter(namespacePath);
  const index = await indexCaptures(captures, { seed, selection: { include } });
  // No mode has anything to play, and each would say so.
  if (index.sessions.replayable === 0) throw nothingToReplay(index, captures);
  const scripts = index.scripts();
  const octets = openCaptureBytes(scripts.files);
  const read = (offset: number, into: Uint8Array): void => octets.read(offset, into);
  const answers = new RecordedAnswers(scripts, {
    client: new StreamView(scripts.client, read),
    server: new StreamView(scripts.server, read),
  });
  await serveRecorded(answers, port);
}

serve(workerData as ServerJob).then(
  () => parentPort?.postMessage('ready'),
  (error: unknown) => {
    parentPort?.postMessage(failureOf(error));
    parentPort?.close();
  },
);
