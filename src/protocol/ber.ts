/** Elements of BER (X.690) as LDAP has them (RFC 4511, section 5.1): definite lengths, tags of one octet. Text is a character an octet. */

/** An element: where its contents stand in the text. */
export interface BerElement {
  readonly tag: number;
  /** Where its tag stands. */
  readonly at: number;
  readonly from: number;
  /** Also its end. */
  readonly to: number;
}

/**
 * The element at a place of a text, which may end before it does.
 * @returns null where none begins there, or its length is cut
 */
export function berHead(text: string, at: number): BerElement | null {
  const first = text.charCodeAt(at + 1);
  const octets = first < 0x80 ? 0 : first & 0x7f;
  const from = at + 2 + octets;
  // Without a length (0x80), or with one that nobody has.
  if (first === 0x80 || octets > 4 || from > text.length) return null;
  let length = octets === 0 ? first : 0;
  for (let i = at + 2; i < from; i++) length = length * 256 + text.charCodeAt(i);
  return { tag: text.charCodeAt(at), at, from, to: from + length };
}

/** As `berHead`, and whole. @param end nothing of it lies behind it */
export function berAt(text: string, at: number, end = text.length): BerElement | null {
  const element = berHead(text, at);
  return element === null || element.to > end ? null : element;
}

/** The elements that a text consists of between two places, as far as they are whole. */
export function* berElements(
  text: string,
  from = 0,
  to = text.length,
): Generator<BerElement, void> {
  for (let next = berAt(text, from, to); next !== null; next = berAt(text, next.to, to)) yield next;
}

/** An element's text, with its tag and length. */
export function berText(tag: number, contents: string): string {
  const { length } = contents;
  let octets = '';
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) {
    octets = String.fromCharCode(rest % 256) + octets;
  }
  const size = length < 0x80 ? length : 0x80 | octets.length;
  return String.fromCharCode(tag, size) + (length < 0x80 ? '' : octets) + contents;
}

/** A number of few octets, without a sign. */
export function berNumber(text: string, { from, to }: BerElement): number {
  let value = 0;
  for (let at = from; at < to; at++) value = value * 256 + text.charCodeAt(at);
  return value;
}
