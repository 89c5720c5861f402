import { ReplayError } from '../../src/base/errors.ts';
import type { Context, FoundAddress } from '../../src/cli/context.ts';
import { kernelFiles } from '../../src/cli/files.ts';

/** A context that remembers what was written and does nothing else. */
export interface FakeContext extends Context {
  readonly out: string[];
  readonly err: string[];
  /** What was written to files, by path. */
  readonly written: Map<string, string>;
  /** Codes that the process was to end with at once. */
  readonly exits: number[];
  /** As if the user had pressed Ctrl-C. */
  interrupt(): void;
  /** Moves the clock. */
  advance(ms: number): void;
}

export interface FakeWorld {
  readonly args?: readonly string[];
  readonly env?: Record<string, string>;
  readonly hosts?: Record<string, readonly FoundAddress[]>;
  readonly terminal?: NodeJS.WriteStream;
  /** Of stdout; none: it is no terminal. */
  readonly columns?: number;
  readonly files?: Partial<Context['files']>;
}

export function fakeContext(world: FakeWorld = {}): FakeContext {
  const out: string[] = [];
  const err: string[] = [];
  const written = new Map<string, string>();
  const exits: number[] = [];
  const listeners = new Set<() => void>();
  let nowMs = 0;
  return {
    out,
    err,
    written,
    exits,
    args: world.args ?? [],
    env: world.env ?? {},
    version: '0.0.0-test',
    terminal: world.terminal ?? null,
    columns: world.columns ?? null,
    rows: null,
    files: {
      read: async (path) => {
        const content = written.get(path);
        if (content !== undefined) return content;
        throw new ReplayError({ code: 'ERR_T', kind: 'usage', message: `${path} is not there` });
      },
      makeFolder: async () => undefined,
      append: async (path, content) => {
        const before = written.get(path) ?? '';
        written.set(path, before + content);
      },
      checkWritable: async () => undefined,
      write: async (path, content) => {
        written.set(path, content);
      },
      readHtmlAssets: async () => await kernelFiles.readHtmlAssets(),
      ...world.files,
    },
    print: async (text) => {
      out.push(text);
    },
    log: (text) => {
      err.push(text);
    },
    nowMs: () => nowMs,
    randomUint32: () => 42,
    lookup: async (host) => world.hosts?.[host] ?? [],
    onInterrupt: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    exitNow: (code) => {
      exits.push(code);
    },
    interrupt: () => {
      for (const listener of listeners) listener();
    },
    advance: (ms) => {
      nowMs += ms;
    },
  };
}
