/** How far a run has got, on a few lines, for terminals with room for them. */
import { formatCount, formatDuration, formatRate } from '../base/units.ts';
import type { ProgressSnapshot } from '../run/plan/options.ts';
import { progressHead, progressLine } from './progress-line.ts';

/** Narrower terminals, and lower ones, have one line. */
const PANEL_COLUMNS = 80;
const PANEL_ROWS = 10;

/** Columns of the words before the figures. */
const LABEL_COLUMNS = 10;

/**
 * What a terminal of so many columns and rows shows of a snapshot: lines that are shorter than it is
 * wide. While users are played these are six where there is room, else it is one.
 */
export function progressLines(
  snapshot: ProgressSnapshot,
  { columns, rows }: { readonly columns: number; readonly rows: number },
): readonly string[] {
  const hasRoom = columns >= PANEL_COLUMNS && rows >= PANEL_ROWS;
  const isPlaying = snapshot.phase === 'replaying' || snapshot.phase === 'draining';
  const width = columns - 1;
  if (!hasRoom || !isPlaying) return [progressLine(snapshot, width)];
  const { users, losses, lagNsP99 } = snapshot;
  const ended = [
    counted(users.refused, 'refused'),
    counted(users.reset, 'reset'),
    counted(users.timedOut, 'timed out'),
    counted(users.aborted, 'aborted'),
  ];
  const played = [
    counted(users.waiting, 'waiting'),
    counted(users.live, 'live'),
    `${formatCount(users.completed)} of ${formatCount(users.planned)} done`,
  ];
  const lost = [
    counted(losses.retransmitted, 'sent again'),
    counted(losses.unsent, 'not sent'),
    counted(losses.ringFull, 'replies dropped here'),
  ];
  return [
    progressHead(snapshot, width),
    row('now', nowOf(snapshot), width),
    row('users', played, width),
    row('failed', ended, width),
    row('packets', lost, width),
    row('generator', [lagNsP99 === null ? '-' : `lag p99 ${formatDuration(lagNsP99)}`], width),
  ];
}

/** Rate and latencies since the snapshot before. */
function nowOf({ rates, responseNsP50, responseNsP99 }: ProgressSnapshot): string[] {
  const parts: string[] = [];
  if (rates !== null) {
    parts.push(`${formatRate(rates.achieved)} of ${formatRate(rates.wanted)} wanted`);
  }
  if (responseNsP50 !== null) parts.push(`p50 ${formatDuration(responseNsP50)}`);
  if (responseNsP99 !== null) parts.push(`p99 ${formatDuration(responseNsP99)}`);
  return parts.length > 0 ? parts : ['-'];
}

const counted = (count: number, what: string): string => `${formatCount(count)} ${what}`;

/** As many of the parts, from the first on, as fit: a number that is cut would be another one. */
function row(label: string, parts: readonly string[], columns: number): string {
  let line = label.padEnd(LABEL_COLUMNS);
  for (const [i, part] of parts.entries()) {
    const longer = `${line}${i === 0 ? '' : ', '}${part}`;
    if (longer.length > columns) break;
    line = longer;
  }
  return line;
}
