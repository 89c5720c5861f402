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
