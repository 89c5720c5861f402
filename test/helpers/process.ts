/** Starting and stopping what the privileged tests need, so that nothing outlives them. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';

/** A started program may take this long to end after SIGTERM before it is killed. */
const STOP_GRACE_MS = 5_000;
/** A finished command's output above this is a fault of the test and is refused. */
const OUTPUT_BYTES_MAX = 256 * 1024 * 1024;

/**
 * Before a command: it comes before all else on the machine (sched(7)). For those who take part in what is judged by
 * time, where one that waits for a core is another matter.
 */
export const FIRST_OF_ALL: readonly string[] = ['chrt', '--rr', '1'];

/** How a command ended and what it wrote. */
export interface Finished {
  /** The exit code; null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** From its start to its end, in milliseconds of the wall clock. */
  readonly elapsedMs: number;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Written to its standard input, which is then closed. */
  readonly input?: string | Uint8Array;
  /** After this long it is killed (SIGKILL); 60 s by default. */
  readonly timeoutMs?: number;
  /** Called once with the process as soon as it is started: to signal it half way. */
  readonly onStart?: (child: ChildProcess) => void;
}

/** Things to undo, newest last, when the process that runs the tests ends in whatever way. */
const undoing = new Set<() => void>();
let isWatching = false;

/**
 * Registers a synchronous undoing for the case that the process ends before it was undone in the
 * ordinary way (a failed hook, SIGINT, SIGTERM); calling the returned function forgets it.
 */
export function undoAtExit(undo: () => void): () => void {
  if (!isWatching) watchForTheEnd();
  undoing.add(undo);
  return () => undoing.delete(undo);
}

/** Runs a command to its end; never throws for its exit code. */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const started = performance.now();
  const child = start(argv, options);
  options.onStart?.(child);
  const forget = undoAtExit(() => child.kill('SIGKILL'));
  const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 60_000);
  const [out, err] = [collect(child, 'stdout'), collect(child, 'stderr')];
  // A command may end without reading its input: the broken pipe is its business.
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(options.input ?? '');
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    const elapsedMs = performance.now() - started;
    return { code, signal, stdout: out(), stderr: err(), elapsedMs };
  } finally {
    clearTimeout(timer);
    forget();
  }
}

/** As `run`, but a command that does not end with 0 is an error that shows what it wrote. */
export async function must(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, signal, stdout, stderr } = await run(argv, options);
  if (code === 0) return stdout;
  throw new Error(`${argv.join(' ')} ended with ${code ?? signal}:\n${stderr}${stdout}`);
}

/** A program that runs until it is stopped; its process id is the program's own. */
export interface Running {
  readonly pid: number;
  /** Everything it has written to stdout and stderr so far. */
  readonly output: () => string;
  readonly hasEnded: () => boolean;
  /** Null while it runs, and when a signal has ended it. */
  readonly exitCode: () => number | null;
  /** Sends a signal (SIGTERM by default) and waits until it has ended; a second call is harmless. */
  readonly stop: (signal?: NodeJS.Signals) => Promise<void>;
}

/** Starts a program in the background; it is stopped with the tests at the latest. */
export function startProgram(argv: readonly string[], options: RunOptions = {}): Running {
  const child = start(argv, options);
  child.stdin?.end();
  const output = collect(child, 'stdout', 'stderr');
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const forget = undoAtExit(() => child.kill('SIGKILL'));
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  const stop = async (signal: NodeJS.Signals = 'SIGTERM') => {
    if (!hasEnded()) {
      child.kill(signal);
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_GRACE_MS);
      await ended;
      clearTimeout(timer);
    }
    forget();
  };
  const pid = child.pid;
  if (pid === undefined) throw new Error(`${argv[0]} cannot be started`);
  return { pid, output, hasEnded, exitCode: () => child.exitCode, stop };
}

/**
 * Sends a signal to one process. Anything but the number of one is refused: 0 and less mean whole
 * groups of processes, and the tests themselves are in one.
 */
export function signalTo(pid: number, signal: NodeJS.Signals): void {
  if (!Number.isInteger(pid) || pid <= 1) throw new Error(`${pid} is no process to signal`);
  process.kill(pid, signal);
}

/**
 * Asks again every few milliseconds until `isSo` says yes; an error names `what` after `limitMs`: by default a patience
 * that a busy machine does not wear out, since starts of programs are waited for, and not measured.
 */
export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  limitMs = 60_000,
): Promise<void> {
  const end = performance.now() + limitMs;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`waited ${limitMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The full path of a tool, looked for where root's tools are too, or null. */
export function findTool(name: string): string | null {
  if (name.startsWith('/')) return existsSync(name) ? name : null;
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin', '/usr/bin'];
  return folders.map((folder) => `${folder}/${name}`).find((path) => existsSync(path)) ?? null;
}

/** Runs a command while the process is ending; faults are of no interest any more. */
export function runWhileEnding(argv: readonly string[]): void {
  const [command = '', ...rest] = argv;
  try {
    execFileSync(command, rest, { stdio: 'ignore', timeout: 5_000 });
  } catch {
    // What was to be undone is already gone.
  }
}

function start(argv: readonly string[], { cwd, env }: RunOptions): ChildProcess {
  const [command = '', ...rest] = argv;
  const child = spawn(command, rest, { cwd, env: env ?? process.env, stdio: 'pipe' });
  child.once('error', (fault) => child.stderr?.emit('data', Buffer.from(`${fault.message}\n`)));
  return child;
}

function collect(child: ChildProcess, ...streams: ('stdout' | 'stderr')[]): () => string {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for (const stream of streams) {
    child[stream]?.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > OUTPUT_BYTES_MAX) child.kill('SIGKILL');
      else chunks.push(chunk);
    });
  }
  return () => Buffer.concat(chunks).toString();
}

function watchForTheEnd(): void {
  isWatching = true;
  const undoAll = () => {
    for (const undo of [...undoing].reverse()) undo();
    undoing.clear();
  };
  process.once('exit', undoAll);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      undoAll();
      // Nobody else listens: do what the signal does without a handler.
      if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
    });
  }
}
