/** `gryphon replay`: read the options, run, write every report, say how it went. */
import { alsoFailed } from '../base/errors.ts';
import { LeftBehindError } from '../run/left-behind-error.ts';
import type { RunHost } from '../run/plan/options.ts';
import { UnreachedError } from '../run/unreached-error.ts';
import type { CommandInput } from './command-line.ts';
import { ExitCode } from './exit-codes.ts';
import { tellGithubJob } from './github-job.ts';
import type { GivenOptions } from './given-options.ts';
import { watchInterrupts } from './interruption.ts';
import { REPLAY_TABLE } from './options/replay-table.ts';
import { outcomeOf } from './outcome.ts';
import {
  checkOutputs,
  type Outputs,
  readOutputs,
  writeDocuments,
  writeOutputs,
} from './outputs.ts';
import { openProgress } from './progress.ts';
import { readAgainst, readReplayOptions } from './replay-options.ts';
import { publicClientsWarning } from './targets.ts';
import { EMBEDDED } from './values/endpoints.ts';

/** What a signal does, and what it comes too late for. */
const INTERRUPTED = 'interrupted: closing what is open, then reporting';
const PLAYED = 'all was played already: tidying up and reporting';

/** Runs the command; resolves with its exit code when all reports are written. */
export async function replay({ given, faults, context }: CommandInput): Promise<ExitCode> {
  const values = given.read(REPLAY_TABLE);
  const outputs = readOutputs(values, faults, context);
  const options = await readReplayOptions({ values, given, faults, context });
  const progress = await openProgress(context, outputs);
  let isPlayed = false;
  const interruption = watchInterrupts(context, {
    first: () => progress.note(`${isPlayed ? PLAYED : INTERRUPTED}; once more to leave at once`),
    second: () => progress.stop(),
  });
  const host: RunHost = {
    onProgress: progress.isShown ? (snapshot) => progress.onSnapshot(snapshot) : null,
    onWarning: (text) => progress.note(text),
    interrupted: interruption.signal,
  };
  try {
    if (values.target !== EMBEDDED && values.map.length > 0) {
      progress.note(
        '--map goes first; --target gets the sessions of servers that no mapping names',
      );
    }
    const warning = publicClientsWarning(options);
    if (warning !== null) progress.note(warning);
    if (values.dryRun) {
      const { describePlan } = await import('../run/dry-run.ts');
      const plan = await describePlan(options, host);
      progress.stop();
      await context.print(plan + originsText(given));
      return ExitCode.OK;
    }
    // Now, so that nothing is lost at the end of a long run.
    await checkOutputs(outputs, context.files);
    const { runReplay } = await import('../run/replay-run.ts');
    const base = await readAgainst(options, values, context);
    if (base !== null) {
      const { replayAgainst } = await import('./against.ts');
      const { code, message } = await replayAgainst(
        {
          ...{ next: options, base, rounds: values.rounds },
          play: (each, onAnswers) =>
            runReplay(each, { ...host, ...(onAnswers && { onAnswers }) }, context.version),
          isInterrupted: () => interruption.signal.aborted,
          onEnd: () => progress.stop(),
        },
        outputs,
        context,
      );
      if (message !== null) context.log(`gryphon: ${message}\n`);
      return code;
    }
    const onPlayed = (): void => {
      isPlayed = true;
    };
    const run = runReplay(options, { ...host, onPlayed }, context.version);
    const result = await run.catch(async (error) => {
      progress.stop();
      throw await reported(error, outputs, context);
    });
    progress.stop();
    await tellGithubJob(result, context);
    await writeOutputs(result, outputs, context);
    const { code, message } = outcomeOf(result);
    if (message !== null) context.log(`gryphon: ${message}\n`);
    return code;
  } finally {
    progress.stop();
    interruption.stop();
  }
}

/**
 * Where nobody could be reached, there are documents all the same; of a run that has left something behind, all
 * that there is of others. @returns what is to be thrown
 */
async function reported(
  error: unknown,
  outputs: Outputs,
  context: CommandInput['context'],
): Promise<unknown> {
  const isPlayed = error instanceof LeftBehindError;
  if (!isPlayed && !(error instanceof UnreachedError)) return error;
  try {
    await tellGithubJob(error.result, context);
    await (isPlayed ? writeOutputs : writeDocuments)(error.result, outputs, context);
    return error;
  } catch (second) {
    return alsoFailed(error, second);
  }
}

/** Where each option of a plan comes from; nothing to say when all stand on the command line. */
function originsText(given: GivenOptions): string {
  const origins = given.origins();
  if (origins.every(({ name, from }) => from === `--${name}`)) return '';
  const width = Math.max(...origins.map(({ name, text }) => name.length + text.length)) + 1;
  const lines = origins.map(({ name, text, from }) => {
    const where = from === `--${name}` ? 'command line' : from;
    return `  ${`${name} ${text}`.padEnd(width)}  ${where}\n`;
  });
  return `\noptions\n${lines.join('')}`;
}
