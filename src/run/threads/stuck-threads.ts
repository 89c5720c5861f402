/**
 * Notices threads of a run that have stopped moving: a module that does not return holds up all users of its
 * thread. Time is counted where this thread runs too, so that a machine that slept is none's fault.
 */

import { NS_PER_MS } from '../../base/time.ts';
import { formatDuration } from '../../base/units.ts';

/** A thread that moves counts something in each of its turns; at its end it may acknowledge for 3 s. */
const STUCK_MS = 10_000;
/** An interrupt is heard at once by whoever moves. */
const GRACE_MS = 2_000;
/** No more than this is counted from one look to the next. */
const LOOK_MS_MAX = 1_000;

interface Watched {
  readonly counters: Float64Array;
  readonly before: Float64Array;
  stillMs: number;
  isOver: boolean;
}

/** Looks at threads' counters, which grow as long as they move. */
export class StuckThreads {
  readonly #threads: readonly Watched[];
  readonly #moduleOf: (thread: number) => string | null;
  readonly #onWarning: (text: string) => void;
  #lookedMs = Number.NaN;
  #drainingMs = 0;
  #isTold = false;

  /**
   * @param counters a row a thread, which it writes
   * @param moduleOf the name of the module that the thread is in; null outside of any
   */
  constructor(
    counters: readonly Float64Array[],
    moduleOf: (thread: number) => string | null,
    onWarning: (text: string) => void,
  ) {
    this.#threads = counters.map((row) => ({
      counters: row,
      before: row.slice(),
      stillMs: 0,
      isOver: false,
    }));
    this.#moduleOf = moduleOf;
    this.#onWarning = onWarning;
  }

  /** The thread has told what it had to tell. */
  end(thread: number): void {
    this.#threads[thread].isOver = true;
  }

  /**
   * Looks, a few times a second. Warns once.
   * @param isDraining whether threads have been told to end
   * @param isResting whether a thread has nothing to do yet
   * @returns threads that will not hear of that
   */
  look(
    nowMs: number,
    isDraining: boolean,
    isResting: (thread: number) => boolean = () => false,
  ): readonly number[] {
    const passedMs = Math.min(LOOK_MS_MAX, nowMs - this.#lookedMs) || 0;
    this.#lookedMs = nowMs;
    if (isDraining) this.#drainingMs += passedMs;
    const stuck: number[] = [];
    for (const [thread, watched] of this.#threads.entries()) {
      if (watched.isOver) continue;
      const hasMoved = watched.counters.some((count, i) => count !== watched.before[i]);
      watched.stillMs = hasMoved || isResting(thread) ? 0 : watched.stillMs + passedMs;
      if (hasMoved) watched.before.set(watched.counters);
      if (watched.stillMs >= STUCK_MS) stuck.push(thread);
    }
    if (stuck.length > 0 && !this.#isTold) this.#tell(stuck, isDraining);
    return isDraining && this.#drainingMs >= GRACE_MS ? stuck : [];
  }

  #tell(stuck: readonly number[], isDraining: boolean): void {
    this.#isTold = true;
    const names = new Set(stuck.map((thread) => this.#moduleOf(thread)).filter(isNamed));
    const where = names.size > 0 ? `, in module ${[...names].join(', ')}` : '';
    const who = stuck.length > 1 ? `threads ${stuck.join(', ')} have` : `thread ${stuck[0]} has`;
    const how = isDraining ? '' : ': interrupt the run (Ctrl-C) to end it with what is known';
    this.#onWarning(`${who} not moved for ${formatDuration(STUCK_MS * NS_PER_MS)}${where}${how}`);
  }
}

const isNamed = (name: string | null): name is string => name !== null;
