/** `gryphon compare`: results of the same load side by side. */
import { type Comparison, compareResults } from '../measure/compare-results.ts';
import type { NamedResult } from '../measure/merge-results.ts';
import { comparisonMarkdown } from '../report/comparison-markdown.ts';
import { comparisonText } from '../report/comparison-text.ts';
import { comparisonPage } from '../report/html/comparison-page.ts';
import { parseResult } from '../report/json.ts';
import type { CommandInput } from './command-line.ts';
import type { Context } from './context.ts';
import { ExitCode } from './exit-codes.ts';
import { COMPARE_TABLE } from './options/compare-table.ts';
import type { ValuesOf } from './options/option.ts';
import { STDOUT } from './outputs.ts';

/**
 * Runs the command: the table on stdout, documents in files; 99 where a threshold did not hold.
 * @throws ReplayError (usage) for files that are no results, or not of the same load
 */
export async function compare({ given, faults, context }: CommandInput): Promise<ExitCode> {
  const paths = given.positionals('result');
  const values = given.read(COMPARE_TABLE);
  const isFirstBase = values.base.length === 0;
  const basePaths = isFirstBase ? paths.slice(0, 1) : values.base;
  const newPaths = isFirstBase ? paths.slice(1) : paths;
  if (basePaths.length === 0 || newPaths.length === 0) {
    faults.add('two results at least are compared', 'gryphon compare BASE.json NEW.json…');
  }
  const asked = [values.json, values.html, values.markdown].filter((path) => path !== null);
  if (asked.filter((path) => path === STDOUT).length > 1) {
    faults.add('more than one document is to go to stdout', 'give the others a file');
  }
  faults.throwIfAny();

  for (const path of asked) if (path !== STDOUT) await context.files.checkWritable(path);
  const [base, next] = await Promise.all([
    readAll(basePaths, context.files),
    readAll(newPaths, context.files),
  ]);
  const comparison = compareResults(base, next, values.threshold, values.force);
  await writeAll(comparison, { base, next }, values, context);
  return comparison.thresholds.every(({ ok }) => ok) ? ExitCode.OK : ExitCode.THRESHOLD;
}

const readAll = async (
  paths: readonly string[],
  files: Context['files'],
): Promise<readonly NamedResult[]> =>
  await Promise.all(
    paths.map(async (source) => ({
      source,
      result: await parseResult(await files.read(source), source),
    })),
  );

async function writeAll(
  comparison: Comparison,
  sides: { readonly base: readonly NamedResult[]; readonly next: readonly NamedResult[] },
  { json, html, markdown }: ValuesOf<typeof COMPARE_TABLE>,
  { files, print, columns, version }: Context,
): Promise<void> {
  const writeTo = async (path: string, text: string): Promise<void> =>
    await (path === STDOUT ? print(text) : files.write(path, text));
  if (json !== null) await writeTo(json, `${JSON.stringify(comparison, null, 2)}\n`);
  if (markdown !== null) await writeTo(markdown, comparisonMarkdown(comparison));
  if (html !== null) {
    const [base, next] = [sides.base, sides.next].map((side) => side.map(({ result }) => result));
    const page = comparisonPage(comparison, { base, next, version }, await files.readHtmlAssets());
    await writeTo(html, page);
  }
  if ([json, html, markdown].includes(STDOUT)) return;
  await print(comparisonText(comparison, columns));
}
