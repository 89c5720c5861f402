/** Reading of text protocols, octet by octet. */

const LF = 0x0a;
/** A line feed in each of four octets. */
const FOUR_LINE_FEEDS = 0x0a0a0a0a;

/**
 * Where the next line feed lies, or -1. Four octets are looked at together: an octet of the exclusive
 * or is zero where there is one, and only a zero borrows from its own top bit.
 */
export function nextLineFeed(data: DataView, start: number, end: number): number {
  let at = start;
  for (; at + 4 <= end; at += 4) {
    const four = data.getInt32(at, true) ^ FOUR_LINE_FEEDS;
    if (((four - 0x01010101) & ~four & 0x80808080) !== 0) break;
  }
  for (; at < end; at++) if (data.getUint8(at) === LF) return at;
  return -1;
}

/** The octets of an ASCII text. */
export const octetsOf = (text: string): Uint8Array =>
  Uint8Array.from(text, (character) => character.charCodeAt(0));

/** Whether an octet is this one, where letters of either case are the same. @param lower */
export const isSameLetter = (octet: number, lower: number): boolean =>
  octet === lower || (lower >= 0x61 && (octet | 0x20) === lower);

/** So many letters and digits fit into a number. */
const WORD_LETTERS_MAX = 10;
const WORD_BASE = 37;
const WORD_FULL = WORD_BASE ** (WORD_LETTERS_MAX - 1);

/**
 * A word of letters and digits, of either case, as a number: `word` with one octet more. What is
 * neither, and what is beyond the tenth, is left out.
 */
export function packLetter(word: number, octet: number): number {
  if (word >= WORD_FULL) return word;
  const digit = octet - 0x30;
  if (digit >= 0 && digit <= 9) return word * WORD_BASE + digit + 1;
  const letter = (octet | 0x20) - 0x61;
  return letter >= 0 && letter < 26 ? word * WORD_BASE + letter + 11 : word;
}

/** The number of a word. */
export const packWord = (text: string): number => octetsOf(text).reduce(packLetter, 0);

/** The word of such a number, in capitals. */
export function unpackWord(word: number): string {
  let text = '';
  for (let rest = word; rest > 0; rest = Math.floor(rest / WORD_BASE)) {
    const digit = rest % WORD_BASE;
    text = String.fromCharCode(digit <= 10 ? digit + 0x2f : digit + 0x36) + text;
  }
  return text;
}
