/** An intercept from beginning to end: capture thread, channel, logs; and leaving nothing behind. */
import { rmSync, writeFileSync } from 'node:fs';
import { alsoFailed, ReplayError } from '../../base/errors.ts';
import { Tally } from '../../intercept/intercept-core.ts';
import { isLoopback } from '../../io/channel/channel-secret.ts';
import { listenForStreams } from '../../io/channel/channel-socket.ts';
import type { PacketSourceOptions, SourceMode } from '../../io/intercept/intercept-source.ts';
import { type MetricsServer, serveMetrics } from '../../io/metrics-server.ts';
import { helloOf, wallClock } from '../channel/channel-ends.ts';
import { CaptureThread } from './capture-thread.ts';
import { type InterceptLog, openLog } from './intercept-log.ts';
import type { InterceptCounts } from './intercept-metrics.ts';
import { InterceptServer, logLine } from './intercept-server.ts';

const TICK_MS = 100;
/** How often rates are logged, when there is something to say. */
const RATES_EVERY_MS = 10_000;
/** Strangers are logged at most this often, with their number. */
const STRANGERS_EVERY_MS = 1_000;

/** What `gryphon intercept` is told. */
export interface InterceptOptions {
  readonly mode: SourceMode;
  readonly host: string;
  readonly port: number;
  /** The channel's key (`keyOfToken`), or null without a secret. */
  readonly key: Uint8Array | null;
  /** Octets of payload handed over with the headers: to everybody, and at most to who asks. */
  readonly prefixBytes: number;
  readonly prefixBytesMax: number;
  readonly source: PacketSourceOptions;
  readonly logFile: string | null;
  readonly pidFile: string | null;
  /** Where Prometheus finds the counts, or null: nowhere. */
  readonly metrics: { readonly host: string; readonly port: number } | null;
}

/** The world as an intercept sees it. */
export interface InterceptHost {
  readonly version: string;
  readonly isTerminal: boolean;
  /** Writes to stderr. */
  write(text: string): void;
  /** Aborted on SIGINT, SIGTERM, SIGHUP or SIGQUIT. */
  readonly interrupted: AbortSignal;
  /** The capture thread's entry; a test gives its own, with packets of its own. */
  readonly worker?: URL;
}

/**
 * Runs until it is interrupted, and then removes what it has installed. Tells when it can serve: by
 * a record `ready` of the log, and by a line `ready: …` on stderr where that is not the log's.
 * @throws ReplayError what the mode's source or the channel's address refuse; ERR_INTERCEPT_TOKEN,
 * ERR_METRICS_LISTEN; ERR_IO_LEFT_BEHIND (internal) where something could not be removed
 */
export async function runIntercept(options: InterceptOptions, host: InterceptHost): Promise<void> {
  const log = openLog(options.logFile, host.isTerminal, (text) => host.write(text));
  try {
    await runLogged(options, host, log);
  } catch (error) {
    // Whoever looks at a terminal gets it in words, from whoever called.
    if (options.logFile !== null || !host.isTerminal) logFailure(log.logger, error);
    throw error;
  } finally {
    log.close();
  }
}

function logFailure(logger: InterceptLog['logger'], error: unknown): void {
  if (error instanceof ReplayError) {
    const { code, hint } = error;
    logger.error(hint === null ? { code } : { code, mend: hint }, error.message);
  } else {
    logger.error({ err: error }, 'a fault of gryphon itself; please report it');
  }
}

async function runLogged(
  options: InterceptOptions,
  host: InterceptHost,
  log: InterceptLog,
): Promise<void> {
  requireSecret(options);
  const crash = watchForCrash();
  const capture = new CaptureThread(options, host.worker);
  const fault = await serveUntilEnd(options, host, { capture, logger: log.logger, crash }).then(
    () => null,
    (error: unknown) => ({ error }),
  );
  const failure = await capture.close();
  crash.stop();
  if (fault === null && failure === null) return;
  if (fault === null || fault.error === failure) throw failure;
  throw failure === null ? fault.error : alsoFailed(fault.error, failure);
}

interface Inside {
  readonly capture: CaptureThread;
  readonly logger: InterceptLog['logger'];
  readonly crash: ReturnType<typeof watchForCrash>;
}

/** Whatever was begun is ended on every way out, the newest first. */
async function serveUntilEnd(
  options: InterceptOptions,
  host: InterceptHost,
  inside: Inside,
): Promise<void> {
  const ending: (() => void)[] = [];
  const faults: unknown[] = [];
  try {
    const { capture, crash } = inside;
    const lines = await Promise.race([capture.opened, crash.happened]);
    if (host.interrupted.aborted) return;
    await serve(options, host, { ...inside, lines, onEnd: (end) => ending.push(end) });
  } catch (error) {
    faults.push(error);
  }
  for (const end of ending.reverse()) {
    try {
      end();
    } catch (error) {
      faults.push(error);
    }
  }
  if (faults.length > 1) throw faults.reduce(alsoFailed);
  if (faults.length > 0) throw faults[0];
}

async function serve(
  options: InterceptOptions,
  host: InterceptHost,
  inside: Inside & { readonly lines: readonly string[]; onEnd(end: () => void): void },
): Promise<void> {
  const { capture, lines, logger, crash, onEnd } = inside;
  const log: Log = (level, message, fields = {}) => logger[level](fields, message);
  const server = new InterceptServer({
    hello: helloOf(host.version),
    mode: options.mode,
    prefixBytes: options.prefixBytes,
    prefixBytesMax: options.prefixBytesMax,
    interfaces: options.source.interfaces ?? [],
    tally: capture.tally,
    nowNs: () => performance.now() * 1e6,
    now: wallClock(),
    refusalOf: ({ peerUser }) => (options.key === null ? refusalOfUser(peerUser()) : null),
    setOwners: (owners) => capture.setOwners(owners),
    log,
  });
  capture.onWake = () => server.onWake();
  const strangers = strangerLog(log);
  onEnd(strangers.stop);
  const channel = await listenForStreams({
    host: options.host,
    port: options.port,
    key: options.key,
    onStream: (stream) => server.onStream(stream),
    onStranger: strangers.onStranger,
  });
  onEnd(() => {
    server.close();
    channel.close();
  });
  const metrics = await metricsOf(options, {
    version: host.version,
    tally: capture.tally,
    replays: () => server.replays,
    dropped: () => server.droppedEver,
  });
  if (metrics !== null) onEnd(() => metrics.close());
  const { pidFile } = options;
  if (pidFile !== null) {
    writePidFile(pidFile);
    onEnd(() => rmSync(pidFile, { force: true }));
  }
  const timers = [
    setInterval(() => server.onTick(), TICK_MS),
    setInterval(rateLog(capture.tally, server, log), RATES_EVERY_MS),
  ];
  onEnd(() => timers.forEach(clearInterval));
  const secret = options.key === null ? 'without a secret' : 'with a secret';
  for (const line of lines) logLine({ log }, line);
  log('info', 'ready', { address: channel.address, mode: options.mode, channel: secret });
  if (metrics !== null) log('info', 'metrics are served', { url: metrics.url });
  // Where the log is on stderr as JSON, stderr holds nothing else.
  if (options.logFile !== null || host.isTerminal) {
    host.write(`ready: ${channel.address}, mode ${options.mode}, ${secret}\n`);
  }
  await Promise.race([aborted(host.interrupted), capture.failed, crash.happened]);
  log('info', 'ending');
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

function requireSecret({ host, key }: InterceptOptions): void {
  if (key !== null || isLoopback(host)) return;
  throw new ReplayError({
    code: 'ERR_INTERCEPT_TOKEN',
    kind: 'usage',
    message: `--listen ${host} can be reached from other machines, but there is no secret`,
    hint: 'openssl rand -hex 32 > token, then --token-file token here and at the replay',
  });
}

/**
 * Without a secret whoever reaches the loopback interface is a user of this machine; but what an
 * intercept of root's does, no other user may have done. Root may anyway.
 */
function refusalOfUser(user: number | null): string | null {
  const own = process.geteuid?.() ?? 0;
  if (user === own || user === 0) return null;
  const who = user === null ? 'an unknown user' : `user ${user}`;
  return `it is run by ${who} and the intercept by user ${own}, without a secret between them`;
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
