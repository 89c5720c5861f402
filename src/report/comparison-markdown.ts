/** A comparison as Markdown, for a pull request or a job's summary page. */
import type { Comparison } from '../measure/compare-results.ts';
import {
  ANSWERS_HEAD,
  answerRows,
  answersText,
  COMPARISON_HEAD,
  comparisonRows,
  comparisonVerdict,
  NOISE_NOTE,
  sideRows,
  tooFewNote,
} from './comparison-words.ts';
import { outcomeText } from './format.ts';
import { FIGURES, MARKS, plain, TEXT, table } from './markdown.ts';

/** A heading with the verdict, the thresholds, the figures and what to know of them. */
export function comparisonMarkdown(comparison: Comparison): string {
  const { level, headline } = comparisonVerdict(comparison);
  const thresholds = comparison.thresholds.map((outcome) => [
    outcome.ok ? '✅' : '❌',
    outcome.expression,
    outcomeText(outcome),
  ]);
  const answers = answersText(comparison);
  const rows = answerRows(comparison);
  const sections = [
    [`## ${MARKS[level]} gryphon: ${plain(headline)}`],
    thresholds.length === 0 ? [] : table(['', 'threshold', 'found'], thresholds, TEXT),
    table(COMPARISON_HEAD, comparisonRows(comparison), FIGURES),
    answers === null ? [] : [plain(answers)],
    rows.length === 0 ? [] : table(ANSWERS_HEAD, rows, TEXT),
    sideRows(comparison).map(([name, text]) => `- **${name}**: ${plain(text)}`),
    comparison.notes.map((note) => `> ⚠️ ${plain(note)}`),
    [plain(tooFewNote(comparison) ?? NOISE_NOTE)],
  ];
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}
