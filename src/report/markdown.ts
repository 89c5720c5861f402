/** The result as Markdown, for a CI job's summary page or a pull request. */
import { NS_PER_SECOND } from '../base/time.ts';
import { formatCount, formatDuration, formatRate } from '../base/units.ts';
import { LATENCY_MEANINGS, LATENCY_NAMES } from '../measure/histograms.ts';
import type { RunResult } from '../measure/result.ts';
import { LATENCY_COLUMNS, latencyCells, nonZero, outcomeText, words } from './format.ts';
import { verdictOf } from './verdict.ts';

/** A heading with the verdict, then thresholds, rates, users, latency and losses. */
export function markdownReport(result: RunResult): string {
  const { ok, headline, caveat } = verdictOf(result);
  const sections = [
    [`## ${ok ? '✅' : '❌'} gryphon: ${plain(headline)}`],
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
    `\`${outcome.expression}\``,
    outcomeText(outcome),
  ]);
  return table(['', 'threshold', 'found'], rows);
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
      ['target', `${plan.target} (${plan.mode})`],
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
  );
}

const latencyTable = ({ latency }: RunResult): string[] =>
  table(
    ['latency', 'count', ...LATENCY_COLUMNS],
    LATENCY_NAMES.map((name) => [words(name), ...latencyCells(latency[name])]),
  );

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string[] => [
  row(head),
  `|${head.map((_, i) => (i === 0 ? ' --- |' : ' ---: |')).join('')}`,
  ...rows.map(row),
];

const row = (cells: readonly string[]): string => `| ${cells.map(plain).join(' | ')} |`;

/** Text that is nothing but text, in a table cell too. */
const plain = (text: string): string =>
  text.replace(/\r?\n/g, ' ').replace(/\|/g, '\\|').replace(/</g, '&lt;');
