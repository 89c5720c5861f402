/**
 * Folds what names single things in the target of an HTTP request (RFC 9112, section 3.2), so that
 * requests of one kind have one name: `/cart/42/items/7f3a9c21?page=2` is `/cart/{id}/items/{id}`.
 *
 * Numbers, dates, UUIDs, eight and more hexadecimal digits, and long segments as base64 makes them are
 * identifiers; queries, fragments and parameters of segments (`;jsessionid=…`) are dropped.
 */

const ID = '{id}';
/** A segment that is longer names one thing, whatever it is made of. */
const SEGMENT_MAX = 64;
/** A longer template is cut. */
const TEMPLATE_MAX = 120;

/** The origin of a target in absolute form. */
const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i;
/** Digits with what stands between those of dates, times, addresses and versions. */
const NUMBER = /^\d[\d\-_:.,TZ]*$/;
/** `v1`, `v2.1`: of an interface, not of a thing. */
const VERSION = /^v\d+(?:\.\d+)*$/i;
const UUID = /^\{?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\}?$/i;
const HEXADECIMAL = /^(?:0x)?[0-9a-f]{8,}$/i;
const BASE64 = /^[\w+\-~]{20,}={0,2}$/;
/** `order-1042`, `page_2`. */
const NUMBERED = /([-_])\d+(?=$|[-_])/g;
const DIGIT = /\d/;
const UPPER = /[A-Z]/;
const LOWER = /[a-z]/;

/** @param target as it stands in the request line, one character an octet */
export function pathTemplate(target: string): string {
  const path = target.replace(ORIGIN, '').replace(/[?#].*$/s, '');
  if (path === '') return '/';
  const template = path.split('/').map(foldSegment).join('/');
  return template.length <= TEMPLATE_MAX ? template : `${template.slice(0, TEMPLATE_MAX - 1)}…`;
}

function foldSegment(segment: string): string {
  const semicolon = segment.indexOf(';');
  const plain = (semicolon < 0 ? segment : segment.slice(0, semicolon)).replace(/[^!-~]/g, '_');
  if (plain === '' || VERSION.test(plain)) return plain;
  if (plain.length > SEGMENT_MAX || isIdentifier(plain)) return ID;
  // Names of files: `main.3f2a9c1b.js`, `42.json`.
  return plain.split('.').map(foldPart).join('.');
}

const foldPart = (part: string): string =>
  isIdentifier(part) ? ID : part.replace(NUMBERED, `$1${ID}`);

function isIdentifier(text: string): boolean {
  if (NUMBER.test(text) || UUID.test(text) || HEXADECIMAL.test(text)) return true;
  // Words that are joined by hyphens are as long, but seldom have all three.
  return BASE64.test(text) && DIGIT.test(text) && UPPER.test(text) && LOWER.test(text);
}
