/** What the laboratory found: the modes side by side. */

import { NS_PER_SECOND } from '../base/time.ts';
import { formatBytes, formatCount, formatDuration } from '../base/units.ts';
import type { RunResult } from '../measure/result.ts';
import { formatMs } from './format.ts';
import { alignRight, columnsOf, hanging } from './layout.ts';
import { verdictOf } from './verdict.ts';

/** One mode's replay. */
export interface LabModeReport {
  readonly mode: string;
  /** The replay's exit code; null: it was not run. */
  readonly code: number | null;
  /** null: it ended before there was anything to report. */
  readonly result: RunResult | null;
  /** Why it was not run, or did not end well; null: there is nothing to say. */
  readonly why: string | null;
}

type Figure = (result: RunResult) => string;

const FIGURES: readonly (readonly [name: string, figure: Figure])[] = [
  ['users completed', ({ users }) => formatCount(users.completed)],
  ['  of', ({ users }) => formatCount(users.planned)],
  ['answered', ({ exchanges }) => formatCount(exchanges.answered)],
  ['  of', ({ exchanges }) => formatCount(exchanges.planned)],
  ['connect p50', ({ latency }) => formatMs(latency.connect.p50)],
  ['response p50', ({ latency }) => formatMs(latency.response.p50)],
  ['response p99', ({ latency }) => formatMs(latency.response.p99)],
  ['packets sent', ({ packets }) => formatCount(packets.sent)],
  ['  received', ({ packets }) => formatCount(packets.received)],
  ['  sent again', ({ packets }) => formatCount(packets.retransmitted + packets.synRetransmitted)],
  ['payload sent', ({ bytes }) => formatBytes(bytes.sent)],
  ['  received', ({ bytes }) => formatBytes(bytes.received)],
  ['duration', ({ durationSeconds }) => formatDuration(durationSeconds * NS_PER_SECOND)],
];

/**
 * A verdict, the table, and a line for each mode that there is something to say of.
 * @param isGood whether the exit code is 0
 * @param columns of the screen; null: it has none
 */
export function labText(
  reports: readonly LabModeReport[],
  isGood: boolean,
  columns: number | null,
): string {
  const width = columnsOf(columns);
  const table = [
    ['', ...reports.map(({ mode }) => mode)],
    ['verdict', ...reports.map(markOf)],
    ...FIGURES.map(([name, figure]) => [
      name,
      ...reports.map(({ result }) => (result === null ? '-' : figure(result))),
    ]),
  ];
  const notes = reports.flatMap((report) => {
    const text = noteOf(report);
    return text === null ? [] : hanging(`${report.mode}: `, text, width);
  });
  const blocks = [[`${isGood ? '✓' : '✗'} ${headline(reports)}`], alignRight(table), notes].filter(
    (lines) => lines.length > 0,
  );
  return blocks.map((lines) => lines.map((line) => `${line.trimEnd()}\n`).join('')).join('\n');
}

function headline(reports: readonly LabModeReport[]): string {
  const run = reports.filter(({ code }) => code !== null);
  const done = run.filter(({ code }) => code === 0);
  const left = reports.length - run.length;
  const without = left === 0 ? '' : `; ${left} not run`;
  if (run.length === 0) return `no mode could be run${without}`;
  return `${done.length} of ${run.length} ${run.length === 1 ? 'mode' : 'modes'} did what was asked for${without}`;
}

function markOf({ code, result }: LabModeReport): string {
  if (code === null) return 'not run';
  if (code !== 0) return `✗ (${code})`;
  return result !== null && verdictOf(result).level === 'mixed' ? '!' : '✓';
}

function noteOf({ result, why, code }: LabModeReport): string | null {
  if (why !== null) return code === null ? `not run: ${why}` : why;
  if (result === null) return code === 0 ? null : `it ended with ${code}`;
  const { level, headline: text, caveat } = verdictOf(result);
  if (level === 'good') return caveat;
  return caveat === null ? text : `${text} - BUT ${caveat}`;
}
