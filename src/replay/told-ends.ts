/**
 * Where recorded answers end, as modules say that know a protocol which nobody here does: each message of
 * the client's is answered once, in their order, or several that were sent in one go are answered together.
 */
import { LENGTH_MAX } from '../protocol/framer.ts';
import type { Scripts } from '../session/script/scripts.ts';
import type { RecordedTexts } from './recorded-text.ts';
import { ScriptSteps } from './script-steps.ts';
import { rowOf } from './stage-columns.ts';

/** What a server says first answers no message. */
export const BEFORE_MESSAGES = -1;
/** The module does not know yet. */
export const NOT_YET = 0;

/**
 * What `answerEnd` has returned: the answer's octets, NOT_YET, or what is wrong with it as a text.
 * @param seen octets of it that the module has been shown before, without an end in them
 */
export function checkEnd(told: unknown, seen: number): number | string {
  if (told === undefined) return NOT_YET;
  if (typeof told !== 'number') return `answerEnd has returned ${typeof told}, and no number`;
  if (!Number.isInteger(told) || told < 1 || told > LENGTH_MAX) {
    return `answerEnd has returned ${told}, which is no number of octets`;
  }
  if (told > seen) return told;
  return `answerEnd has returned ${told}, and no end when it was shown ${seen} octets`;
}

/** How many answers of a session have an end that its module knows. */
interface Told {
  readonly told: number;
  readonly untold: number;
}

/** Asks for the ends of recorded answers. */
export class ToldEnds {
  readonly #steps: ScriptSteps;
  readonly #texts: RecordedTexts;
  readonly #bytes: Uint32Array;

  /** @param bytes where answers' lengths go (`RewriteColumns.toldBytes`); 0 stays where the end is not known */
  constructor(scripts: Scripts, texts: RecordedTexts, bytes: Uint32Array) {
    this.#steps = new ScriptSteps(scripts);
    this.#texts = texts;
    this.#bytes = bytes;
  }

  /** @param ask for the length of the answer that begins with these octets; NOT_YET where they hold no end */
  find(session: number, ask: (message: number, octets: Uint8Array) => number): Told {
    const steps = this.#steps;
    const first = steps.first(session);
    const greeting = this.#texts.stageAt(session, first);
    let told = 0;
    let untold = 0;
    if (greeting !== undefined && greeting.length > 0) {
      const isWhole = ask(BEFORE_MESSAGES, greeting) === greeting.length;
      if (isWhole) this.#bytes[rowOf(session, first)] = greeting.length;
      told += Number(isWhole);
      untold += Number(!isWhole);
    }
    let from = first;
    for (let stage = first + 1; stage <= steps.end(session) + 1; stage++) {
      if (!steps.isAnswer(session, stage)) continue;
      const end = Math.min(stage, steps.end(session));
      const octets = this.#texts.stageAt(session, stage);
      const lengths = octets === undefined ? [] : lengthsOf(octets, from - first, end - first, ask);
      // Those of several that have one answer together end with the last of them.
      const row = rowOf(session, end + 1 - lengths.length);
      for (const [i, bytes] of lengths.entries()) this.#bytes[row + i] = bytes;
      told += lengths.length;
      if (octets !== undefined && lengths.length === 0) untold++;
      from = end;
    }
    return { told, untold };
  }
}

/** Lengths of the answers to the messages `[from, end)`, which fill the octets; none where they do not. */
function lengthsOf(
  octets: Uint8Array,
  from: number,
  end: number,
  ask: (message: number, octets: Uint8Array) => number,
): number[] {
  const lengths: number[] = [];
  let at = 0;
  for (let message = from; message < end && at < octets.length; message++) {
    const bytes = ask(message, octets.subarray(at));
    if (bytes === NOT_YET) break;
    lengths.push(bytes);
    at += bytes;
  }
  if (at === octets.length && lengths.length === end - from) return lengths;
  const isOne = end - from > 1 && ask(end - 1, octets) === octets.length;
  return isOne ? [octets.length] : [];
}
