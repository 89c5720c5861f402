/** Recognises HTTP/1 by the first line of a client's stream (RFC 9112, section 3). */

/** A method is a token (RFC 9110, section 5.6.2); no registered one is longer than 17 octets. */
const METHOD_BYTES_MAX = 32;
const SPACE = 0x20;
const CARRIAGE_RETURN = 0x0d;
const LINE_FEED = 0x0a;
const VERSION_PREFIX = ' HTTP/1.';

const TOKEN = new Set([..."!#$%&'*+-.^_`|~"].map((character) => character.charCodeAt(0)));

/**
 * Whether a stream that begins with `octets` is HTTP/1.
 * @returns null while that cannot be said: the line goes on
 */
export function isHttpRequest(octets: Uint8Array): boolean | null {
  // Empty lines before a request are to be skipped (RFC 9112, section 2.2).
  let start = 0;
  while (octets[start] === CARRIAGE_RETURN || octets[start] === LINE_FEED) start++;
  const space = octets.indexOf(SPACE, start);
  const methodEnd = space < 0 ? octets.length : space;
  if (methodEnd - start > METHOD_BYTES_MAX || !isToken(octets, start, methodEnd)) return false;
  if (space < 0) return null;
  if (space === start) return false;
  const lineEnd = octets.indexOf(LINE_FEED, space);
  if (lineEnd < 0) return null;
  return hasVersion(octets, lineEnd);
}

function isToken(octets: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    const octet = octets[i];
    const isDigit = octet >= 0x30 && octet <= 0x39;
    const isLetter = (octet | 0x20) >= 0x61 && (octet | 0x20) <= 0x7a;
    if (!isDigit && !isLetter && !TOKEN.has(octet)) return false;
  }
  return true;
}

/** Whether ` HTTP/1.x` stands right before the end of the line. */
function hasVersion(octets: Uint8Array, lineEnd: number): boolean {
  const end = octets[lineEnd - 1] === CARRIAGE_RETURN ? lineEnd - 1 : lineEnd;
  const start = end - VERSION_PREFIX.length - 1;
  if (start < 0) return false;
  for (let i = 0; i < VERSION_PREFIX.length; i++) {
    if (octets[start + i] !== VERSION_PREFIX.charCodeAt(i)) return false;
  }
  return true;
}
