/** The result as Markdown, for a CI job's summary page or a pull request. */
import { NS_PER_SECOND } from '../base/time.ts';
import { formatCount, formatDuration, formatRate } from '../base/units.ts';
import type { Ledger, RunResult } from '../measure/result.ts';
import { classTable } from './class-figures.ts';
import { differenceRows } from './difference-figures.ts';
import { nonZero, outcomeText, shareText, targetText, words } from './format.ts';
import { latencyMeanings, latencyTable } from './latency-figures.ts';
import { verdictOf } from './verdict.ts';

/** In place of colours. */
export const MARKS = { good: '✅', mixed: '⚠️', bad: '❌' } as const;

/** A heading with the verdict, then thresholds, rates, users, latency and losses. */
export function markdownReport(result: RunResult): string {
  const { level, headline, caveat } = verdictOf(result);
  const sections = [
    [`## ${MARKS[level]} gryphon: ${plain(headline)}`],
    caveat === null ? [] : [`> ⚠️ ${plain(caveat)}`],
    thresholdTable(result),
    factTable(result),
    figureTable(result),
    classesTable(result),
    differenceTable(result),
    latencyMeanings(result.latency).map(([name, meaning]) => `- **${name}**: ${meaning}`),
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

const STATES = ['completed', 'refused', 'reset', 'timedOut', 'aborted', 'live', 'waiting'] as const;

function ledgerRow(what: string, ledger: Ledger): [string, string] {
  const ended = STATES.filter((state) => ledger[state] > 0).map(
    (state) => `${words(state)} ${formatCount(ledger[state])}`,
  );
  return [`${what} (${formatCount(ledger.planned)} planned)`, ended.join(', ') || 'none'];
}

function factTable({
  capture,
  plan,
  rates,
  users,
  exchanges,
  packets,
  ...rest
}: RunResult): string[] {
  const { clients } = rest;
  const who = clients === null ? 'users' : 'connections';
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
      ['due', `${formatCount(exchanges.intended)} requests, ${formatRate(rates.due)}`],
      ['due as recorded', formatRate(rates.recorded)],
      [
        'answered',
        `${formatCount(exchanges.answered)}, ${formatRate(rates.achieved)}` +
          ` (${shareText(rates.achieved, rates.recorded)} of the recorded rate)`,
      ],
      ...nonZero({
        'requests never sent': exchanges.unsent,
        'requests not answered': exchanges.unanswered,
        'answers unlike the recorded ones': exchanges.mismatched,
        'answers that could not be checked': exchanges.unchecked,
        'times the target spoke unasked': exchanges.unsolicited,
      }).map(([what, count]) => [what, formatCount(count)]),
      ['connected', `${formatCount(rates.connected)}, ${formatRate(rates.connections)}`],
      ...(clients === null ? [] : [ledgerRow('clients', clients)]),
      ledgerRow(who, users),
      ['lost or sent again (packets)', losses.join(', ') || 'none'],
    ],
    TEXT,
  );
}

function figureTable({ latency }: RunResult): string[] {
  const [head = [], ...rows] = latencyTable(latency);
  return table(head, rows, FIGURES);
}

/** Of many classes those on which most time was spent. */
const CLASSES_SHOWN = 20;

function classesTable({ classes }: RunResult): string[] {
  if (classes.length === 0) return [];
  const [head = [], ...rows] = classTable(classes);
  const more = rows.length - CLASSES_SHOWN;
  return [
    ...table(head, rows.slice(0, CLASSES_SHOWN), FIGURES),
    ...(more <= 0 ? [] : ['', `${formatCount(more)} more in \`classes.csv\` and \`result.json\``]),
  ];
}

function differenceTable(result: RunResult): string[] {
  const rows = differenceRows(result);
  if (rows.length === 0) return [];
  return table(['unlike the recording', 'recorded → came', 'answers', 'for instance'], rows, TEXT);
}

/** How the cells after the first are aligned: as text. */
export const TEXT = ' --- |';
/** Or as figures. */
export const FIGURES = ' ---: |';

/** A table of plain text. */
export const table = (
  head: readonly string[],
  rows: readonly (readonly string[])[],
  alignment: string,
): string[] => [row(head), `| --- |${alignment.repeat(head.length - 1)}`, ...rows.map(row)];

const row = (cells: readonly string[]): string => `| ${cells.map(plain).join(' | ')} |`;

/** Whatever ends a line somewhere, and a row of a table with it; other controls come with it. */
const LINE_END = /\r\n|[\p{Cc}\u2028\u2029]/gu;

/** Text that is nothing but text, in a table cell too. */
export const plain = (text: string): string =>
  text
    .replace(LINE_END, ' ')
    .replace(/[\\|`*_~[\]]/g, '\\$&')
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;');
