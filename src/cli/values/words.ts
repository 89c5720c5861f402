import { nearest } from '../../base/nearest.ts';
import { valueError } from './value-error.ts';

/** One of a few words. */
export function parseChoice<T extends string>(text: string, choices: readonly T[]): T {
  const chosen = choices.find((choice) => choice === text.trim());
  if (chosen !== undefined) return chosen;
  const close = nearest(text, choices);
  const hint = close === null ? undefined : `did you mean ${close}?`;
  throw valueError(`'${text}' is not one of ${choices.join(', ')}`, hint);
}

/**
 * The parts of a list, at its commas; those within braces belong to a name (`response{GET /a,b}:…`), those
 * before a framing's words to it (`length:offset=0,bytes=4`).
 */
export const partsOfList = (text: string): readonly string[] =>
  text.split(/,(?![^{]*\})(?!(?:offset|bytes|endian|add)=)/);
