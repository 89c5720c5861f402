/**
 * Regular expressions of users run in the threads that play, where one that never ends would stop
 * them. So each is run beforehand, in a context that is stopped when its time is up: over texts that
 * bring such expressions out, and over the recorded answers; and while the run goes on it is stopped as well.
 */
import { type Context, createContext, Script } from 'node:vm';

/** A good pattern takes microseconds; on a busy machine a thousand times that. */
const LIMIT_MS = 500;

/** Letters of a text that is repeated: what is quadratic passes, what is cubic or worse does not. */
const LETTERS = 3_000;

/**
 * Whether a pattern takes too long over texts.
 * @param texts octets as text
 */
export function isTooSlow(pattern: string, texts: readonly string[]): boolean {
  const regex = new RegExp(pattern);
  return !endsWithin(LIMIT_MS, () => {
    for (const text of texts) regex.exec(text);
  });
}

/** Runs something that may not come to an end. @returns whether it did */
export const endsWithin = (ms: number, run: () => void): boolean => new TimeLimit(ms).run(run);

/** Runs one thing after another, each of which may not come to an end; a run costs some 20 µs more so. */
export class TimeLimit {
  readonly #ms: number;
  readonly #given: { run: () => void };
  readonly #context: Context;
  readonly #script = new Script('run()');

  constructor(ms: number) {
    this.#ms = ms;
    this.#given = { run: () => undefined };
    this.#context = createContext(this.#given);
  }

  /** @returns whether it has come to an end */
  run(run: () => void): boolean {
    this.#given.run = run;
    try {
      this.#script.runInContext(this.#context, { timeout: this.#ms });
      return true;
    } catch (fault) {
      const { code } = fault as { readonly code?: string };
      if (code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return false;
      throw fault;
    }
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
