/** Where a replay's results go: the summary on stdout, documents in files or on stdout. */
import type { RunResult } from '../measure/result.ts';
import type { TextOptions } from '../report/text.ts';
import type { Context } from './context.ts';
import type { Files } from './files.ts';
import type { ValuesOf } from './options/option.ts';
import type { REPLAY_TABLE } from './options/replay-table.ts';
import { wantsPlainText } from './progress.ts';
import type { FaultList } from './usage-error.ts';

/** In place of a file: the document alone on stdout. */
export const STDOUT = '-';

/** Where a run's results go. */
export interface Outputs {
  /** The folder for all reports; `null`: none. */
  readonly folder: string | null;
  /** The file for the JSON document, `-` for stdout; `null`: none. */
  readonly json: string | null;
  /** The file for the HTML page, `-` for stdout; `null`: none. */
  readonly html: string | null;
  /** The file for the table of intervals, `-` for stdout; `null`: none. */
  readonly csv: string | null;
  readonly isQuiet: boolean;
  /** Whether progress is shown. */
  readonly isShown: boolean;
  /** How the summary is written. */
  readonly summary: TextOptions;
}

type OutputValues = Pick<
  ValuesOf<typeof REPLAY_TABLE>,
  'out' | 'json' | 'html' | 'csv' | 'quiet' | 'progress' | 'explain'
>;

/** Where outputs go, from the options as read. */
export function readOutputs(
  values: OutputValues,
  faults: FaultList,
  context: Pick<Context, 'env' | 'columns' | 'rows'>,
): Outputs {
  const { json, html, csv } = values;
  const toStdout = Object.entries({ json, html, csv }).filter(([, path]) => path === STDOUT);
  if (toStdout.length > 1) {
    const names = toStdout.map(([name]) => `--${name}`).join(' and ');
    faults.add(
      `${names} are ${toStdout.length === 2 ? 'both' : 'all'} to go to stdout`,
      'give one of them a file',
    );
  }
  return {
    folder: values.out,
    json,
    html,
    csv,
    isQuiet: values.quiet,
    isShown: values.progress,
    summary: summaryOptions(values, context),
  };
}

/**
 * How a summary is written to stdout: for its terminal where it is one, and with colours there unless
 * the environment says no.
 */
export const summaryOptions = (
  { explain }: Pick<OutputValues, 'explain'>,
  { env, columns, rows }: Pick<Context, 'env' | 'columns' | 'rows'>,
): TextOptions => ({
  color: columns !== null && !wantsPlainText(env),
  columns,
  rows,
  explain,
});

/**
 * Makes the folder, and sees that everything can be written.
 * @throws ReplayError ERR_CLI_OUTPUT
 */
export async function checkOutputs(
  { folder, json, html, csv }: Outputs,
  files: Files,
): Promise<void> {
  if (folder !== null) await files.makeFolder(folder);
  for (const path of [json, html, csv]) {
    if (path !== null && path !== STDOUT) await files.checkWritable(path);
  }
}

/**
 * Writes every report. One that cannot be written does not keep the others from being written; the
 * first fault is thrown at the end.
 * @throws ReplayError ERR_CLI_OUTPUT, ERR_CLI_STDOUT
 */
export async function writeOutputs(
  result: RunResult,
  outputs: Outputs,
  context: Pick<Context, 'files' | 'print' | 'log'>,
): Promise<void> {
  const { json, html, csv, isQuiet, summary } = outputs;
  // Reports are loaded after the run: nobody's first packet waits for them. And before anything is
  // written: a write that fails while nobody waits for it would end the process.
  const { textReport } = await import('../report/text.ts');
  const writes = [writeDocuments(result, outputs, context)];
  if ([json, html, csv].includes(STDOUT)) {
    if (!isQuiet) context.log(textReport(result, { ...summary, color: false }));
  } else {
    writes.push(context.print(textReport(result, summary)));
  }
  await settle(writes);
}

/**
 * Writes every report but the summary, as `writeOutputs` does.
 * @throws ReplayError ERR_CLI_OUTPUT, ERR_CLI_STDOUT
 */
export async function writeDocuments(
  result: RunResult,
  { folder, json, html, csv }: Outputs,
  context: Destination,
): Promise<void> {
  const writes: Promise<void>[] = [];
  if (json !== null) writes.push(writeJson(result, json, context));
  if (html !== null) writes.push(writeHtml(result, html, context));
  if (csv !== null) writes.push(writeCsv(result, csv, context));
  if (folder !== null) writes.push(writeFolder(result, folder, context.files));
  await settle(writes);
}

async function settle(writes: readonly Promise<void>[]): Promise<void> {
  const outcomes = await Promise.allSettled(writes);
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

type Destination = Pick<Context, 'files' | 'print'>;

const writeTo = async (path: string, text: string, { files, print }: Destination): Promise<void> =>
  await (path === STDOUT ? print(text) : files.write(path, text));

async function writeJson(result: RunResult, path: string, to: Destination): Promise<void> {
  const { jsonReport } = await import('../report/json.ts');
  await writeTo(path, jsonReport(result), to);
}

async function writeCsv(result: RunResult, path: string, to: Destination): Promise<void> {
  const { csvReport } = await import('../report/csv.ts');
  await writeTo(path, csvReport(result), to);
}

async function writeHtml(result: RunResult, path: string, to: Destination): Promise<void> {
  const { htmlReport } = await import('../report/html/html-report.ts');
  await writeTo(path, htmlReport(result, await to.files.readHtmlAssets()), to);
}

/**
 * Writes all reports into a folder that is there, one after another and the small ones first: where the disk
 * fills up, a page that does not fit takes no room from what tells the verdict.
 * @throws ReplayError ERR_CLI_OUTPUT the first fault, after the others were written
 */
export async function writeFolder(result: RunResult, folder: string, files: Files): Promise<void> {
  const { outputFiles } = await import('../report/output-files.ts');
  const contents = outputFiles(result, await files.readHtmlAssets());
  const smallFirst = [...contents].sort(([, a], [, b]) => a.length - b.length);
  const faults: unknown[] = [];
  for (const [name, text] of smallFirst) {
    await files.write(`${folder}/${name}`, text).catch((fault: unknown) => faults.push(fault));
  }
  if (faults.length > 0) throw faults[0];
}
