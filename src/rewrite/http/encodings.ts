/** How values are written where they stand in requests and answers, whose octets are text. */

const HEX = /^[0-9A-Fa-f]{2}$/;

/**
 * How a value is written where it stands:
 * - `raw` as it is, `header` likewise where a line end would end the field;
 * - `target` with those octets percent-encoded that no request target may have (RFC 3986);
 * - `percent` all but letters, digits and -._~; `percent-lower` with small hex digits;
 *   `form` likewise with + for a space (application/x-www-form-urlencoded);
 * - `json` within a JSON string, `json-slash` with \/ for /, `json-value` a string with its quotes;
 * - `base64`, `base64url` without padding;
 * - `decoded` what its percent-encoding stands for: scripts read cookies like that.
 */
export type Encoding =
  | 'raw'
  | 'header'
  | 'target'
  | 'percent'
  | 'percent-lower'
  | 'form'
  | 'json'
  | 'json-slash'
  | 'json-value'
  | 'base64'
  | 'base64url'
  | 'decoded';

/** @returns null where the value cannot stand there: a line end in a header field */
export function encodeAs(value: string, encoding: Encoding): string | null {
  switch (encoding) {
    case 'raw':
      return value;
    case 'header':
      return /[\r\n\0]/.test(value) ? null : value;
    case 'target':
      return value.replace(/[^!$-;=?-Z[\]_a-z~]/g, percent);
    case 'percent':
      return value.replace(/[^\w.~-]/g, percent);
    case 'percent-lower':
      return value.replace(/[^\w.~-]/g, (octet) => percent(octet).toLowerCase());
    case 'form':
      return value.replace(/[^\w.~-]/g, (octet) => (octet === ' ' ? '+' : percent(octet)));
    case 'json':
      return jsonInner(value);
    case 'json-slash':
      return jsonInner(value).replaceAll('/', '\\/');
    case 'json-value':
      return `"${jsonInner(value)}"`;
    case 'decoded':
      return encodeAs(decodePercent(value, false), 'header');
    default:
      return Buffer.from(value, 'latin1').toString(encoding);
  }
}

const percent = (octet: string): string =>
  `%${octet.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;

/** Octets beyond ASCII stay: they are UTF-8. */
const jsonInner = (value: string): string => JSON.stringify(value).slice(1, -1);

/** What percent-encoding stands for; what is none stays. @param isForm + is a space */
export function decodePercent(text: string, isForm: boolean): string {
  const spaced = isForm ? text.replaceAll('+', ' ') : text;
  return spaced.replace(/%(..)/g, (whole, hex: string) =>
    HEX.test(hex) ? String.fromCharCode(Number.parseInt(hex, 16)) : whole,
  );
}

/** Whether a text fits a pattern in which `*` stands for anything. */
export function globMatcher(pattern: string): (text: string) => boolean {
  const parts = pattern.split('*');
  const first = parts[0] ?? '';
  const last = parts.at(-1) ?? '';
  if (parts.length === 1) return (text) => text === pattern;
  const middle = parts.slice(1, -1);
  return (text) => {
    if (!text.startsWith(first)) return false;
    let at = first.length;
    for (const part of middle) {
      const found = text.indexOf(part, at);
      if (found < 0) return false;
      at = found + part.length;
    }
    return text.length - last.length >= at && text.endsWith(last);
  };
}
