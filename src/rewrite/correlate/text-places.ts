/** What stands around a value in markup, scripts and texts: what it is called, and what delimits it. */

import { ESCAPE, REFERENCE } from '../http/escapes.ts';
import { foundIn, placeAmong } from '../http/learn.ts';
import type { LearnSource } from '../http/rules.ts';
import { decodeUtf8 } from '../octet-text.ts';

/** A value's place. */
export interface TextPlace {
  readonly in: 'hidden' | 'meta' | 'attribute' | 'script' | 'link' | 'text';
  /** Octets as text; empty where nothing names it. */
  readonly name: string;
  readonly sources: readonly LearnSource[];
}

interface Range {
  readonly from: number;
  readonly to: number;
}

interface Attribute extends Range {
  readonly name: string;
  readonly value: string;
  /** Of the value without quotes. */
  readonly valueAt: Range;
}

/** Tags are shorter; what is longer before a value is none of it. */
const TAG_BYTES_MAX = 4096;
/** What precedes a value in a text tells it from others. */
const BEFORE_BYTES_MAX = 48;

/** Of fields of one name in a page: those behind so many are told by their form alone. */
const NTH_MAX = 50;
/** A form begins no further before its field. */
const FORM_BYTES_MAX = 1 << 14;

/** Of attributes that lie between a value and its name. */
const BETWEEN_BYTES_MAX = 200;

const ATTRIBUTE = /[\s/]*([^\s"'<>/=]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'=<>`]+)))?/y;
/** Attributes that say which element it is. */
const NAMES = new Set(['name', 'property', 'itemprop', 'id', 'http-equiv']);
/** Attributes that any element may have. */
const COMMON = new Set(['value', 'content', 'id', 'class', 'style', 'title', 'alt', 'type']);
const TARGETS = new Set(['href', 'src', 'action', 'formaction', 'srcset', 'data-href', 'data-url']);

/** @param body octets as text */
export function placeInText(body: string, at: Range): TextPlace {
  const near = Math.max(0, at.from - TAG_BYTES_MAX);
  const tagFrom = near + body.slice(near, at.from).lastIndexOf('<');
  const tag = /^<([a-zA-Z][\w:-]*)/.exec(body.slice(tagFrom, tagFrom + 64));
  if (tag === null) return inText(body, at);
  const attributes = attributesFrom(body, tagFrom + tag[0].length);
  const own = attributes.find(({ valueAt }) => valueAt.from <= at.from && at.to <= valueAt.to);
  if (own === undefined) return inText(body, at);
  const isWhole = own.valueAt.from === at.from && own.valueAt.to === at.to;
  const isNamed = own.name === 'value' || own.name === 'content';
  const namedBy = attributes.find((each) => NAMES.has(each.name) && each !== own);
  if (isWhole && isNamed && namedBy !== undefined) {
    const isMeta = tag[1].toLowerCase() === 'meta';
    const sources = toldApart(body, at, tagFrom, besideName(body, at, own, namedBy));
    return { in: isMeta ? 'meta' : 'hidden', name: namedBy.value, sources };
  }
  if (TARGETS.has(own.name)) return inTarget(body, at, own);
  const before = body.slice(own.from, at.from);
  const inJson = /&(?:quot|#34);([\w$.-]{1,64})&(?:quot|#34);\s*:\s*(?:&(?:quot|#34);)?$/.exec(
    before,
  );
  if (inJson !== null) {
    const sources = between(body, at, [inJson[0], before]);
    return { in: 'attribute', name: inJson[1] ?? '', sources };
  }
  const from = COMMON.has(own.name) ? tagFrom : own.from;
  const longer = body.slice(from, at.from);
  return {
    ...{ in: 'attribute', name: COMMON.has(own.name) ? `${tag[1]} ${own.name}` : own.name },
    sources: toldApart(body, at, tagFrom, between(body, at, [longer, before])),
  };
}

function attributesFrom(body: string, from: number): readonly Attribute[] {
  const attributes: Attribute[] = [];
  for (let at = from; at - from < TAG_BYTES_MAX; ) {
    ATTRIBUTE.lastIndex = at;
    const match = ATTRIBUTE.exec(body);
    if (match === null) return attributes;
    const [whole, name = '', double, single, bare] = match;
    at = ATTRIBUTE.lastIndex;
    const value = double ?? single ?? bare ?? '';
    const to = double === undefined && single === undefined ? at : at - 1;
    attributes.push({
      ...{ name: name.toLowerCase(), value, to: at },
      from: match.index + whole.indexOf(name),
      valueAt: { from: to - value.length, to },
    });
  }
  return attributes;
}

/** An element that has a name, before the value or behind it. */
function besideName(
  body: string,
  at: Range,
  own: Attribute,
  namedBy: Attribute,
): readonly LearnSource[] {
  if (namedBy.to <= own.from) return between(body, at, [body.slice(namedBy.from, at.from)]);
  const quote = body.charAt(at.to);
  const before = inPattern(decodeUtf8(body.slice(own.from, at.from)));
  const name = inPattern(decodeUtf8(body.slice(namedBy.from, namedBy.to)));
  const end = quote === '"' || quote === "'" ? quote : '\\s';
  // Bounded, so that no page makes it look at all of itself again and again.
  return [{ regex: `${before}([^${end}]*)${end}[^<>]{0,${BETWEEN_BYTES_MAX}}${name}` }];
}

/**
 * Where a page has several such places, each form or each row its own, it has to be said which is meant: by what the form
 * or the row begins with, or else by its number.
 */
function toldApart(
  body: string,
  at: Range,
  tagFrom: number,
  sources: readonly LearnSource[],
): readonly LearnSource[] {
  const [plain] = sources;
  if (plain === undefined) return sources;
  const place = placeAmong(plain, body, at.from, NTH_MAX);
  if (place?.isOnly === true) return sources;
  const written = body.slice(at.from, at.to);
  const finds = (source: LearnSource): boolean => foundIn(source, body) === written;
  const behind = beginningsBefore(body, tagFrom).map((text) => ({
    ...plain,
    after: decodeUtf8(text),
  }));
  const nth = place === undefined || place.nth === 1 ? [] : [{ ...plain, nth: place.nth }];
  // What finds another one here may be right for that one.
  return [...sources, ...behind, ...nth].filter(finds);
}

/** What tells the form, or the row, that an element lies in: attributes of it, and all of its tag. */
function beginningsBefore(body: string, tagFrom: number): readonly string[] {
  const near = Math.max(0, tagFrom - FORM_BYTES_MAX);
  const before = body.slice(near, tagFrom).toLowerCase();
  for (const [name, attributeNames] of CONTAINERS) {
    const from = before.lastIndexOf(`<${name}`);
    if (from < 0 || before.indexOf(`</${name}`, from) >= 0) continue;
    const attributes = attributesFrom(body, near + from + name.length + 1);
    const telling = attributes.filter((each) => attributeNames.test(each.name));
    if (telling.length === 0) continue;
    const tag = body.slice(near + from, attributes.at(-1)?.to);
    return [...telling.map((each) => body.slice(each.from, each.to)), tag];
  }
  return [];
}

/** Elements that hold a field each, and what tells them from their like. */
const CONTAINERS = [
  ['form', /^(?:action|id|name)$/],
  ['tr', /^(?:id|data-.+)$/],
  ['li', /^(?:id|data-.+)$/],
] as const;

/** A part of a URL: a parameter, or what follows a segment. */
function inTarget(body: string, at: Range, own: Attribute): TextPlace {
  const before = body.slice(own.valueAt.from, at.from);
  const parameter = /([?&;])([\w.[\]-]+)=$/.exec(before);
  if (parameter !== null) {
    const [text, , name = ''] = parameter;
    return { in: 'link', name, sources: between(body, at, [text, own.name + before]) };
  }
  const segment = /\/?([^/]*)\/$/.exec(before);
  const head = body.slice(own.from, own.valueAt.from);
  return {
    in: 'link',
    name: `${segment?.[1] ?? ''}/`,
    sources: between(body, at, [segment?.[0] ?? before, head + before]),
  };
}

/** Behind a name (`csrf = "…"`, `"csrf":"…"`), or behind whatever precedes it. */
function inText(body: string, at: Range): TextPlace {
  const line = body.slice(Math.max(0, at.from - 4 * BEFORE_BYTES_MAX), at.from);
  const named = /((?:\\?["'])?)([\w$.-]{1,64})\1\s*(?:=>|[:=])\s*(?:\\?["'`])?$/.exec(line);
  if (named !== null) {
    const [text, , name = ''] = named;
    return { in: 'script', name, sources: between(body, at, [text]) };
  }
  const inQuotes = /(?:["']?)([\w$.-]{1,64})["']?\s*[:=]\s*["'`][^"'`\s]*$/.exec(line);
  if (inQuotes !== null) {
    const [text, name = ''] = inQuotes;
    const segment = /\/[^/"'`]*\/$/.exec(text)?.[0];
    const sources = between(body, at, segment === undefined ? [text] : [text, segment]);
    return { in: 'link', name, sources };
  }
  const before = /[^\n]*$/.exec(line)?.[0].slice(-BEFORE_BYTES_MAX) ?? '';
  const tag = /<[^<>]*>[^<>]*$/.exec(before)?.[0];
  return { in: 'text', name: '', sources: between(body, at, [tag ?? before, before]) };
}

const STOP = new RegExp(`${REFERENCE}|${ESCAPE}|[^]`, 'y');

/** Delimiters: what precedes the value, and the character behind it. */
function between(body: string, at: Range, befores: readonly string[]): readonly LearnSource[] {
  // An escape as a whole: a value may begin with its first character.
  STOP.lastIndex = at.to;
  const stop = decodeUtf8(STOP.exec(body)?.[0] ?? '');
  return befores.flatMap((text): LearnSource[] => {
    const before = decodeUtf8(text.trimStart());
    if (before === '') return [];
    return stop === '' ? [{ regex: `${inPattern(before)}(.+)` }] : [{ between: [before, stop] }];
  });
}

/** A text as it stands in a regular expression. */
export const inPattern = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
