/**
 * How far a run has got, on stderr: a bar on a terminal, else one plain line every ten seconds.
 *
 * cli-progress draws the line and nothing else: it prints nothing without a terminal, and overdraws
 * lines that are written beside an active bar, so notes go through `note`.
 */
import type { ProgressSnapshot } from '../run/plan/options.ts';
import type { Context } from './context.ts';
import { progressLine, progressShare, progressText } from './progress-line.ts';

/** Often enough for a log, seldom enough not to fill it. */
const PLAIN_INTERVAL_MS = 10_000;

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
  let line = (_columns: number): string => 'starting';
  const bar = new SingleBar({
    stream: unsaved(stream),
    format: () => line((stream.columns || COLUMNS_DEFAULT) - 1),
    clearOnComplete: true,
    hideCursor: null,
    // Signals are ours: the library would take the bar away and leave the run without one.
    gracefulExit: false,
  });
  // Where a window becomes narrower, the terminal breaks the line into several, and the cursor stays
  // with the character that it is on: at the first one, all of them lie behind it.
  bar.on('redraw-pre', () => stream.write(CLEAR_BEHIND));
  bar.on('redraw-post', () => stream.write('\r'));
  const stop = (): void => {
    if (bar.isActive) stream.write(CLEAR_BEHIND);
    bar.stop();
  };
  let isStopped = false;
  bar.start(1, 0);
  return {
    onSnapshot(snapshot) {
      line = (columns) => progressLine(snapshot, columns);
      // What is drawn is the line; of the library's own count only whether it changed is of use.
      bar.update(progressShare(snapshot));
    },
    note(text) {
      // Taken away and begun again below: the library would draw over the note.
      stop();
      context.log(`gryphon: ${text}\n`);
      if (!isStopped) bar.start(1, 0);
    },
    stop() {
      isStopped = true;
      stop();
    },
  };
}

/** Erase from the cursor to the end of the screen (ECMA-48, 8.3.39). */
const CLEAR_BEHIND = '\u001b[J';
/** Save and restore the cursor (DECSC, DECRC): where it was before the window changed is no place. */
const CURSOR_SAVING = new Set(['\u001b7', '\u001b8']);
/** Where a terminal does not say. */
const COLUMNS_DEFAULT = 80;

/** The parts of a terminal that the library uses, without saving the cursor. */
function unsaved(stream: NodeJS.WriteStream): NodeJS.WriteStream {
  const parts = {
    isTTY: true,
    get columns() {
      return stream.columns;
    },
    write: (text: string) => CURSOR_SAVING.has(text) || stream.write(text),
  };
  return parts as unknown as NodeJS.WriteStream;
}
