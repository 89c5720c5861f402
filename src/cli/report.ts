/** `gryphon report`: render the result of a run again. */
import type { RunResult } from '../measure/result.ts';
import { csvReport } from '../report/csv.ts';
import { hgrmReport } from '../report/hgrm.ts';
import { hlogReport } from '../report/hlog.ts';
import { htmlReport } from '../report/html/html-report.ts';
import { parseResult } from '../report/json.ts';
import { junitReport } from '../report/junit.ts';
import { markdownReport } from '../report/markdown.ts';
import { textReport } from '../report/text.ts';
import type { CommandInput } from './command-line.ts';
import { ExitCode } from './exit-codes.ts';
import { REPORT_TABLE } from './options/report-table.ts';
import { STDOUT, summaryOptions, writeFolder } from './outputs.ts';

type Render = (result: RunResult) => string | Promise<string>;

/**
 * Runs the command: what it was asked for in files or on stdout, else the summary. The code says
 * whether that worked; whether the run did, `replay` has said.
 * @throws ReplayError (usage) for a file that is no result, or cannot be read or written
 */
export async function report({ given, faults, context }: CommandInput): Promise<ExitCode> {
  const [path, ...more] = given.positionals('result');
  if (path === undefined) faults.add('no result given', 'gryphon report RESULT.json');
  if (more.length > 0) {
    faults.add(
      'several results at once cannot be rendered',
      'gryphon compare puts them side by side, gryphon merge adds those of shares',
    );
  }
  const values = given.read(REPORT_TABLE);
  const formats: readonly (readonly [string | null, Render])[] = [
    [values.html, async (result) => htmlReport(result, await context.files.readHtmlAssets())],
    [values.markdown, markdownReport],
    [values.junit, junitReport],
    [values.hgrm, (result) => hgrmReport(result, values.latency)],
    [values.hlog, hlogReport],
    [values.csv, csvReport],
  ];
  const asked = formats.flatMap(([to, render]) => (to === null ? [] : [{ to, render }]));
  const folder = values.out;
  if (asked.filter(({ to }) => to === STDOUT).length > 1) {
    faults.add('more than one report is to go to stdout', 'give the others a file');
  }
  const summary = summaryOptions(values, context);
  faults.throwIfAny();

  const result = await parseResult(await context.files.read(path ?? ''), path ?? '');
  for (const { to, render } of asked) {
    if (to === STDOUT) await context.print(await render(result));
    else await context.files.write(to, await render(result));
  }
  if (folder !== null) {
    await context.files.makeFolder(folder);
    await writeFolder(result, folder, context.files);
  }
  if (asked.length === 0 && folder === null) {
    await context.print(textReport(result, summary));
  }
  return ExitCode.OK;
}
