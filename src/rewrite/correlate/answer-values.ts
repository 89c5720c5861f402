/** Where recorded answers hand out values that were sent back later, and how a rule finds them there. */
import { pathTemplate } from '../../protocol/path-template.ts';
import type { Answer } from '../http/answers.ts';
import { parseSetCookie } from '../http/cookie-jar.ts';
import { decodePercent } from '../http/encodings.ts';
import { ESCAPE, REFERENCE, type TextKind, textKindOf, unescaped } from '../http/escapes.ts';
import { fieldOf } from '../http/recorded-requests.ts';
import type { LearnSource } from '../http/rules.ts';
import { decodeUtf8 } from '../octet-text.ts';
import { jsonLeaves } from './json-leaves.ts';
import { inPattern, placeInText } from './text-places.ts';

/** What a value stands in. */
export type HandedIn =
  | 'cookie'
  | 'json'
  | 'hidden'
  | 'meta'
  | 'header'
  | 'location'
  | 'attribute'
  | 'script'
  | 'link'
  | 'text';

/** A value that an answer hands out. */
export interface Handed {
  /** Octets as text. */
  readonly value: string;
  readonly in: HandedIn;
  /** Of the cookie, the field, the parameter, the attribute; the path into JSON. */
  readonly name: string;
  /** How a rule may find it; the first one that does is taken. */
  readonly sources: readonly LearnSource[];
  /** Octets of the body up to its end; 0 in the header. */
  readonly bodyBytes: number;
}

/** Of a body no more is looked at. */
const BODY_BYTES_MAX = 1 << 20;
/** A value may stand in a body again and again: the first places are enough to find it. */
const PLACES_MAX = 8;

/** Fields that tell of the answer, not of what follows. */
const OF_THE_ANSWER = new Set([
  ...['date', 'server', 'content-length', 'content-type', 'content-encoding', 'connection'],
  ...[
    'transfer-encoding',
    'last-modified',
    'expires',
    'cache-control',
    'keep-alive',
    'vary',
    'age',
  ],
  ...['accept-ranges', 'set-cookie', 'location', 'content-location', 'via', 'content-range'],
]);
const WITH_TARGETS = ['location', 'content-location'];

const NO_TEXT = /^(?:image|audio|video|font)\/(?!svg)|octet-stream|zip|pdf|wasm/;

/**
 * Tells the values of an answer that are wanted, each where it stands.
 * @param isWanted whether later requests have it
 */
export function handedValues(
  answer: Answer,
  isWanted: (value: string) => boolean,
  onHanded: (handed: Handed) => void,
): void {
  for (const { name, value } of answer.fields) {
    if (name === 'set-cookie') cookieValue(value, isWanted, onHanded);
    else if (WITH_TARGETS.includes(name)) targetValues(name, value, isWanted, onHanded);
    else if (!OF_THE_ANSWER.has(name)) fieldValues(name, value, isWanted, onHanded);
  }
  const type = (fieldOf(answer.fields, 'content-type') ?? '').toLowerCase();
  if (NO_TEXT.test(type)) return;
  const body = answer.body().slice(0, BODY_BYTES_MAX);
  const isJson = /[/+]json\b/.test(type) || /^\s*[{[]/.test(body);
  const isNew = upToSome(isWanted);
  const kind = textKindOf(answer, body);
  const text = { body, kind, isWanted: isNew, onHanded };
  if (isJson) jsonValues(text);
  else textValues(text);
}

/** A body that is looked through. */
interface Text {
  readonly body: string;
  readonly kind: TextKind;
  readonly isWanted: IsWanted;
  readonly onHanded: OnHanded;
}

/** Says no to a value that it has said yes to often enough. */
function upToSome(isWanted: IsWanted): IsWanted {
  const counts = new Map<string, number>();
  return (value) => {
    if (!isWanted(value)) return false;
    const count = (counts.get(value) ?? 0) + 1;
    counts.set(value, count);
    return count <= PLACES_MAX;
  };
}

type OnHanded = (handed: Handed) => void;
type IsWanted = (value: string) => boolean;

function cookieValue(field: string, isWanted: IsWanted, onHanded: OnHanded): void {
  const cookie = parseSetCookie(field);
  if (cookie === null) return;
  const { name } = cookie;
  // Scripts read cookies decoded.
  const read = decodePercent(cookie.value, false);
  const value = isWanted(cookie.value) ? cookie.value : read;
  if (!isWanted(value)) return;
  const sources = [{ header: 'Set-Cookie', regex: `^${inPattern(name)}=([^;]*)` }];
  onHanded({ value, in: 'cookie', name, sources, bodyBytes: 0 });
}

function fieldValues(name: string, field: string, isWanted: IsWanted, onHanded: OnHanded): void {
  if (isWanted(field)) {
    onHanded({ value: field, in: 'header', name, sources: [{ header: name }], bodyBytes: 0 });
    return;
  }
  for (const match of field.matchAll(/[^\s,;="<>]{6,}={0,2}/g)) {
    const [value] = match;
    if (!isWanted(value)) continue;
    const before = /[^\s,;]{0,24}$/.exec(field.slice(0, match.index))?.[0] ?? '';
    const stop = field.charAt(match.index + value.length);
    const rest = stop === '' ? '(.+)' : `([^${inClass(stop)}]+)`;
    const at = before === '' && match.index === 0 ? '^' : inPattern(before);
    onHanded({
      ...{ value, in: 'header', name, bodyBytes: 0 },
      sources: [{ header: name, regex: `${at}${rest}` }],
    });
  }
}

/** Segments and parameters of a target. */
function targetValues(name: string, field: string, isWanted: IsWanted, onHanded: OnHanded): void {
  const [, origin = '', rest = ''] =
    /^((?:[a-z][a-z0-9+.-]*:)?\/\/[^/?#]*)?(.*)$/is.exec(field) ?? [];
  const [, path = '', tail = ''] = /^([^?#]*)(.*)$/s.exec(rest) ?? [];
  const tell = (value: string, label: string, regex: string): void =>
    onHanded({
      ...{ value, in: 'location', name: label, bodyBytes: 0 },
      sources: [{ header: spelled(name), regex }],
    });
  const segments = path.split('/');
  for (const [i, segment] of segments.entries()) {
    if (!isWanted(segment)) continue;
    let literal = i - 1;
    while (literal > 0 && isIdentifier(segments[literal])) literal--;
    const before = segments
      .slice(literal, i)
      .map((each, j) => (j === 0 ? inPattern(each) : '[^/]+'));
    const start = literal > 0 ? '/' : `^${origin === '' ? '' : '(?:[^/]*//[^/]+)'}`;
    tell(segment, `${segments[literal] ?? ''}/`, `${start}${before.join('/')}/([^/?#;]+)`);
  }
  for (const pair of tail.slice(1).split(/[&#]/)) {
    const equals = pair.indexOf('=');
    const value = pair.slice(equals + 1);
    if (equals <= 0 || !isWanted(value)) continue;
    const key = pair.slice(0, equals);
    tell(value, key, `[?&#]${inPattern(key)}=([^&#]*)`);
  }
}

/** As it is written most often. */
const spelled = (name: string): string =>
  name.replace(/(?:^|-)[a-z]/g, (letters) => letters.toUpperCase());

const isIdentifier = (segment: string): boolean => pathTemplate(`/${segment}`).includes('{id}');

function jsonValues(text: Text): void {
  const { body, isWanted, onHanded } = text;
  for (const leaf of jsonLeaves(body)) {
    const { value, from, to } = leaf;
    if (isWanted(value)) {
      const name = leaf.path();
      onHanded({ value, in: 'json', name, sources: [{ json: name }], bodyBytes: to });
    } else {
      // A URL, or markup: what it holds stands there as in a text.
      const told = new Set<number>();
      for (const at of wordsIn(body.slice(from, to))) tellInText(text, movedOn(at, from), told);
    }
  }
}

function textValues(text: Text): void {
  const { body } = text;
  const told = new Set<number>();
  const tell = (at: Place): void => tellInText(text, at, told);
  for (const match of body.matchAll(/=\s*(?:"([^"<>]{4,})"|'([^'<>]{4,})')/g)) {
    const value = match[1] ?? match[2] ?? '';
    const to = match.index + match[0].length - 1;
    tell({ from: to - value.length, to });
  }
  for (const at of wordsIn(body)) tell(at);
}

/** @param told where values begin that were told already */
function tellInText({ body, kind, isWanted, onHanded }: Text, at: Place, told: Set<number>): void {
  if (told.has(at.from)) return;
  const written = body.slice(at.from, at.to);
  let value = written;
  if (!isWanted(written)) {
    value = unescaped(written, kind);
    if (value === written || !isWanted(value)) return;
  }
  const { in: where, name, sources } = placeInText(body, at);
  onHanded({ value, in: where, name: decodeUtf8(name), sources, bodyBytes: at.to });
  told.add(at.from);
}

interface Place {
  readonly from: number;
  readonly to: number;
}

const movedOn = ({ from, to }: Place, by: number): Place => ({ from: from + by, to: to + by });

/** Words of a text that may be values, the longer ones first, with their parts. */
function* wordsIn(text: string): Generator<Place> {
  if (/[&\\]/.test(text)) yield* escapedWordsIn(text);
  for (const match of text.matchAll(/[\w.~+/=%:-]{6,}/g)) {
    const [run] = match;
    const whole = { from: match.index, to: match.index + run.length };
    yield whole;
    for (const pattern of [/[\w.~+%-]{4,}={0,2}/g, /[\w-]{4,}/g]) {
      for (const part of run.matchAll(pattern)) {
        if (part[0].length === run.length) continue;
        yield movedOn({ from: part.index, to: part.index + part[0].length }, match.index);
      }
    }
  }
}

/** Words with something in them that is escaped, and their parts between quotes, in pairs of a query. */
function* escapedWordsIn(text: string): Generator<Place> {
  for (const match of text.matchAll(WORD_WITH_ESCAPES)) {
    if (!/[&\\]/.test(match[0])) continue;
    const run = { from: match.index, to: match.index + match[0].length };
    for (const quoted of partsOf(text, run, QUOTE)) {
      yield quoted;
      for (const pair of partsOf(text, quoted, AND)) {
        yield pair;
        const equals = text.slice(pair.from, pair.to).indexOf('=');
        if (equals > 0) yield { from: pair.from + equals + 1, to: pair.to };
      }
    }
  }
}

const WORD_WITH_ESCAPES = new RegExp(`(?:[\\w.~+/=%:-]|${REFERENCE}|${ESCAPE}){6,}`, 'g');
/** Escaped characters that may stand between values. */
const QUOTE = /&(?:quot|apos|#3[49]|#[xX]2[27]);|\\["']/g;
const AND = /&(?:amp|#38);/g;

/** What stands between separators. */
function* partsOf(text: string, { from, to }: Place, separator: RegExp): Generator<Place> {
  let at = from;
  for (const match of text.slice(from, to).matchAll(separator)) {
    yield { from: at, to: from + match.index };
    at = from + match.index + match[0].length;
  }
  yield { from: at, to };
}

/** A character within a class of one. */
const inClass = (character: string): string =>
  character === ' ' ? '\\s' : character.replace(/[\\\]^-]/g, '\\$&');
