/**
 * How far a run has got, on stderr: a bar on a terminal, else one plain line every ten seconds.
 *
 * cli-progress draws the bar and nothing else: it prints nothing without a terminal, and overdraws
 * lines that are written beside an active bar, so notes go through `note`.
 */
import { NS_PER_MS } from '../base/time.ts';
import { formatBytes, formatCount, formatDuration, formatRate } from '../base/units.ts';
import type { ProgressSnapshot } from '../run/options.ts';
import type { Context } from './context.ts';

/** Often enough for a log, seldom enough not to fill it. */
const PLAIN_INTERVAL_MS = 10_000;

/** Steps of the bar: finer than its width on any terminal. */
const BAR_STEPS = 1000;

/** Where a run's progress and notes go; all of it to stderr. */
export interface Progress {
  onSnapshot(snapshot: ProgressSnapshot): void;
  /** One line that stays. */
  note(text: string): void;
  /** Takes the bar away; harmless when called again. */
  stop(): void;
}

/** What a progress is drawn on: the parts of the context that it needs. */
export type ProgressContext = Pick<Context, 'env' | 'terminal' | 'log' | 'nowMs'>;

/**
 * Opens the progress that fits: nothing when `isQuiet`, notes only when not `isShown`, a bar on a
 * terminal unless `NO_COLOR`, `CI` or `TERM=dumb` ask for plain text.
 */
export async function openProgress(
  context: ProgressContext,
  { isQuiet, isShown }: { readonly isQuiet: boolean; readonly isShown: boolean },
): Promise<Progress> {
  const note = (text: string) => {
    if (!isQuiet) context.log(`gryphon: ${text}\n`);
  };
  if (isQuiet || !isShown) return { note, onSnapshot: () => undefined, stop: () => undefined };
  if (context.terminal === null || wantsPlainText(context.env)) {
    return { note, onSnapshot: plainLines(context), stop: () => undefined };
  }
  return await openBar(context, context.terminal);
}

/** Whether the environment asks for text without bars and colours, even on a terminal. */
export function wantsPlainText(env: Context['env']): boolean {
  const isSet = (value: string | undefined) => value !== undefined && value !== '';
  // https://no-color.org: present and not empty, whatever its value.
  if (isSet(env.NO_COLOR) || env.TERM === 'dumb') return true;
  return isSet(env.CI) && env.CI !== 'false' && env.CI !== '0';
}

/** One line about a snapshot: `replaying 12.0 s of about 2m 00s, 500 live, 1,234 of 10,000 done, …`. */
export function progressText(snapshot: ProgressSnapshot): string {
  return `${snapshot.phase} ${detailText(snapshot)}`.trimEnd();
}

/** How much of the current phase is done, 0..1. */
export function progressShare({ phase, capture, users }: ProgressSnapshot): number {
  if (phase === 'indexing') return capture.bytes === 0 ? 0 : capture.bytesRead / capture.bytes;
  if (phase === 'preparing' || users.planned === 0) return 0;
  return 1 - (users.waiting + users.live) / users.planned;
}

function detailText(snapshot: ProgressSnapshot): string {
  const { phase, capture, users, rates, responseNsP99 } = snapshot;
  if (phase === 'preparing' || (phase === 'indexing' && capture.bytes === 0)) return '';
  if (phase === 'indexing') {
    return readingText(capture);
  }
  const failed = users.refused + users.reset + users.timedOut + users.aborted;
  const parts = [
    timeText(snapshot),
    `${formatCount(users.live)} live`,
    `${formatCount(users.completed)} of ${formatCount(users.planned)} done`,
    `${formatCount(failed)} failed`,
  ];
  if (rates !== null) {
    parts.push(`${formatRate(rates.achieved)} of ${formatRate(rates.wanted)} wanted`);
  }
  if (responseNsP99 !== null) parts.push(`p99 ${formatDuration(responseNsP99)}`);
  return parts.join(', ');
}

function readingText({ bytesRead, bytes, elapsedMs }: ProgressSnapshot['capture']): string {
  const amount = `${formatBytes(bytesRead)} of ${formatBytes(bytes)}`;
  if (elapsedMs <= 0 || bytesRead === 0) return amount;
  const bytesPerMs = bytesRead / elapsedMs;
  const leftNs = Math.round((bytes - bytesRead) / bytesPerMs / 100) * 100 * NS_PER_MS;
  const rate = `${formatBytes(bytesPerMs * 1000)}/s`;
  return `${amount}, ${rate}, about ${formatDuration(leftNs)} left`;
}

function timeText({ elapsedNs, expectedNs }: ProgressSnapshot): string {
  // Digits below a tenth of a second would only flicker.
  const round = (ns: number) => Math.round(ns / (100 * NS_PER_MS)) * 100 * NS_PER_MS;
  const elapsed = formatDuration(round(elapsedNs));
  if (expectedNs === null || expectedNs <= elapsedNs) return elapsed;
  return `${elapsed} of about ${formatDuration(round(expectedNs))}`;
}

function plainLines(context: ProgressContext): (snapshot: ProgressSnapshot) => void {
  let nextMs = context.nowMs() + PLAIN_INTERVAL_MS;
  return (snapshot) => {
    const nowMs = context.nowMs();
    if (nowMs < nextMs) return;
    // From now and not from the time it was due: after a stall there is one line, not a burst.
    nextMs = nowMs + PLAIN_INTERVAL_MS;
    context.log(`gryphon: ${progressText(snapshot)}\n`);
  };
}

async function openBar(context: ProgressContext, stream: NodeJS.WriteStream): Promise<Progress> {
  const { SingleBar } = await import('cli-progress');
  const bar = new SingleBar({
    stream,
    format: '{phase} [{bar}] {percentage}% {detail}',
    barsize: 20,
    barCompleteChar: '=',
    barIncompleteChar: ' ',
    clearOnComplete: true,
    // Signals are ours: the library would take the bar away and leave the run without one.
    gracefulExit: false,
  });
  let isStopped = false;
  let steps = 0;
  let payload = { phase: 'starting', detail: '' };
  bar.start(BAR_STEPS, steps, payload);
  return {
    onSnapshot(snapshot) {
      steps = Math.floor(progressShare(snapshot) * BAR_STEPS);
      payload = { phase: snapshot.phase, detail: detailText(snapshot) };
      bar.update(steps, payload);
    },
    note(text) {
      // Taken away and begun again below: the library comes back to the row that it began in, and
      // would clear the note there.
      bar.stop();
      context.log(`gryphon: ${text}\n`);
      if (!isStopped) bar.start(BAR_STEPS, steps, payload);
    },
    stop() {
      isStopped = true;
      bar.stop();
    },
  };
}
