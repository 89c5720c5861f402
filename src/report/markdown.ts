/** The result as Markdown, for a CI job's summary page or a pull request. */
import { NS_PER_SECOND } from '../base/time.ts';
import { formatCount, formatDuration, formatRate } from '../base/units.ts';
import { LATENCY_MEANINGS, LATENCY_NAMES } from '../measure/histograms.ts';
import type { RunResult } from '../measure/result.ts';
import {
  LATENCY_COLUMNS,
  latencyCells,
  nonZero,
  outcomeText,
  targetText,
  words,
} from './format.ts';
import { verdictOf } from './verdict.ts';

const MARKS = { good: '✅', mixed: '⚠️', bad: '❌' } as const;

/** A heading with the verdict, then thresholds, rates, users, latency and losses. */
export function markdownReport(result: RunResult): string {
  const { level, headline, caveat } = verdictOf(result);
  const sections = [
    [`## ${MARKS[level]} gryphon: ${plain(headline)}`],
    caveat === null ? [] : [`> ⚠️ ${plain(caveat)}`],
    thresholdTable(result),
    figureTable(result),
    latencyTable(result),
    LATENCY_NAMES.map((name, i) => `- **${words(name)}**: ${LATENCY_MEANINGS[i]}`),
    result.generator.warnings.map((warning) => `> ⚠️ ${plain(warning)}`),
  ];
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

function thresholdTable({ thresholds }: RunResult): string[] {
  if (thresholds.length === 0) return [];
  const rows = thresholds.map((outcome) => [
    outcome.ok ? '✅' : '❌',
    outcome.expression,
    outcomeText(outcome),
  ]);
  return table(['', 'threshold', 'found'], rows, TEXT);
}

function figureTable({
  capture,
  plan,
  rates,
  users,
  exchanges,
  packets,
  ...rest
}: RunResult): string[] {
  const ended = (
    ['completed', 'refused', 'reset', 'timedOut', 'aborted', 'live', 'waiting'] as const
  )
    .filter((state) => users[state] > 0)
    .map((state) => `${words(state)} ${formatCount(users[state])}`);
  const losses = nonZero({
    retransmitted: packets.retransmitted,
    synRetransmitted: packets.synRetransmitted,
    ...packets.dropped,
  }).map(([reason, count]) => `${words(reason)} ${formatCount(count)}`);
  return table(
    ['figure', 'value'],
    [
      [
        'capture',
        `${capture.files.join(', ')} (${formatCount(capture.sessions.replayable)} sessions)`,
      ],
      ['target', targetText(plan)],
      ['duration', `${formatDuration(rest.durationSeconds * NS_PER_SECOND)} (${rest.clock} time)`],
      ['exchanges offered', formatRate(rates.offered)],
      [
        'exchanges achieved',
        `${formatRate(rates.achieved)}, ${formatCount(exchanges.answered)} in all`,
      ],
      ['new connections', formatRate(rates.connections)],
      [`users (${formatCount(users.planned)} planned)`, ended.join(', ') || 'none'],
      ['lost or sent again (packets)', losses.join(', ') || 'none'],
    ],
    TEXT,
  );
}

const latencyTable = ({ latency }: RunResult): string[] =>
  table(
    ['latency', 'count', ...LATENCY_COLUMNS],
    LATENCY_NAMES.map((name) => [words(name), ...latencyCells(latency[name])]),
    FIGURES,
  );

/** How the cells after the first are aligned. */
const TEXT = ' --- |';
const FIGURES = ' ---: |';

const table = (
  head: readonly string[],
  rows: readonly (readonly string[])[],
  alignment: string,
): string[] => [row(head), `| --- |${alignment.repeat(head.length - 1)}`, ...rows.map(row)];

const row = (cells: readonly string[]): string => `| ${cells.map(plain).join(' | ')} |`;

/** Text that is nothing but text, in a table cell too. */
const plain = (text: string): string =>
  text
    .replace(/\r?\n/g, ' ')
    .replace(/[\\|`*_[\]]/g, '\\$&')
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;');
