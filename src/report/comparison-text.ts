/** A comparison for the terminal. */
import type { Comparison } from '../measure/compare-results.ts';
import {
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
import { alignRight, columnsOf, hanging, row, whole } from './layout.ts';

const MARKS = { good: '✓', mixed: '!', bad: '✗' } as const;

/** Lines, each ended by a newline. */
export function comparisonText(comparison: Comparison, columns: number | null): string {
  const width = columnsOf(columns);
  const { level, headline } = comparisonVerdict(comparison);
  const few = tooFewNote(comparison);
  const blocks = [
    [
      ...hanging(`${MARKS[level]} `, headline, width),
      ...comparison.thresholds.flatMap((outcome) =>
        hanging(`  ${outcome.ok ? '✓' : '✗'} ${outcome.expression}  `, outcomeText(outcome), width),
      ),
    ],
    sideRows(comparison).flatMap(([name, text]) => row(name, text, width)),
    // A table's lines stay whole: a screen that is narrower breaks them by itself.
    alignRight([COMPARISON_HEAD, ...comparisonRows(comparison)]),
    answerLines(comparison, width),
    [...comparison.notes, few ?? NOISE_NOTE].flatMap((note) => row('note', note, width)),
  ];
  return blocks
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.map((line) => `${line.trimEnd()}\n`).join(''))
    .join('\n');
}

/** As many are worth a look here. */
const ANSWERS_SHOWN = 5;

function answerLines(comparison: Comparison, width: number): string[] {
  const text = answersText(comparison);
  if (text === null) return [];
  const examples = answerRows(comparison).slice(0, ANSWERS_SHOWN);
  return [
    ...row('answers', text, width),
    ...examples.flatMap(([kind, request, base, next]) =>
      row('', `${whole(`${kind} ${base} → ${next}`)}: ${request}`, width),
    ),
  ];
}
