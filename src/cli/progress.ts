/**
 * How far a run has got, on stderr: lines that are redrawn on a terminal, else a plain one every ten
 * seconds. What is drawn next lies over what was written beside it, so notes go through `note`.
 */
import type { ProgressSnapshot } from '../run/plan/options.ts';
import type { Context } from './context.ts';
import { ProgressDrawing } from './progress-drawing.ts';
import { progressText } from './progress-line.ts';
import { progressLines } from './progress-panel.ts';

/** Often enough for a log, seldom enough not to fill it. */
const PLAIN_INTERVAL_MS = 10_000;

/** Where a run's progress and notes go; all of it to stderr. */
export interface Progress {
  /** Whether snapshots are looked at. */
  readonly isShown: boolean;
  onSnapshot(snapshot: ProgressSnapshot): void;
  /** One line that stays. */
  note(text: string): void;
  /** Takes what is drawn away; harmless when called again. */
  stop(): void;
}

/** What a progress is drawn on: the parts of the context that it needs. */
export type ProgressContext = Pick<Context, 'env' | 'terminal' | 'log' | 'nowMs'>;

/**
 * Opens the progress that fits: nothing when `isQuiet`, notes only when not `isShown`, lines on a
 * terminal unless `NO_COLOR`, `CI` or `TERM=dumb` ask for plain text.
 */
export async function openProgress(
  context: ProgressContext,
  { isQuiet, isShown }: { readonly isQuiet: boolean; readonly isShown: boolean },
): Promise<Progress> {
  const note = (text: string) => {
    if (!isQuiet) context.log(`gryphon: ${text}\n`);
  };
  const silent = { note, isShown: false, onSnapshot: () => undefined, stop: () => undefined };
  if (isQuiet || !isShown) return silent;
  if (context.terminal === null || wantsPlainText(context.env)) {
    return { ...silent, isShown: true, onSnapshot: plainLines(context) };
  }
  return await openDrawing(context, context.terminal);
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

async function openDrawing(
  context: ProgressContext,
  stream: NodeJS.WriteStream,
): Promise<Progress> {
  const drawing = new ProgressDrawing(await import('cli-progress'), stream);
  let lines = (_size: ProgressDrawing['size']): readonly string[] => ['starting'];
  let isStopped = false;
  const draw = (): void => {
    if (!isStopped) drawing.show(lines(drawing.size));
  };
  draw();
  return {
    isShown: true,
    onSnapshot(snapshot) {
      lines = (size) => progressLines(snapshot, size);
      draw();
    },
    note(text) {
      // Taken away and begun again below: the next drawing would lie over the note.
      drawing.clear();
      context.log(`gryphon: ${text}\n`);
      draw();
    },
    stop() {
      isStopped = true;
      drawing.clear();
    },
  };
}
