/**
 * The world outside a command: what it was called with, where it writes, what it can ask for.
 * This file and files.ts alone touch the process and the clock; tests pass a context of their own.
 */

import { readFileSync } from 'node:fs';
import { ReplayError } from '../base/errors.ts';
import type { ExitCode } from './exit-codes.ts';
import { type Files, kernelFiles } from './files.ts';

/** An address that a name stands for. */
export interface FoundAddress {
  readonly address: string;
  readonly family: number;
}

/** All that a command knows of the process that it runs in; tests give their own. */
export interface Context {
  /** The command line without node and the script. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The version of gryphon. */
  readonly version: string;
  readonly files: Files;
  /** stderr where it is a terminal (for bars), else `null`. */
  readonly terminal: NodeJS.WriteStream | null;
  /** Columns of stdout where it is a terminal, else `null`. */
  readonly columns: number | null;
  /** Its rows, likewise. */
  readonly rows: number | null;
  /**
   * Writes results to stdout and resolves when they are written. Once the reader has gone
   * (`gryphon … | head`), what is written is dropped: that is the reader's choice and no fault.
   * @throws ReplayError ERR_CLI_STDOUT (environment) when it cannot be written
   */
  print(text: string): Promise<void>;
  /** Writes to stderr; a fault there is nobody's to hear. */
  log(text: string): void;
  /** Milliseconds on a clock that only goes forward. */
  nowMs(): number;
  randomUint32(): number;
  /** The addresses of a host name; none when it has none or nobody knows. */
  lookup(host: string): Promise<readonly FoundAddress[]>;
  /**
   * Calls `listener` at each signal that asks for the end (Ctrl-C, `kill`, a terminal that is closed,
   * Ctrl-\\) until the function that it returns is called.
   */
  onInterrupt(listener: () => void): () => void;
  /**
   * Ends the process at once, whatever it waits for; listeners of its `exit` event are called. The
   * shell sees INTERRUPTED, other programs that SIGINT ended it.
   */
  exitNow(code: typeof ExitCode.INTERRUPTED): void;
}

/** The context of this process. */
export function processContext(): Context {
  // Without a listener an error of the stream, seen by its callback already, would end the process.
  process.stdout.on('error', () => undefined);
  process.stderr.on('error', () => undefined);
  return {
    args: process.argv.slice(2),
    env: process.env,
    version: readVersion(),
    files: kernelFiles,
    terminal: process.stderr.isTTY === true ? process.stderr : null,
    columns: process.stdout.isTTY === true ? process.stdout.columns : null,
    rows: process.stdout.isTTY === true ? process.stdout.rows : null,
    print: printToStdout,
    // biome-ignore lint/suspicious/noControlCharactersInRegex: names of files, and what servers say, may hold any
    log: (text) => void process.stderr.write(text.replace(/[\0-\x08\x0b-\x1f\x7f-\x9f]/g, '?')),
    nowMs: () => performance.now(),
    randomUint32: () => crypto.getRandomValues(new Uint32Array(1))[0],
    lookup: lookUp,
    onInterrupt,
    exitNow,
  };
}

/** Node's resolver is loaded when a name is to be looked up: it takes longer than reading options. */
async function lookUp(host: string): Promise<readonly FoundAddress[]> {
  const { lookup } = await import('node:dns/promises');
  return await lookup(host, { all: true }).catch(() => []);
}

function readVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

async function printToStdout(text: string): Promise<void> {
  const fault = await new Promise<NodeJS.ErrnoException | null | undefined>((resolve) => {
    process.stdout.write(text, resolve);
  });
  const isReaderGone = fault?.code === 'EPIPE' || fault?.code === 'ERR_STREAM_DESTROYED';
  if (fault === null || fault === undefined || isReaderGone) return;
  throw new ReplayError({
    code: 'ERR_CLI_STDOUT',
    kind: 'environment',
    message: `the result cannot be written to stdout: ${fault.message}`,
    hint: 'make room, or write it elsewhere with --json or --out',
    cause: fault,
  });
}

/** SIGHUP: the terminal (or the ssh that it came by) is gone. SIGQUIT: Ctrl-\. */
const END_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

/**
 * One Ctrl-C often comes twice: from the terminal, and passed on by what started us (npx, sudo,
 * timeout). Within this time it is one, and not the second that leaves everything lying.
 */
const SAME_INTERRUPT_MS = 500;

function onInterrupt(listener: () => void): () => void {
  let lastMs = Number.NEGATIVE_INFINITY;
  const onSignal = (): void => {
    const nowMs = performance.now();
    if (nowMs - lastMs < SAME_INTERRUPT_MS) return;
    lastMs = nowMs;
    listener();
  };
  for (const signal of END_SIGNALS) process.on(signal, onSignal);
  return () => {
    for (const signal of END_SIGNALS) process.off(signal, onSignal);
  };
}

function exitNow(code: typeof ExitCode.INTERRUPTED): void {
  // process.exit waits for libuv's threads, and one of them may sit in a read that never returns.
  // The signal's own effect does not wait, and to a shell it is the same code: 128 + SIGINT.
  process.once('exit', () => {
    process.removeAllListeners('SIGINT');
    process.kill(process.pid, 'SIGINT');
  });
  process.exit(code);
}
