/**
 * Regular expressions of users run in the threads that play, where one that never ends would stop
 * them. So each is run beforehand, in a context that is stopped when its time is up: over texts that
 * bring such expressions out, and over the recorded answers; and while the run goes on it is stopped as well.
 */
import { threadCpuMs } from '../../io/sys/clock.ts';
import { StoppedScript } from '../captures/stopped-script.ts';

/** A good pattern takes microseconds. */
const LIMIT_MS = 500;
/** What was stopped has come to no end where it had this share of its limit of the processor. */
const SHARE_MIN = 0.5;
/** The next attempt has somewhat more time than would do with the share of the processor that the last one had, */
const MARGIN = 1.25;
/** at most so many times as much, since an attempt that had next to nothing tells little, */
const GROWTH_MAX = 8;
/** and all of them so many limits: who is kept from the processor all that time is stopped as well. */
const LIMITS_MAX = 32;

/** Letters of a text that is repeated: what is quadratic passes, what is cubic or worse does not. */
const LETTERS = 3_000;

/**
 * Whether a pattern takes too long over texts.
 * @param texts octets as text
 */
export function isTooSlow(pattern: string, texts: readonly string[]): boolean {
  const regex = new RegExp(pattern);
  return !new TimeLimit(LIMIT_MS).run(() => {
    for (const text of texts) regex.exec(text);
  });
}

/**
 * Runs one thing after another, each of which may not come to an end; a run costs some 20 µs more so. What can be
 * stopped is stopped by the wall clock, which goes on while others have the processor or memory is tidied up; what it
 * has stopped is run again, and judged by the processor's time that it had.
 */
export class TimeLimit {
  readonly #ms: number;
  readonly #script: Pick<StoppedScript, 'endsWithin'>;
  readonly #cpuMs: () => number;

  /** @param cpuMs the time that this thread has had of the processor */
  constructor(
    ms: number,
    script: Pick<StoppedScript, 'endsWithin'> = new StoppedScript(),
    cpuMs: () => number = threadCpuMs,
  ) {
    this.#ms = ms;
    this.#script = script;
    this.#cpuMs = cpuMs;
  }

  /**
   * @param run changes nothing but what it does anew each time, since it may be stopped anywhere and run again
   * @returns whether it has come to an end
   */
  run(run: () => void): boolean {
    let ms = this.#ms;
    if (this.#script.endsWithin(ms, run)) return true;
    const neededMs = SHARE_MIN * this.#ms;
    for (let leftMs = (LIMITS_MAX - 1) * this.#ms; leftMs > 0; ) {
      const before = this.#cpuMs();
      if (this.#script.endsWithin(ms, run)) return true;
      const hadMs = this.#cpuMs() - before;
      if (hadMs >= neededMs) return false;
      leftMs -= ms;
      ms = Math.ceil(Math.min(ms * GROWTH_MAX, (ms * MARGIN * neededMs) / hadMs, leftMs));
    }
    return false;
  }
}

/**
 * Texts on which a pattern that goes back over what it has read does so again and again: what it is
 * made of, repeated, with an end that it does not expect.
 */
export function stressTexts(pattern: string): readonly string[] {
  const literals = pattern.match(/\\?[\w<>"'=/:;,.&-]/g) ?? [];
  const letters = new Set(literals.map((each) => each.slice(-1)));
  for (const each of ['a', '0', ' ', '"', '<', '\n']) letters.add(each);
  const words = [...new Set(pattern.match(/\w{2,}/g) ?? [])].slice(0, 8);
  return [...letters, ...words].map((part) => {
    const text = part.repeat(Math.ceil(LETTERS / part.length)).slice(0, LETTERS);
    return `${text}\u0000`;
  });
}
