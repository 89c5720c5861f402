/** Where a replay's results go: the summary on stdout, documents in files or on stdout. */
import type { RunResult } from '../measure/result.ts';
import { jsonReport } from '../report/json.ts';
import { outputFiles } from '../report/output-files.ts';
import { textReport } from '../report/text.ts';
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
  /** Whether the summary may have colours. */
  readonly color: boolean;
}

/** Reads the options about outputs. */
export function readOutputs(
  given: GivenOptions,
  context: Pick<Context, 'env' | 'columns'>,
): Outputs {
  return {
    folder: given.text('out')?.text ?? null,
    json: given.text('json')?.text ?? null,
    isQuiet: given.switch('quiet') ?? false,
    isShown: given.switch('progress') ?? true,
    color: wantsColor(context),
  };
}

/** Whether what goes to stdout may have colours: on a terminal, unless the environment says no. */
export const wantsColor = ({ env, columns }: Pick<Context, 'env' | 'columns'>): boolean =>
  columns !== null && !wantsPlainText(env);

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
  { folder, json, isQuiet, color }: Outputs,
  context: Pick<Context, 'files' | 'print' | 'log'>,
): Promise<void> {
  const writes: Promise<void>[] = [];
  if (json === STDOUT) {
    writes.push(context.print(jsonReport(result)));
    if (!isQuiet) context.log(textReport(result, { color: false }));
  } else {
    writes.push(context.print(textReport(result, { color })));
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
