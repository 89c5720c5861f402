/** The server of the laboratory's target: the built-in one, or the user's own. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { ReplayError } from '../../base/errors.ts';
import { errorFrom, failureOf } from '../../base/posted-failure.ts';
import { type LabHost, processesIn } from '../../io/lab/laboratory.ts';
import { type Listening, listeningIn, listeningPortsIn } from '../../io/way/listening.ts';
import { LabProcess } from './lab-process.ts';
import type { ServerJob } from './server-worker.ts';

/** A server of somebody's takes its time to begin. */
const LISTENS_MS = 60_000;
/** After this long it is told that the server listens elsewhere, if it does. */
const ELSEWHERE_MS = 2_000;
const ASK_EVERY_MS = 50;

/** After this long a server is taken where it listens, if that may be elsewhere. */
const MOVES_MS = 5_000;

/** A server that takes connections. */
export interface LabServer {
  /** That it listens on. */
  readonly port: number;
  /** @throws ReplayError ERR_LAB_SERVER (unreachable) where it has ended by itself */
  check(): void;
  stop(): Promise<void>;
}

/**
 * The built-in server, in a thread of this process.
 * @throws ReplayError as indexCaptures and serveRecorded do
 */
export async function startBuiltIn(
  target: LabHost,
  job: Omit<ServerJob, 'namespacePath'>,
): Promise<LabServer> {
  const workerData: ServerJob = { ...job, namespacePath: `/run/netns/${target.name}` };
  const worker = new Worker(new URL('./server-worker.js', import.meta.url), { workerData });
  let failure: unknown = null;
  worker.on('error', (error) => {
    failure = error;
  });
  const [message] = (await Promise.race([once(worker, 'message'), once(worker, 'exit')])) as [
    unknown,
  ];
  if (message !== 'ready') {
    const posted = message as ReturnType<typeof failureOf>;
    throw typeof message === 'object' ? errorFrom(posted) : errorFrom(failureOf(failure));
  }
  return {
    port: job.port,
    check: () => {
      if (failure !== null) throw errorFrom(failureOf(failure));
    },
    stop: async () => void (await worker.terminate()),
  };
}

/** Where the user's own server is to listen. */
export interface OwnServerPort {
  readonly port: number;
  /** Whether somebody has chosen it: else the only one that the server listens on will do. */
  readonly isChosen: boolean;
}

/**
 * The user's own server: a line for the shell, run in the target's namespace with PORT and HOST in its
 * environment. It has to listen on the port, on more than its loopback interface. One that goes to the
 * background is ended with the namespace.
 * @param onElsewhere told which other ports it listens on, where that is all it does, and once more
 * with the one that is taken
 * @throws ReplayError ERR_LAB_SERVER (unreachable), with the end of what it wrote; the signal's reason
 */
export async function startOwn(
  target: LabHost,
  command: string,
  { port, isChosen }: OwnServerPort,
  interrupted: AbortSignal,
  onElsewhere: (ports: readonly number[], isTaken: boolean) => void,
): Promise<LabServer> {
  const server = new LabProcess(target.name, ['sh', '-c', command], {
    HOST: '0.0.0.0',
    PORT: String(port),
  });
  const check = (isThere: () => boolean): void => {
    if (server.code === null || (server.code === 0 && isThere())) return;
    throw serverFault(`the server ended with ${server.code}`, lastLines(server.said));
  };
  const standing = (at: number): LabServer => ({
    port: at,
    check: () => check(() => listeningIn(target.name, at) === 'everybody'),
    stop: () => server.stop(),
  });
  try {
    const start = performance.now();
    let isToldElsewhere = false;
    for (;;) {
      const listening = listeningIn(target.name, port);
      if (listening === 'everybody') return standing(port);
      interrupted.throwIfAborted();
      check(() => processesIn(target.name).length > 0);
      const waitedMs = performance.now() - start;
      const others = waitedMs > ELSEWHERE_MS ? listeningPortsIn(target.name) : [];
      const [only] = others;
      if (!isChosen && others.length === 1 && waitedMs > MOVES_MS) {
        onElsewhere(others, true);
        return standing(only);
      }
      if (others.length > 0 && !isToldElsewhere) onElsewhere(others, false);
      isToldElsewhere ||= others.length > 0;
      if (waitedMs > LISTENS_MS) throw notListening(listening, port);
      await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
    }
  } catch (fault) {
    await server.stop();
    throw fault;
  }
}

const notListening = (listening: Listening, port: number): ReplayError =>
  listening === 'loopback'
    ? serverFault(
        `the server listens on port ${port} of its loopback interface alone`,
        ownHint(port),
      )
    : serverFault(`the server does not listen on port ${port} after a minute`, ownHint(port));

const ownHint = (port: number): string =>
  `let it listen on 0.0.0.0 (HOST) and ${port} (PORT in its environment), or give its --port`;

const serverFault = (message: string, hint: string): ReplayError =>
  new ReplayError({ code: 'ERR_LAB_SERVER', kind: 'unreachable', message, hint });

/** Of what a program wrote, the lines that tell most. */
export const lastLines = (said: string): string =>
  said.trim().split('\n').slice(-3).join(' / ') || 'it wrote nothing';
