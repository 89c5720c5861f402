/** What the doctor found, a line each, with what mends it below. */
import type { Finding } from '../doctor/observations.ts';
import { columnsOf, hanging } from './layout.ts';

const MARKS = { good: '✓', bad: '✗', unknown: '?' } as const;
const WHAT_COLUMNS = 20;

/**
 * Findings as text.
 * @param columns of the screen; null: it has none
 */
export function doctorText(findings: readonly Finding[], columns: number | null): string {
  const width = columnsOf(columns);
  const lines = findings.flatMap(({ state, what, text, mend }) => {
    const head = `${MARKS[state]} ${what.padEnd(WHAT_COLUMNS)}`;
    const indent = ' '.repeat(4);
    // A command is never broken: it is to be copied.
    const mending = mend === null ? [] : [`${indent}→ ${mend}`];
    return [...hanging(`${head} `, text, width), ...mending];
  });
  const bad = findings.filter(({ state }) => state === 'bad').length;
  const unknown = findings.filter(({ state }) => state === 'unknown').length;
  const rest = unknown === 0 ? '' : `; ${unknown} cannot be told from here`;
  const verdict =
    bad === 0
      ? `${unknown === 0 ? '✓' : '!'} nothing is wrong that can be seen from here${rest}`
      : `✗ ${bad === 1 ? 'one thing is' : `${bad} things are`} wrong${rest}`;
  return `${[verdict, '', ...lines].join('\n')}\n`;
}
