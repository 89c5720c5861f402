/** What a job of GitHub Actions is told: workflow commands that become annotations. */
import type { RunResult } from '../measure/result.ts';
import { outcomeText } from './format.ts';
import { verdictOf } from './verdict.ts';

/** GitHub shows no more of a kind for a step. */
const ANNOTATIONS_MAX = 10;

/** Of a summary: more is refused as a whole by GitHub, in octets. */
export const SUMMARY_BYTES_MAX = 1024 * 1024;

/**
 * `::error …` for each threshold that did not hold (else for a run that failed), `::warning …` for what is
 * to be known; a line each.
 */
export function githubAnnotations(result: RunResult): readonly string[] {
  const { level, headline, caveat } = verdictOf(result);
  const failed = result.thresholds.filter(({ ok }) => !ok);
  const errors = failed.map((outcome) =>
    command('error', outcome.expression, `found ${outcomeText(outcome)}`),
  );
  if (level === 'bad' && errors.length === 0) errors.push(command('error', 'gryphon', headline));
  const said = [...(caveat === null ? [] : [caveat]), ...result.generator.warnings];
  const warnings = said.map((text) => command('warning', 'gryphon', text));
  return [...errors.slice(0, ANNOTATIONS_MAX), ...warnings.slice(0, ANNOTATIONS_MAX)];
}

/** A workflow command, as the runner's toolkit escapes it. */
const command = (kind: 'error' | 'warning', title: string, text: string): string =>
  `::${kind} title=${escaped(title).replaceAll(':', '%3A').replaceAll(',', '%2C')}::${escaped(text)}`;

const escaped = (text: string): string =>
  text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
