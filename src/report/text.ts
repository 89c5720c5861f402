/** The summary that a run ends with on the terminal. */

import { NS_PER_SECOND } from '../base/time.ts';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatPercentage,
  formatRate,
} from '../base/units.ts';
import { LATENCY_MEANINGS, LATENCY_NAMES } from '../measure/histograms.ts';
import type { RunResult } from '../measure/result.ts';
import {
  LATENCY_COLUMNS,
  latencyCells,
  nonZero,
  outcomeText,
  shareText,
  targetText,
  words,
} from './format.ts';
import { type Verdict, verdictOf } from './verdict.ts';

export interface TextOptions {
  /** Whether the terminal is to be asked for colours. */
  readonly color: boolean;
}

type Color = 'red' | 'green' | 'yellow' | 'bold';
type Paint = (text: string, color: Color) => string;

/** The summary, several lines, each ended by a newline. */
export function textReport(result: RunResult, options: TextOptions): string {
  const paint = painter(options);
  const blocks = [
    verdictBlock(result, paint),
    whatBlock(result),
    ratesBlock(result),
    usersBlock(result),
    exchangesBlock(result),
    latencyBlock(result),
    lossesBlock(result),
    generatorBlock(result),
    warningsBlock(result, paint),
  ];
  return blocks
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.map((line) => `${line.trimEnd()}\n`).join(''))
    .join('\n');
}

const MARKS: Readonly<Record<Verdict['level'], readonly [mark: string, color: Color]>> = {
  good: ['✓', 'green'],
  mixed: ['!', 'yellow'],
  bad: ['✗', 'red'],
};

function verdictBlock(result: RunResult, paint: Paint): string[] {
  const { level, headline, caveat } = verdictOf(result);
  const mark = paint(...MARKS[level]);
  const end = caveat === null ? '' : paint(` - BUT ${caveat}`, 'yellow');
  const width = Math.max(0, ...result.thresholds.map(({ expression }) => expression.length));
  const outcomes = result.thresholds.map((outcome) => {
    const own = paint(...MARKS[outcome.ok ? 'good' : 'bad']);
    return `  ${own} ${outcome.expression.padEnd(width)}  ${outcomeText(outcome)}`;
  });
  return [`${mark} ${paint(headline, 'bold')}${end}`, ...outcomes];
}

function whatBlock({ capture, plan, clock, durationSeconds, ...result }: RunResult): string[] {
  const { sessions } = capture;
  const skipped = nonZero(sessions.skipped).map(
    ([reason, count]) => `${reason} ${formatCount(count)}`,
  );
  const duration = formatDuration(durationSeconds * NS_PER_SECOND);
  const wall = formatDuration(result.wallSeconds * NS_PER_SECOND);
  const times = clock === 'virtual' ? `${duration} of virtual time in ${wall}` : duration;
  const iterations = plan.iterations === 1 ? '' : `, ${formatCount(plan.iterations)} times each`;
  return [
    `capture    ${capture.files.join(', ')}: ${formatCount(sessions.total)} sessions, ` +
      `${formatCount(sessions.replayable)} of them replayable` +
      (skipped.length > 0 ? ` (skipped: ${skipped.join(', ')})` : ''),
    `played     by ${formatCount(plan.users)} users${iterations} from ${plan.clients} to ` +
      `${targetText(plan)}, pace ${plan.pace}, accel ${plan.accel}, seed ${plan.seed}`,
    `arrivals   ${plan.arrivals}`,
    `duration   ${times}`,
  ];
}

function ratesBlock({ rates, exchanges, users }: RunResult): string[] {
  const reached = shareText(rates.achieved, rates.offered);
  return [
    `offered    ${formatRate(rates.offered)} exchanges asked for by the plan ` +
      `(${formatCount(exchanges.intended)} came due)`,
    `achieved   ${formatRate(rates.achieved)} exchanges answered (${reached} of offered)`,
    `connected  ${formatRate(rates.connections)} new connections ` +
      `(${formatCount(rates.connected)}; at most ${formatCount(users.peakEstablished)} at once)`,
  ];
}

function usersBlock({ users }: RunResult): string[] {
  const reasons = new Map(Object.entries(users.reasons));
  const states = [
    'completed',
    'refused',
    'reset',
    'timedOut',
    'aborted',
    'live',
    'waiting',
  ] as const;
  const shown = states.filter((state) => state === 'completed' || users[state] !== 0);
  const width = formatCount(users.planned).length;
  return [
    `users, by how they ended (${formatCount(users.planned)} planned)`,
    ...shown.map((state) => {
      const why = nonZero(reasons.get(state) ?? {}).map(
        ([reason, n]) => `${words(reason)} ${formatCount(n)}`,
      );
      const share = shareText(users[state], users.planned).padStart(7);
      const count = formatCount(users[state]).padStart(width);
      return `  ${words(state).padEnd(9)}  ${count} ${share}  ${why.join(', ')}`;
    }),
  ];
}

function exchangesBlock({ exchanges, answerRules, bytes, packets, embedded }: RunResult): string[] {
  const rules = nonZero(answerRules).map(([rule, count]) => `${rule} ${formatCount(count)}`);
  const lines = [
    `exchanges  ${formatCount(exchanges.sent)} requests sent, ` +
      `${formatCount(exchanges.answered)} answered, ${formatCount(exchanges.unanswered)} not, ` +
      `${formatCount(exchanges.mismatched)} answers unlike the recorded ones`,
  ];
  if (rules.length > 0) lines.push(`           end of an answer told by: ${rules.join(', ')}`);
  lines.push(
    `payload    ${formatBytes(bytes.sent)} sent, ${formatBytes(bytes.received)} received, in ` +
      `${formatCount(packets.sent)} and ${formatCount(packets.received)} packets`,
  );
  if (embedded !== null) {
    lines.push(
      `checked    ${formatCount(embedded.octetsChecked)} octets received by the embedded target: ` +
        `${formatCount(embedded.badOctets)} wrong, ${formatCount(embedded.badChecksums)} bad checksums`,
    );
  }
  return lines;
}

function latencyBlock({ latency }: RunResult): string[] {
  const rows = LATENCY_NAMES.map((name) => [words(name), ...latencyCells(latency[name])]);
  const table = alignRight([['latency', 'count', ...LATENCY_COLUMNS], ...rows]);
  const meanings = LATENCY_NAMES.map(
    (name, i) => `  ${words(name).padEnd(11)} ${LATENCY_MEANINGS[i]}`,
  );
  return [...table, ...meanings];
}

function lossesBlock({ packets }: RunResult): string[] {
  const reasons = nonZero({
    retransmitted: packets.retransmitted,
    synRetransmitted: packets.synRetransmitted,
    ...packets.dropped,
  });
  if (reasons.length === 0)
    return ['losses     no packet was sent again, unsent, lost or of no use'];
  const width = Math.max(...reasons.map(([, count]) => formatCount(count).length));
  return [
    'losses, in packets by reason',
    ...reasons.map(([reason, n]) => {
      const meaning = LOSS_MEANINGS.get(reason) ?? words(reason);
      return `  ${formatCount(n).padStart(width)}  ${meaning}`;
    }),
  ];
}

const LOSS_MEANINGS: ReadonlyMap<string, string> = new Map([
  ['retransmitted', 'data or FIN sent again'],
  ['synRetransmitted', 'SYN sent again'],
  ['malformed', 'received: malformed'],
  ['notOurs', 'received: not for a user'],
  ['stale', 'received: for a connection that is over'],
  ['outOfWindow', 'received: outside the window'],
  ['outOfOrder', 'received: out of order and not kept'],
  ['ringFull', "lost: no room in the kernel's ring (received and not read in time)"],
  ['unsentNoBuffers', 'not sent: the kernel had no buffers'],
  ['unsentNotPermitted', 'not sent: not permitted'],
  ['unsentTooLong', 'not sent: longer than the interface allows'],
  ['unsentOther', 'not sent: other errors'],
]);

function generatorBlock({ generator, stateBytesPerUser, wallSeconds }: RunResult): string[] {
  const threads = generator.threads === 1 ? '1 thread' : `${generator.threads} threads`;
  const load = wallSeconds > 0 ? formatPercentage(generator.cpuSeconds / wallSeconds) : '-';
  const cpu = formatDuration(generator.cpuSeconds * NS_PER_SECOND);
  return [
    `generator  ${threads}, ${cpu} of CPU (${load} of a core), ` +
      `${formatBytes(generator.peakRssBytes)} of memory at most, ` +
      `${formatCount(stateBytesPerUser)} bytes of state per user`,
    ...generator.notes.map((note) => `           ${note}`),
  ];
}

const warningsBlock = ({ generator }: RunResult, paint: Paint): string[] =>
  generator.warnings.map((warning) => `${paint('warning', 'yellow')}    ${warning}`);

/** Rows of equal length; the first column to the left. */
function alignRight(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] + 2) : cell.padStart(widths[i])))
      .join('  ')
      .replace(/^(?!latency)/, '  ')
      .replace(/^latency {2}/, 'latency  '),
  );
}

const CODES = { red: 31, green: 32, yellow: 33, bold: 1 } as const;

const painter =
  ({ color }: TextOptions): Paint =>
  (text, name) =>
    color ? `\u001b[${CODES[name]}m${text}\u001b[0m` : text;
