/** An intercept from beginning to end: capture thread, channel, logs; and leaving nothing behind. */
import { rmSync, writeFileSync } from 'node:fs';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { ReplayError } from '../base/errors.ts';
import { TALLIES, Tally } from '../intercept/intercept-core.ts';
import { isLoopback } from '../io/channel-secret.ts';
import { listenForStreams } from '../io/channel-socket.ts';
import type { SourceMode, SourceOptions } from '../io/intercept-source.ts';
import { type MetricsServer, serveMetrics } from '../io/metrics-server.ts';
import { closeEventFd, openEventFd, raiseEvent } from '../io/sys/eventfd.ts';
import { helloOf, wallClock } from './channel-ends.ts';
import {
  type CaptureCommand,
  type CaptureJob,
  type CaptureMessage,
  type PostedOwner,
  WAKE_WORDS,
  Wake,
} from './intercept-job.ts';
import { openLog } from './intercept-log.ts';
import type { InterceptCounts } from './intercept-metrics.ts';
import { InterceptServer, logLine } from './intercept-server.ts';
import type { PostedFailure } from './job.ts';
import { errorFrom } from './posted-failure.ts';

const TICK_MS = 100;
/** How often rates are logged, when there is something to say. */
const RATES_EVERY_MS = 10_000;
/** Strangers are logged at most this often, with their number. */
const STRANGERS_EVERY_MS = 1_000;

export interface InterceptOptions {
  readonly mode: SourceMode;
  readonly host: string;
  readonly port: number;
  /** The channel's key (`keyOfToken`), or null without a secret. */
  readonly key: Uint8Array | null;
  readonly prefixBytes: number;
  readonly source: SourceOptions;
  readonly logFile: string | null;
  readonly pidFile: string | null;
  /** Where Prometheus finds the counts, or null: nowhere. */
  readonly metrics: { readonly host: string; readonly port: number } | null;
}

export interface InterceptHost {
  readonly version: string;
  readonly isTerminal: boolean;
  /** Writes to stderr. */
  write(text: string): void;
  /** Aborted on SIGINT or SIGTERM. */
  readonly interrupted: AbortSignal;
  /** The capture thread's entry; a test gives its own, with packets of its own. */
  readonly worker?: URL;
}

/**
 * Runs until it is interrupted. Writes one line `ready …` when it can serve.
 * @throws ReplayError what the mode's source or the channel's address refuse; ERR_INTERCEPT_TOKEN,
 * ERR_METRICS_LISTEN
 */
export async function runIntercept(options: InterceptOptions, host: InterceptHost): Promise<void> {
  requireSecret(options);
  const log = openLog(options.logFile, host.isTerminal, (text) => host.write(text));
  const capture = new CaptureThread(options, host.worker);
  try {
    const lines = await capture.opened;
    await serve(options, host, { capture, lines, logger: log.logger });
  } finally {
    await capture.close();
    log.close();
  }
}

async function serve(
  options: InterceptOptions,
  host: InterceptHost,
  inside: {
    readonly capture: CaptureThread;
    readonly lines: readonly string[];
    readonly logger: ReturnType<typeof openLog>['logger'];
  },
): Promise<void> {
  const { capture, lines, logger } = inside;
  const log = (
    level: 'info' | 'warn',
    message: string,
    fields: Readonly<Record<string, unknown>> = {},
  ): void => logger[level](fields, message);
  const server = new InterceptServer({
    hello: helloOf(host.version),
    mode: options.mode,
    prefixBytes: options.prefixBytes,
    interfaces: options.source.interfaces ?? [],
    tally: capture.tally,
    nowNs: () => performance.now() * 1e6,
    now: wallClock(),
    setOwners: (owners) => capture.setOwners(owners),
    log,
  });
  capture.onWake = () => server.onWake();
  const strangers = strangerLog(log);
  const channel = await listenForStreams({
    host: options.host,
    port: options.port,
    key: options.key,
    onStream: (stream) => server.onStream(stream),
    onStranger: strangers.onStranger,
  });
  const metrics = await metricsOf(options, {
    version: host.version,
    tally: capture.tally,
    replays: () => server.replays,
    dropped: () => server.droppedEver,
  }).catch((error: unknown) => {
    strangers.stop();
    channel.close();
    throw error;
  });
  if (options.pidFile !== null) writePidFile(options.pidFile);
  const crash = watchForCrash();
  const timer = setInterval(() => server.onTick(), TICK_MS);
  const rates = setInterval(rateLog(capture.tally, server, log), RATES_EVERY_MS);
  const secret = options.key === null ? 'without a secret' : 'with a secret';
  try {
    for (const line of lines) logLine({ log }, line);
    log('info', 'ready', { address: channel.address, mode: options.mode, channel: secret });
    if (metrics !== null) log('info', 'metrics are served', { url: metrics.url });
    host.write(`ready: ${channel.address}, mode ${options.mode}, ${secret}\n`);
    await Promise.race([aborted(host.interrupted), capture.failed, crash.happened]);
    log('info', 'ending');
  } finally {
    crash.stop();
    clearInterval(timer);
    clearInterval(rates);
    strangers.stop();
    metrics?.close();
    server.close();
    channel.close();
    if (options.pidFile !== null) rmSync(options.pidFile, { force: true });
  }
}

/** Loads Prometheus's client only where it is asked for. */
async function metricsOf(
  { metrics }: InterceptOptions,
  counts: InterceptCounts,
): Promise<MetricsServer | null> {
  if (metrics === null) return null;
  const { interceptMetrics } = await import('./intercept-metrics.ts');
  return await serveMetrics(metrics, interceptMetrics(counts));
}

/** The capture thread as the main thread sees it. */
class CaptureThread {
  readonly tally = new Float64Array(
    new SharedArrayBuffer(TALLIES * Float64Array.BYTES_PER_ELEMENT),
  );
  /** What the source says of itself; rejects when it cannot be opened. */
  readonly opened: Promise<readonly string[]>;
  /** Rejects when the thread fails; else it never settles. */
  readonly failed: Promise<never>;
  onWake: () => void = () => undefined;
  readonly #wake = new Int32Array(new SharedArrayBuffer(WAKE_WORDS * Int32Array.BYTES_PER_ELEMENT));
  readonly #fd = openEventFd();
  readonly #port: MessagePort;
  readonly #worker: Worker;
  readonly #closed: Promise<void>;
  #isClosing = false;
  /** Those who wait for an answer to `owners`, in order. */
  readonly #waiting: ((answer: {
    readonly failure: PostedFailure | null;
    readonly lines: readonly string[];
  }) => void)[] = [];

  constructor(
    { mode, source, prefixBytes }: InterceptOptions,
    entry: URL = new URL('./intercept-worker.js', import.meta.url),
  ) {
    const { port1, port2 } = new MessageChannel();
    const { tally } = this;
    const job: CaptureJob = { mode, source, prefixBytes, tally, wake: this.#wake, fd: this.#fd };
    this.#port = port1;
    this.#worker = new Worker(entry, { workerData: { job, port: port2 }, transferList: [port2] });
    let onOpened: (lines: readonly string[]) => void = () => undefined;
    let onFailed: (error: Error) => void = () => undefined;
    let onClosed: () => void = () => undefined;
    this.failed = new Promise((_, reject) => {
      onFailed = reject;
    });
    // Nobody may be listening when it fails: who waits for something else is told there.
    this.failed.catch(() => undefined);
    this.opened = Promise.race([
      this.failed,
      new Promise<readonly string[]>((resolve) => {
        onOpened = resolve;
      }),
    ]);
    this.#closed = new Promise((resolve) => {
      onClosed = resolve;
    });
    port1.on('message', (message: CaptureMessage) => {
      if (message.type === 'wake') this.#onWake();
      else if (message.type === 'opened') onOpened(message.lines);
      else if (message.type === 'owners') this.#waiting.shift()?.(message);
      else if (message.type === 'failed') onFailed(errorFrom(message.failure));
    });
    this.#worker.on('error', onFailed);
    this.#worker.on('exit', () => {
      if (!this.#isClosing) onFailed(new Error('the capture thread ended'));
      onClosed();
    });
  }

  setOwners(owners: readonly PostedOwner[]) {
    return new Promise<{
      readonly failure: PostedFailure | null;
      readonly lines: readonly string[];
    }>((resolve) => {
      this.#waiting.push(resolve);
      this.#post({ type: 'owners', owners });
    });
  }

  /** Removes what the source has installed, and ends the thread. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#post({ type: 'close' });
    await this.#closed;
    this.#port.close();
    closeEventFd(this.#fd);
  }

  #post(command: CaptureCommand): void {
    this.#port.postMessage(command);
    // The word last: whoever has seen it finds the event raised, and can take it.
    raiseEvent(this.#fd);
    Atomics.store(this.#wake, Wake.COMMANDS, 1);
  }

  /** First the flag, then the look: what comes in between wakes us again. */
  #onWake(): void {
    Atomics.store(this.#wake, Wake.MAIN, 0);
    this.onWake();
  }
}

function requireSecret({ host, key }: InterceptOptions): void {
  if (key !== null || isLoopback(host)) return;
  throw new ReplayError({
    code: 'ERR_INTERCEPT_TOKEN',
    kind: 'usage',
    message: `--listen ${host} can be reached from other machines, but there is no secret`,
    hint: 'openssl rand -hex 32 > token, then --token-file token here and at the replay',
  });
}

/** A fault of our own must not leave rules behind: it ends the intercept in the ordinary way. */
function watchForCrash() {
  let onCrash: (error: unknown) => void = () => undefined;
  const happened = new Promise<never>((_, reject) => {
    onCrash = reject;
  });
  happened.catch(() => undefined);
  process.on('uncaughtException', onCrash);
  process.on('unhandledRejection', onCrash);
  const stop = (): void => {
    process.off('uncaughtException', onCrash);
    process.off('unhandledRejection', onCrash);
  };
  return { happened, stop };
}

type Log = (
  level: 'info' | 'warn',
  message: string,
  fields?: Readonly<Record<string, unknown>>,
) => void;

/** A port scan must not fill the disk. */
function strangerLog(log: Log) {
  let count = 0;
  let last = { peer: '', reason: '' };
  const flush = (): void => {
    if (count > 0) log('warn', 'connections were turned away', { count, ...last });
    count = 0;
  };
  const timer = setInterval(flush, STRANGERS_EVERY_MS);
  return {
    onStranger: (peer: string, reason: string): void => {
      count++;
      last = { peer, reason };
    },
    stop: (): void => {
      clearInterval(timer);
      flush();
    },
  };
}

function rateLog(tally: Float64Array, server: InterceptServer, log: Log): () => void {
  let before = Float64Array.from(tally);
  let droppedBefore = 0;
  return () => {
    const now = Float64Array.from(tally);
    const since = (which: number): number => now[which] - before[which];
    const seconds = RATES_EVERY_MS / 1_000;
    const dropped = Math.max(0, server.dropped - droppedBefore);
    if (since(Tally.RECEIVED) > 0) {
      log('info', 'captured', {
        replays: server.replays,
        receivedPerSecond: Math.round(since(Tally.RECEIVED) / seconds),
        forwardedPerSecond: Math.round(since(Tally.FORWARDED) / seconds),
        notOurs: since(Tally.NOT_OURS),
        malformed: since(Tally.MALFORMED),
      });
    }
    if (since(Tally.KERNEL_DROPPED) > 0) {
      log('warn', 'the kernel dropped packets', { count: since(Tally.KERNEL_DROPPED) });
    }
    if (dropped > 0) log('warn', 'a replay is too slow and lost records', { count: dropped });
    before = now;
    droppedBefore = server.dropped;
  };
}

function writePidFile(path: string): void {
  try {
    writeFileSync(path, `${process.pid}\n`);
  } catch (cause) {
    throw new ReplayError({
      code: 'ERR_INTERCEPT_PID_FILE',
      kind: 'environment',
      message: `--pid-file ${path} cannot be written: ${(cause as NodeJS.ErrnoException).code}`,
      cause,
    });
  }
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
