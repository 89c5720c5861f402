/**
 * gryphon as a library: `import { replay, inspect } from 'gryphon'`. The same options and results as
 * the commands; nothing is printed and nothing is written.
 */
import { EventEmitter } from 'node:events';
import { readCaptureOptions } from '../cli/capture-options.ts';
import { parseCommandLine } from '../cli/command-line.ts';
import { loadCommands } from '../cli/commands.ts';
import { withConfig } from '../cli/config/with-config.ts';
import { processContext } from '../cli/context.ts';
import type { ExitCode } from '../cli/exit-codes.ts';
import { INSPECT_TABLE } from '../cli/options/inspect-table.ts';
import { REPLAY_TABLE } from '../cli/options/replay-table.ts';
import { outcomeOf } from '../cli/outcome.ts';
import { readReplayOptions } from '../cli/replay-options.ts';
import { readRules } from '../cli/rewriting.ts';
import type { RunResult } from '../measure/result.ts';
import type { InspectDocument } from '../report/inspect-document.ts';
import { inspectCaptures } from '../run/inspect-captures.ts';
import type { ProgressSnapshot } from '../run/plan/options.ts';
import { runReplay } from '../run/replay-run.ts';
import { toArguments } from './arguments.ts';
import type { InspectOptions, ReplayOptions } from './options.ts';

export { ReplayError } from '../base/errors.ts';
export { LeftBehindError } from '../run/left-behind-error.ts';
export { UnreachedError } from '../run/unreached-error.ts';
export type {
  ExitCode,
  InspectDocument,
  InspectOptions,
  ProgressSnapshot,
  ReplayOptions,
  RunResult,
};

/** How a run ended. */
export interface ReplayOutcome {
  /** What `--json` writes: schema `gryphon.result/1`. */
  readonly result: RunResult;
  /** The exit code that the command would end with: 0, or 99 when a threshold failed, and so on. */
  readonly code: ExitCode;
  /** What went wrong and how to mend it, in one line; null when the result says it all. */
  readonly message: string | null;
}

/** What a run tells while it goes on. */
export interface ReplayEvents {
  /** A few times a second. */
  readonly progress: [snapshot: ProgressSnapshot];
  /** Something that the user should know and that does not end the run: one line. */
  readonly warning: [text: string];
}

/** A run: a promise of its outcome that tells of its progress as well. */
export interface ReplayRun extends Promise<ReplayOutcome> {
  on<Name extends keyof ReplayEvents>(
    name: Name,
    listener: (...args: ReplayEvents[Name]) => void,
  ): this;
  off<Name extends keyof ReplayEvents>(
    name: Name,
    listener: (...args: ReplayEvents[Name]) => void,
  ): this;
}

/** The parts of the command line's context that options are read with; the environment is not asked. */
function contextOf(args: readonly string[]) {
  return { ...processContext(), args, env: {}, columns: null };
}

const TABLES = { replay: REPLAY_TABLE, inspect: INSPECT_TABLE };

async function read(name: keyof typeof TABLES, { captures = [], ...rest }: InspectOptions) {
  const typed = toArguments(rest, TABLES[name]);
  const context = contextOf([name, ...typed, '--', ...[captures].flat()]);
  const line = parseCommandLine(await loadCommands([name]), context);
  // Only `--help` and its like have no command; none of them is an option here.
  if ('output' in line) throw new TypeError('help and version are no options of the library');
  return { ...line, given: await withConfig(line, context.files), context };
}

/**
 * Plays the captures' sessions as `gryphon replay` does.
 * @returns a promise of the outcome; rejected with a ReplayError by what failed: wrong options
 *   (`kind` usage), the capture, the environment; or with an UnreachedError, which has a `result`,
 *   where the target or an intercept cannot be reached, or a LeftBehindError, which has one, too, where something of
 *   this machine could not be put back
 */
export function replay(options: ReplayOptions): ReplayRun {
  const events = new EventEmitter<{ progress: [ProgressSnapshot]; warning: [string] }>();
  const outcome = play(options, events);
  const run = Object.assign(outcome, {
    on: (name: keyof ReplayEvents, listener: (...args: never[]) => void) => {
      events.on(name, listener as (...args: unknown[]) => void);
      return run;
    },
    off: (name: keyof ReplayEvents, listener: (...args: never[]) => void) => {
      events.off(name, listener as (...args: unknown[]) => void);
      return run;
    },
  }) as ReplayRun;
  return run;
}

async function play(
  { signal, ...rest }: ReplayOptions,
  events: EventEmitter<{ progress: [ProgressSnapshot]; warning: [string] }>,
): Promise<ReplayOutcome> {
  const { given, faults, context } = await read('replay', rest);
  const values = given.read(REPLAY_TABLE);
  const options = await readReplayOptions({ values, given, faults, context });
  const host = {
    onProgress: (snapshot: ProgressSnapshot) => void events.emit('progress', snapshot),
    onWarning: (text: string) => void events.emit('warning', text),
    interrupted: signal ?? new AbortController().signal,
  };
  const result = await runReplay(options, host, context.version);
  return { result, ...outcomeOf(result) };
}

/**
 * What captures hold, and what of it can be replayed: the document of `gryphon inspect --json`.
 * @throws ReplayError by what failed: wrong options (`kind` usage), or the capture
 */
export async function inspect(options: InspectOptions): Promise<InspectDocument> {
  const { onWarning, ...rest } = options;
  const { given, faults, context } = await read('inspect', rest);
  const captures = given.positionals('capture');
  const values = given.read(INSPECT_TABLE);
  const choice = readCaptureOptions(values, given, faults);
  if (captures.length === 0) faults.add('no capture given');
  faults.throwIfAny();
  const modules = await readRules(values.rules, context);
  return await inspectCaptures(captures, {
    ...choice,
    modules,
    sessions: values.sessions,
    correlate: values.correlate,
    digests: true,
    seed: context.randomUint32(),
    onProgress: () => undefined,
    onWarning: onWarning ?? (() => undefined),
  });
}
