/** Where a replay's results go: the summary on stdout, documents in files or on stdout. */
import type { RunResult } from '../measure/result.ts';
import { jsonReport } from '../report/json.ts';
import { outputFiles } from '../report/output-files.ts';
import { type TextOptions, textReport } from '../report/text.ts';
import type { Context } from './context.ts';
import type { Files } from './files.ts';
import type { GivenOptions } from './given-options.ts';
import { wantsPlainText } from './progress.ts';

/** In place of a file: the document alone on stdout. */
export const STDOUT = '-';

export interface Outputs {
  /** The folder for all reports; `null`: none. */
  readonly folder: string | null;
  /** The file for the JSON document, `-` for stdout; `null`: none. */
  readonly json: string | null;
  readonly isQuiet: boolean;
  /** Whether progress is shown. */
  readonly isShown: boolean;
  /** How the summary is written. */
  readonly summary: TextOptions;
}

/** Reads the options about outputs. */
export function readOutputs(
  given: GivenOptions,
  context: Pick<Context, 'env' | 'columns' | 'rows'>,
): Outputs {
  return {
    folder: given.text('out')?.text ?? null,
    json: given.text('json')?.text ?? null,
    isQuiet: given.switch('quiet') ?? false,
    isShown: given.switch('progress') ?? true,
    summary: summaryOptions(given, context),
  };
}

/**
 * How a summary is written to stdout: for its terminal where it is one, and with colours there unless
 * the environment says no.
 */
export const summaryOptions = (
  given: GivenOptions,
  { env, columns, rows }: Pick<Context, 'env' | 'columns' | 'rows'>,
): TextOptions => ({
  color: columns !== null && !wantsPlainText(env),
  columns,
  rows,
  explain: given.switch('explain') ?? false,
});

/**
 * Makes the folder, and sees that everything can be written.
 * @throws ReplayError ERR_CLI_OUTPUT
 */
export async function checkOutputs({ folder, json }: Outputs, files: Files): Promise<void> {
  if (folder !== null) await files.makeFolder(folder);
  if (json !== null && json !== STDOUT) await files.checkWritable(json);
}

/**
 * Writes every report. One that cannot be written does not keep the others from being written; the
 * first fault is thrown at the end.
 * @throws ReplayError ERR_CLI_OUTPUT, ERR_CLI_STDOUT
 */
export async function writeOutputs(
  result: RunResult,
  { folder, json, isQuiet, summary }: Outputs,
  context: Pick<Context, 'files' | 'print' | 'log'>,
): Promise<void> {
  const writes: Promise<void>[] = [];
  if (json === STDOUT) {
    writes.push(context.print(jsonReport(result)));
    if (!isQuiet) context.log(textReport(result, { ...summary, color: false }));
  } else {
    writes.push(context.print(textReport(result, summary)));
    if (json !== null) writes.push(context.files.write(json, jsonReport(result)));
  }
  if (folder !== null) {
    for (const [name, content] of outputFiles(result)) {
      writes.push(context.files.write(`${folder}/${name}`, content));
    }
  }
  const outcomes = await Promise.allSettled(writes);
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
