/**
 * `--against`: the same plan played to two targets in turn, several times, and compared.
 *
 * Runs alternate, and which target goes first alternates, too (base, new, new, base, …), so that what
 * changes in the course of time, a machine that grows warm or busy, meets both alike. Both runs of a
 * round have the same seed.
 */
import { compareResults } from '../measure/compare-results.ts';
import type { NamedResult } from '../measure/merge-results.ts';
import type { RunResult } from '../measure/result.ts';
import { comparisonMarkdown } from '../report/comparison-markdown.ts';
import { comparisonText } from '../report/comparison-text.ts';
import { comparisonPage } from '../report/html/comparison-page.ts';
import { jsonReport } from '../report/json.ts';
import type { ReplayOptions, RunAnswers } from '../run/plan/options.ts';
import { BothAnswers } from './both-answers.ts';
import type { Context } from './context.ts';
import { ExitCode } from './exit-codes.ts';
import { type Outcome, outcomeOf } from './outcome.ts';
import { type Outputs, STDOUT } from './outputs.ts';

/** What is played to both targets. */
export interface Rounds {
  /** The options of the run to `--target`. */
  readonly next: ReplayOptions;
  /** Of the run to `--against`, which is the base. */
  readonly base: ReplayOptions;
  readonly rounds: number;
  /** Plays once. @param onAnswers is told what each request was answered, where it is given */
  play(options: ReplayOptions, onAnswers?: (answers: RunAnswers) => void): Promise<RunResult>;
  /** Whether no further round is to begin. */
  isInterrupted(): boolean;
  /** All is played: what follows is written. */
  onEnd(): void;
}

/**
 * Plays all rounds and writes the comparison.
 * @returns 99 where a threshold did not hold; where a run did not end as it should, its own outcome
 * @throws ReplayError as a single run and `compareResults` do; ERR_CLI_OUTPUT, ERR_CLI_STDOUT
 */
export async function replayAgainst(
  { next, base, rounds, play, isInterrupted, onEnd }: Rounds,
  outputs: Outputs,
  context: Pick<Context, 'files' | 'print' | 'columns' | 'version'>,
): Promise<Outcome> {
  const found = { base: [] as NamedResult[], new: [] as NamedResult[] };
  // Thresholds are for the whole: a single run has none, and no baseline that it could need.
  const options = { base: alone(base), new: alone(next) };
  const answers = new BothAnswers();
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? (['base', 'new'] as const) : (['new', 'base'] as const);
    for (const side of order) {
      const result = await play(
        options[side],
        next.check === 'off' ? undefined : (each) => answers.add(side, each),
      );
      found[side].push({ source: `${side} ${round + 1}`, result });
      const outcome = outcomeOf(result);
      if (outcome.code !== ExitCode.OK || isInterrupted()) {
        onEnd();
        await writeResults(found, outputs, context);
        return {
          ...outcome,
          message: outcome.message ?? `${side} ${round + 1} did not end as it should`,
        };
      }
    }
  }
  onEnd();
  await writeResults(found, outputs, context);
  const comparison = {
    ...compareResults(found.base, found.new, next.thresholds, false),
    answers: answers.compared,
  };
  const sides = { base: resultsOf(found.base), next: resultsOf(found.new) };
  const { folder, json, html } = outputs;
  const document = `${JSON.stringify(comparison, null, 2)}\n`;
  const page = async (): Promise<string> =>
    comparisonPage(
      comparison,
      { ...sides, version: context.version },
      await context.files.readHtmlAssets(),
    );
  const text = comparisonText(comparison, context.columns);
  const writeTo = async (path: string, content: string): Promise<void> =>
    await (path === STDOUT ? context.print(content) : context.files.write(path, content));
  if (json !== null) await writeTo(json, document);
  if (html !== null) await writeTo(html, await page());
  if (folder !== null) {
    await context.files.write(`${folder}/comparison.json`, document);
    await context.files.write(`${folder}/comparison.html`, await page());
    await context.files.write(`${folder}/comparison.md`, comparisonMarkdown(comparison));
    await context.files.write(`${folder}/comparison.txt`, comparisonText(comparison, null));
  }
  if (![json, html].includes(STDOUT)) await context.print(text);
  const isHeld = comparison.thresholds.every(({ ok }) => ok);
  return { code: isHeld ? ExitCode.OK : ExitCode.THRESHOLD, message: null };
}

const alone = (options: ReplayOptions): ReplayOptions => ({ ...options, thresholds: [] });

const resultsOf = (side: readonly NamedResult[]): RunResult[] => side.map(({ result }) => result);

/** Each run's result, so that nothing is lost where a later one fails. */
async function writeResults(
  found: Readonly<Record<string, readonly NamedResult[]>>,
  { folder }: Outputs,
  { files }: Pick<Context, 'files'>,
): Promise<void> {
  if (folder === null) return;
  for (const { source, result } of Object.values(found).flat()) {
    await files.write(`${folder}/${source.replace(' ', '-')}.json`, jsonReport(result));
  }
}
