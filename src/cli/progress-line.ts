/** How far a run has got, in one line: of any width on a terminal, in full elsewhere. */
import { NS_PER_MS } from '../base/time.ts';
import { formatBytes, formatCount, formatDuration, formatRate } from '../base/units.ts';
import type { ProgressSnapshot } from '../run/plan/options.ts';

/** In full: `replaying 12.0 s of about 2m 00s, 500 live, 1,234 of 10,000 done, 3 failed, …`. */
export function progressText(snapshot: ProgressSnapshot): string {
  const found = partsOf(snapshot);
  const parts = FULL.map((name) => found.get(name) ?? '').filter((text) => text !== '');
  return `${snapshot.phase} ${parts.join(', ')}`.trimEnd();
}

/**
 * In at most so many characters: `replaying 3 failed, 998/s, p99 12.3 ms, [==   ] 25%, …`. What matters
 * least is left out first.
 */
export function progressLine(snapshot: ProgressSnapshot, columns: number): string {
  const found = partsOf(snapshot);
  let chosen: readonly PartName[] = [];
  for (const name of BY_WEIGHT) {
    const text = found.get(name) ?? '';
    if (text === '') continue;
    // The longer form of what is there already goes in its place.
    const tried = [...chosen.filter((each) => each !== SHORT_FORM.get(name)), name];
    if (lineOf(tried, found).length <= columns) chosen = tried;
  }
  return lineOf(chosen, found);
}

/** The first of several lines, in at most so many characters: phase, bar and time. */
export function progressHead(snapshot: ProgressSnapshot, columns: number): string {
  const found = partsOf(snapshot);
  const line = lineOf(['phase', 'bar', 'time'], found);
  return line.length <= columns ? line : lineOf(['phase', 'percent'], found);
}

/** How much of the current phase is done, 0..1. */
export function progressShare({ phase, capture, users }: ProgressSnapshot): number {
  if (phase === 'indexing') return capture.bytes === 0 ? 0 : capture.bytesRead / capture.bytes;
  if (phase === 'preparing' || users.planned === 0) return 0;
  return 1 - (users.waiting + users.live) / users.planned;
}

type PartName =
  | 'phase'
  | 'failed'
  | 'rate'
  | 'rates'
  | 'p99'
  | 'percent'
  | 'bar'
  | 'amount'
  | 'speed'
  | 'left'
  | 'time'
  | 'done'
  | 'live';

/** In the order in which they stand on a terminal. */
const SHOWN: readonly PartName[] = [
  'phase',
  'failed',
  'rate',
  'rates',
  'p99',
  'bar',
  'percent',
  'amount',
  'speed',
  'left',
  'time',
  'done',
  'live',
];

/** What is wrong first, then how far it is, then how it looks. */
const BY_WEIGHT: readonly PartName[] = [
  'failed',
  'rate',
  'p99',
  'amount',
  'percent',
  'left',
  'time',
  'phase',
  'rates',
  'done',
  'speed',
  'bar',
  'live',
];

/** In the order of a log's line. */
const FULL: readonly PartName[] = [
  'time',
  'live',
  'done',
  'failed',
  'rates',
  'p99',
  'amount',
  'speed',
  'left',
];

const SHORT_FORM: ReadonlyMap<PartName, PartName> = new Map([
  ['rates', 'rate'],
  ['bar', 'percent'],
]);

/** Columns between the brackets. */
const BAR_COLUMNS = 10;

function lineOf(names: readonly PartName[], found: ReadonlyMap<PartName, string>): string {
  const parts = SHOWN.filter((name) => names.includes(name)).map((name) => found.get(name) ?? '');
  if (!names.includes('phase')) return parts.join(', ');
  const [phase = '', ...rest] = parts;
  return `${phase} ${rest.join(', ')}`.trimEnd();
}

/** What there is to say of a snapshot, by name. */
function partsOf(snapshot: ProgressSnapshot): ReadonlyMap<PartName, string> {
  const { phase, capture } = snapshot;
  const parts = new Map<PartName, string>([['phase', phase]]);
  if (phase === 'preparing' || (phase === 'indexing' && capture.bytes === 0)) return parts;
  const share = progressShare(snapshot);
  const percent = `${Math.floor(share * 100)}%`;
  parts.set('percent', percent);
  parts.set(
    'bar',
    `[${'='.repeat(Math.round(share * BAR_COLUMNS)).padEnd(BAR_COLUMNS)}] ${percent}`,
  );
  if (phase === 'indexing') addReading(parts, capture);
  else addLoad(parts, snapshot);
  return parts;
}

function addLoad(parts: Map<PartName, string>, snapshot: ProgressSnapshot): void {
  const { users, rates, responseNsP99 } = snapshot;
  const failed = users.refused + users.reset + users.timedOut + users.aborted;
  parts.set('failed', `${formatCount(failed)} failed`);
  parts.set('time', timeText(snapshot));
  parts.set('done', `${formatCount(users.completed)} of ${formatCount(users.planned)} done`);
  parts.set('live', `${formatCount(users.live)} live`);
  if (rates !== null) {
    parts.set('rate', formatRate(rates.achieved));
    parts.set('rates', `${formatRate(rates.achieved)} of ${formatRate(rates.wanted)} wanted`);
  }
  if (responseNsP99 !== null) parts.set('p99', `p99 ${formatDuration(responseNsP99)}`);
}

function addReading(
  parts: Map<PartName, string>,
  { bytesRead, bytes, elapsedMs }: ProgressSnapshot['capture'],
): void {
  parts.set('amount', `${formatBytes(bytesRead)} of ${formatBytes(bytes)}`);
  if (elapsedMs <= 0 || bytesRead === 0) return;
  const bytesPerMs = bytesRead / elapsedMs;
  const leftNs = Math.round((bytes - bytesRead) / bytesPerMs / 100) * 100 * NS_PER_MS;
  parts.set('speed', `${formatBytes(bytesPerMs * 1000)}/s`);
  parts.set('left', `about ${formatDuration(leftNs)} left`);
}

function timeText({ elapsedNs, expectedNs }: ProgressSnapshot): string {
  // Digits below a tenth of a second would only flicker.
  const round = (ns: number) => Math.round(ns / (100 * NS_PER_MS)) * 100 * NS_PER_MS;
  const elapsed = formatDuration(round(elapsedNs));
  if (expectedNs === null || expectedNs <= elapsedNs) return elapsed;
  return `${elapsed} of about ${formatDuration(round(expectedNs))}`;
}
