/** `gryphon merge`: add the results of a run's shares. */
import { measuredOf } from '../measure/measured.ts';
import { mergeResults } from '../measure/merge-results.ts';
import { parseResult } from '../report/json.ts';
import { readBaseline } from './baseline.ts';
import type { CommandInput } from './command-line.ts';
import type { ExitCode } from './exit-codes.ts';
import { MERGE_TABLE } from './options/merge-table.ts';
import { outcomeOf } from './outcome.ts';
import { checkOutputs, readOutputs, writeOutputs } from './outputs.ts';

/**
 * Runs the command; the code says what that of one run would have said.
 * @throws ReplayError (usage) for files that are no results, or not of the shares of one run
 */
export async function merge({ given, faults, context }: CommandInput): Promise<ExitCode> {
  const paths = given.positionals('result');
  if (paths.length === 0) faults.add('no result given', 'gryphon merge RESULT.json…');
  const values = given.read(MERGE_TABLE);
  const outputs = readOutputs({ ...values, quiet: false, progress: false }, faults, context);
  faults.throwIfAny();

  await checkOutputs(outputs, context.files);
  const baseline = await readBaseline(values, context.files);
  const results = await Promise.all(
    paths.map(async (source) => ({
      source,
      result: await parseResult(await context.files.read(source), source),
    })),
  );
  const before = baseline === null ? [] : [measuredOf(baseline)];
  const result = mergeResults(results, values.threshold, values.allowMissing, before);
  await writeOutputs(result, outputs, context);
  const { code, message } = outcomeOf(result);
  if (message !== null) context.log(`gryphon: ${message}\n`);
  return code;
}
