/** The summary that a run ends with on the terminal. */
import { NS_PER_SECOND } from '../base/time.ts';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatNumber,
  formatRate,
} from '../base/units.ts';
import type { Ledger, RunResult } from '../measure/result.ts';
import { classesText, classLines } from './class-figures.ts';
import { differenceTexts } from './difference-figures.ts';
import { EXPLANATIONS } from './explanations.ts';
import {
  countText,
  filesText,
  nonZero,
  outcomeText,
  paceText,
  reasonsText,
  shareText,
  targetText,
  words,
} from './format.ts';
import { latencyLines } from './latency-figures.ts';
import { columnsOf, hanging, row, whole, wrap } from './layout.ts';
import { lossRows } from './losses.ts';
import { type Verdict, verdictOf } from './verdict.ts';

/** For what screen a summary is written. */
export interface TextOptions {
  /** Whether the terminal is to be asked for colours. */
  readonly color: boolean;
  /** Of the terminal; without one 80, which is never exceeded. */
  readonly columns?: number | null;
  /** Of the terminal: where the summary is longer, its verdict is said once more at its end. */
  readonly rows?: number | null;
  /** Whether every row is explained below the summary. */
  readonly explain?: boolean;
}

type Color = 'red' | 'green' | 'yellow' | 'bold';
type Paint = (text: string, color: Color) => string;

/** More warnings than this stand at the end, so that the first lines stay a first look. */
const WARNINGS_MAX = 3;
/** A day of rotated files is hundreds. */
const FILES_SHOWN = 3;

/** The summary, several lines of at most 80 characters, each ended by a newline. */
export function textReport(result: RunResult, options: TextOptions): string {
  const paint = painter(options);
  const width = columnsOf(options.columns);
  const verdict = verdictLines(result, paint, width);
  const { generator } = result;
  const warnings = byWeight(generator.warnings).map((text) => warningLines(text, paint, width));
  const blocks = [
    [
      ...verdict,
      ...thresholdLines(result, paint, width),
      ...warnings.slice(0, WARNINGS_MAX).flat(),
    ],
    whatBlock(result, width),
    ...loadBlocks(result, width),
    latencyLines(result.latency, width),
    options.explain === true ? classLines(result.classes, width) : [],
    [...lossRows(result, width), ...generatorRows(result, width)],
    warnings.slice(WARNINGS_MAX).flat(),
    options.explain === true ? explanationBlock(result, width) : [],
  ].filter((lines) => lines.length > 0);
  const rows = blocks.reduce((sum, lines) => sum + lines.length + 1, 0);
  // The prompt stands below.
  if (rows > (options.rows || Number.POSITIVE_INFINITY)) blocks.push(verdict);
  return blocks.map((lines) => lines.map((line) => `${line.trimEnd()}\n`).join('')).join('\n');
}

const MARKS: Readonly<Record<Verdict['level'], readonly [mark: string, color: Color]>> = {
  good: ['✓', 'green'],
  mixed: ['!', 'yellow'],
  bad: ['✗', 'red'],
};

function verdictLines(result: RunResult, paint: Paint, width: number): string[] {
  const { level, headline, caveat } = verdictOf(result);
  const text = caveat === null ? headline : `${headline} - BUT ${caveat}`;
  let at = 0;
  return wrap(text, width - 2).map((line, i) => {
    const bold = line.slice(0, Math.max(0, headline.length - at));
    const rest = line.slice(bold.length);
    at += line.length + 1;
    const head = i === 0 ? paint(...MARKS[level]) : ' ';
    return `${head} ${bold && paint(bold, 'bold')}${rest && paint(rest, 'yellow')}`;
  });
}

function thresholdLines({ thresholds }: RunResult, paint: Paint, width: number): string[] {
  const expressionWidth = Math.max(0, ...thresholds.map(({ expression }) => expression.length));
  return thresholds.flatMap((outcome) => {
    const text = `${outcome.expression.padEnd(expressionWidth)}  ${outcomeText(outcome)}`;
    const mark = MARKS[outcome.ok ? 'good' : 'bad'];
    // Two spaces side by side are kept where the line need not be broken.
    const lines = text.length + 4 <= width ? [text] : wrap(text, width - 4);
    return lines.map((line, i) => `  ${i === 0 ? paint(...mark) : ' '} ${line}`);
  });
}

/** Of what is missing from the figures, and not of what may only go wrong. */
const WEIGHTY = /\b(?:lost|missed|not sent|dropped|damaged|is gone|count as)\b/;

/** What touches the figures first, otherwise as they came. */
const byWeight = (warnings: readonly string[]): readonly string[] => [
  ...warnings.filter((text) => WEIGHTY.test(text)),
  ...warnings.filter((text) => !WEIGHTY.test(text)),
];

const warningLines = (text: string, paint: Paint, width: number): string[] =>
  wrap(text, width - 2).map((line, i) => `${i === 0 ? paint(...MARKS.mixed) : ' '} ${line}`);

function whatBlock(result: RunResult, width: number): string[] {
  const { capture, plan } = result;
  const iterations = iterationsText(plan);
  return [
    ...row(
      'capture',
      `${filesText(capture.files, FILES_SHOWN)}: ${sessionsText(capture.sessions)}`,
      width,
    ),
    ...row(
      'played',
      `by ${countText(plan.users, 'user')}${iterations} from ${plan.clients} to ` +
        `${targetText(plan)}, ${whole(`pace ${paceText(plan.pace)}`)}, accel ${plan.accel}, seed ${plan.seed}`,
      width,
    ),
    ...shareRow(result, width),
    ...row('arrivals', plan.arrivals, width),
    ...row('duration', durationText(result), width),
  ];
}

/** Which part of a divided run it is; nothing of a whole one. */
function shareRow({ shares: { of, played } }: RunResult, width: number): string[] {
  if (of === 1) return [];
  const text = played.length === of ? `all ${of}, added` : `${played.join(', ')} of ${of}`;
  return row(played.length === 1 ? 'share' : 'shares', text, width);
}

/** How often each user plays. */
function iterationsText({ iterations, untilSeconds }: RunResult['plan']): string {
  if (untilSeconds !== null) {
    return `, again and again until ${formatDuration(untilSeconds * NS_PER_SECOND)},`;
  }
  return iterations === 1 ? '' : `, ${formatCount(iterations)} times each`;
}

function sessionsText({ total, replayable, skipped }: RunResult['capture']['sessions']): string {
  const reasons = nonZero(skipped).map(([reason, count]) => `${formatCount(count)} ${reason}`);
  const left = reasons.length > 0 ? ` (skipped: ${reasons.join(', ')})` : '';
  return `${countText(total, 'session')}, ${formatCount(replayable)} of them replayable${left}`;
}

function durationText({ durationSeconds, wallSeconds, clock }: RunResult): string {
  const duration = formatDuration(durationSeconds * NS_PER_SECOND);
  if (clock === 'real') return duration;
  return `${duration} of virtual time in ${formatDuration(wallSeconds * NS_PER_SECOND)}`;
}

/** Where every user completed they need no block of their own. */
function loadBlocks(result: RunResult, width: number): string[][] {
  const { planned, completed, completedWithFailures, unackedFin } = result.users;
  const load = [...loadRows(result, width), ...differenceLines(result, width)];
  if (completed < planned || completedWithFailures + unackedFin > 0)
    return [load, usersBlock(result, width)];
  const [name, all] = result.clients === null ? ['users', ''] : ['clients', connectionsOf(result)];
  const many = formatCount(result.clients?.planned ?? planned);
  return [[...load, ...row(name, `${many}, all of them completed${all}`, width)]];
}

const connectionsOf = ({ users }: RunResult): string =>
  `, with ${formatCount(users.planned)} connections`;

/** What was unlike the recording most often, and an example of each. */
const differenceLines = (result: RunResult, width: number): string[] =>
  differenceTexts(result).flatMap((text, i) => row(i === 0 ? 'unlike' : '', text, width));

function loadRows(result: RunResult, width: number): string[] {
  const { rates, users, bytes, packets, embedded } = result;
  const rows: (readonly [string, string])[] = [
    ['due', dueText(result)],
    ['answered', answersText(result)],
    [
      'connected',
      `${countText(rates.connected, 'time')}, ${formatRate(rates.connections)}` +
        // A thread that was ended has not told how many it had.
        (users.peakEstablished > 0 || rates.connected === 0
          ? `, at most ${formatCount(users.peakEstablished)} at once`
          : ''),
    ],
    [
      'payload',
      `${formatBytes(bytes.sent)} sent in ${countText(packets.sent, 'packet')}, ` +
        `${formatBytes(bytes.received)} received in ${formatCount(packets.received)}`,
    ],
  ];
  const kinds = classesText(result);
  if (kinds !== null) rows.splice(2, 0, ['requests', kinds]);
  const written = rewritingText(result);
  if (written !== null) rows.push(['rewritten', written]);
  if (embedded !== null) {
    rows.push([
      'checked',
      `${formatBytes(embedded.octetsChecked)} at the embedded target: ` +
        `${formatCount(embedded.badOctets)} bytes wrong, ` +
        `${formatCount(embedded.badChecksums)} bad checksums`,
    ]);
  }
  return rows.flatMap(([label, text]) => row(label, text, width));
}

/** What modules have changed; null where they have not. */
function rewritingText({ rewriting }: RunResult): string | null {
  const { messages, unbound, answersRead, answersReadInPart } = rewriting;
  if (messages + unbound + answersRead === 0) return null;
  const parts = [countText(messages, 'request'), `${countText(answersRead, 'answer')} read`];
  if (answersReadInPart > 0) parts.push(`${formatCount(answersReadInPart)} of them in part`);
  if (unbound > 0) parts.push(`${formatCount(unbound)} sent before all was known`);
  return parts.map(whole).join(', ');
}

/** How many, how fast; and how fast they would be with answers as recorded. */
function dueText({ exchanges, rates }: RunResult): string {
  const { intended, unsent, skipped } = exchanges;
  const parts = [
    countText(intended, 'request'),
    `${formatRate(rates.due)} (as recorded: ${formatRate(rates.recorded)})`,
  ];
  if (skipped > 0) parts.push(`${formatCount(skipped)} left out by a module`);
  if (unsent > 0) parts.push(`${formatCount(unsent)} never sent`);
  return parts.map(whole).join(', ');
}

/** How many, which part of the recorded rate, how fast; and what is unlike the recording. */
function answersText({ exchanges, rates }: RunResult): string {
  const { answered, unanswered, mismatched, mismatchedBy, unchecked, otherLength, statuses } =
    exchanges;
  const { unsolicited, unfollowed, pingsAnswered, pushesAnswered } = exchanges;
  const classes = nonZero(statuses).map(([name, count]) => `${name} ${formatCount(count)}`);
  const parts = [
    formatCount(answered),
    `${formatRate(rates.achieved)} (${shareText(rates.achieved, rates.recorded)} of the recorded rate)`,
    ...(classes.length === 0 ? [] : [`status ${classes.join(', ')}`]),
  ];
  if (unanswered > 0) parts.push(`${formatCount(unanswered)} sent and not answered`);
  if (otherLength > 0)
    parts.push(`${formatCount(otherLength)} whole, but longer or shorter than recorded`);
  if (unfollowed > 0) parts.push(`${formatCount(unfollowed)} not as their protocol has it`);
  if (mismatched > 0)
    parts.push(
      `${formatCount(mismatched)} unlike the recorded ones (${mismatchText(mismatchedBy)})`,
    );
  if (unchecked > 0) parts.push(`${formatCount(unchecked)} unchecked`);
  if (unsolicited > 0) parts.push(`${formatCount(unsolicited)} times the target spoke unasked`);
  if (pingsAnswered > 0) parts.push(`${countText(pingsAnswered, 'ping')} of the target answered`);
  if (pushesAnswered > 0)
    parts.push(`${countText(pushesAnswered, 'message')} that the target pushed answered`);
  return parts.map(whole).join(', ');
}

/** `1,234 status, 5 length`. */
const mismatchText = (kinds: RunResult['exchanges']['mismatchedBy']): string =>
  nonZero(kinds)
    .map(([kind, count]) => `${formatCount(count)} ${kind}`)
    .join(', ');

const STATES = ['completed', 'refused', 'reset', 'timedOut', 'aborted', 'live', 'waiting'] as const;

function usersBlock(result: RunResult, width: number): string[] {
  if (result.clients === null) return ledgerBlock(result, width, 'users');
  return [...clientsRow(result.clients, width), ...ledgerBlock(result, width, 'connections')];
}

/** Clients are as their connections are: by state in one line. */
function clientsRow(clients: Ledger, width: number): string[] {
  const states = STATES.filter((state) => clients[state] !== 0);
  const list = states.map((state) => `${formatCount(clients[state])} ${words(state)}`).join(', ');
  return row('clients', `${formatCount(clients.planned)} planned: ${list}`, width);
}

function ledgerBlock({ users }: RunResult, width: number, what: string): string[] {
  const planned = formatCount(users.planned);
  const { completedWithFailures, unackedFin } = users;
  const completed = { completedWithFailures, unackedFin };
  const reasons = new Map(Object.entries({ ...users.reasons, completed }));
  const shown = STATES.filter((state) => state === 'completed' || users[state] !== 0);
  return [
    ...wrap(`${what}, by how they ended (${planned} planned)`, width),
    ...shown.flatMap((state) => {
      const share = shareText(users[state], users.planned).padStart(7);
      const count = formatCount(users[state]).padStart(planned.length);
      const head = `  ${words(state).padEnd(9)}  ${count} ${share}  `;
      return hanging(head, reasonsText(reasons.get(state) ?? {}), width);
    }),
  ];
}

function generatorRows({ generator, wallSeconds }: RunResult, width: number): string[] {
  const threads = generator.threads === 1 ? '1 thread' : `${generator.threads} threads`;
  const busy = wallSeconds > 0 ? formatNumber(generator.cpuSeconds / wallSeconds) : '-';
  const memory = formatBytes(generator.peakRssBytes);
  return [
    ...row(
      'generator',
      `${threads} and the main one: ${busy} cores busy, ${memory} of memory`,
      width,
    ),
    ...lateStartsText(generator).flatMap((text) => row('', text, width)),
    ...generator.notes.flatMap((note) => row('', note, width)),
  ];
}

function lateStartsText({ lateStarts, heldStarts, startLagMsMax }: RunResult['generator']) {
  if (lateStarts === 0) return [];
  const held = heldStarts === 0 ? '' : `, ${formatCount(heldStarts)} of them held back`;
  const latest = formatDuration((startLagMsMax / 1000) * NS_PER_SECOND);
  return [`${countText(lateStarts, 'user')} started late, by up to ${latest}${held}`];
}

function explanationBlock(result: RunResult, width: number): string[] {
  return EXPLANATIONS.flatMap(({ name, text }) => row(name, text(result), width));
}

const CODES = { red: 31, green: 32, yellow: 33, bold: 1 } as const;

const painter =
  ({ color }: TextOptions): Paint =>
  (text, name) =>
    color ? `\u001b[${CODES[name]}m${text}\u001b[0m` : text;
