/**
 * Octets as text, one character an octet (ISO 8859-1): what requests and answers are searched and put
 * together in. A text of a person's is made octets as UTF-8.
 */

/** Octets as a text of as many characters. */
export const textOf = (octets: Uint8Array): string =>
  Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString('latin1');

/** The octets of such a text. */
export const octetsOfText = (text: string): Uint8Array => Buffer.from(text, 'latin1');

/** Room for what is said of one request. */
const shared = Buffer.alloc(1 << 12);
/** A loop over no more than these costs less than a call out of JavaScript. */
const FEW_OCTETS = 64;
/** The first so many octets of the room, by their number: a view costs more than what it shows. */
const views: Uint8Array[] = Array.from({ length: FEW_OCTETS + 1 }, (_, bytes) =>
  shared.subarray(0, bytes),
);

/** As `octetsOfText`, of what is copied at once: they hold until the next call. */
export function octetsForNow(text: string): Uint8Array {
  const { length } = text;
  if (length > shared.length) return octetsOfText(text);
  if (length > FEW_OCTETS) {
    shared.write(text, 'latin1');
    return shared.subarray(0, length);
  }
  for (let i = 0; i < length; i++) shared[i] = text.charCodeAt(i);
  return views[length];
}

/** A text of its own: a part of another one would keep all of that in memory. */
export const copyOf = (text: string): string => textOf(octetsOfText(text));

/** A person's text, as its octets in UTF-8. */
export const encodeUtf8 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

/** Such octets as a person's text; what is no UTF-8 is replaced. */
export const decodeUtf8 = (text: string): string => Buffer.from(text, 'latin1').toString('utf8');

/**
 * The message in which an octet of a stream lies.
 * @param starts where message `i` begins in the stream; one more for its end
 */
export function messageAt(starts: readonly number[], at: number): number {
  let low = 0;
  let high = starts.length - 2;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (starts[middle] <= at) low = middle;
    else high = middle - 1;
  }
  return low;
}
