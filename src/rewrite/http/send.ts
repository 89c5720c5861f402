/** What rules say that requests are to have: the slots of a request by its parts. */

import { encodeUtf8 } from '../octet-text.ts';
import { decodePercent, type Encoding, encodeAs } from './encodings.ts';
import { jsonPlace } from './json-places.ts';
import type { RequestMatcher } from './learn.ts';
import { requestMatcher } from './learn.ts';
import { fieldOf, type Range, type RecordedRequest } from './recorded-requests.ts';
import { jsonPathSteps, type Scalar, type SendRule } from './rules.ts';
import { NOTHING, type SlotList, type SlotValue } from './slots.ts';
import type { Template, TemplateReader } from './template.ts';

/** A value that is set, or null for one that is removed. */
type Setting = readonly [name: string, template: Template | null];

/** Values of a body, set only where the recorded one has them unless `adds`. */
type BodySetting = readonly [...Setting, adds: boolean];

/** A rule made ready. */
export interface SendFrom {
  readonly when: RequestMatcher;
  /** It is about all requests. */
  readonly isForAll: boolean;
  /** Names in small letters, with the spelling of the rule. */
  readonly headers: readonly (readonly [...Setting, spelling: string])[];
  /** `name:password`. */
  readonly basic: Template | null;
  readonly form: readonly BodySetting[];
  readonly query: readonly Setting[];
  readonly json: readonly (readonly [
    steps: readonly (string | number)[],
    template: Template,
    encoding: Encoding,
    adds: boolean,
  ])[];
  readonly path: Template | null;
  readonly replace: readonly Replacement[];
}

/** A literal text and what stands there instead. */
interface Replacement {
  readonly text: string;
  readonly by: Template;
}

/** @throws TemplateFault */
export function sendFrom(rule: SendRule, reader: TemplateReader): SendFrom {
  const settings = (of: Readonly<Record<string, Scalar | null>> = {}): Setting[] =>
    Object.entries(of).map(([name, value]) => [
      encodeUtf8(name),
      value === null ? null : reader.read(String(value)),
    ]);
  const isForAll = Object.keys(rule.when ?? {}).length === 0;
  return {
    when: requestMatcher(rule.when ?? {}),
    isForAll,
    headers: settings(rule.headers).map(([name, value]) => [name.toLowerCase(), value, name]),
    basic:
      rule.basic === undefined
        ? null
        : [...reader.read(rule.basic.user), ':', ...reader.read(rule.basic.password)],
    // Nobody means to give every body of an application the fields of its log-in.
    form: settings(rule.form).map(([name, value]) => [name, value, !isForAll]),
    query: settings(rule.query),
    json: Object.entries(rule.json ?? {}).map(([path, value]) => [
      jsonPathSteps(path) ?? [],
      typeof value === 'string' ? reader.read(value) : [String(value)],
      typeof value === 'string' ? 'json-value' : 'raw',
      !isForAll,
    ]),
    path: rule.path === undefined ? null : reader.read(rule.path),
    replace:
      rule.replace === undefined
        ? []
        : [{ text: encodeUtf8(rule.replace), by: reader.read(rule.with ?? '') }],
  };
}

/** What the rules say of a request, put together once for each set of rules that requests have. */
export class SettingsFor {
  readonly #rules: readonly SendFrom[];
  readonly #merged = new Map<string, Merged>();
  /** What they say of all requests. */
  readonly forAll: Merged;

  constructor(rules: readonly SendFrom[]) {
    this.#rules = rules;
    this.forAll = merged(rules.filter(({ isForAll }) => isForAll));
  }

  /** @param status of the recorded answer; undefined: not known */
  of(request: RecordedRequest, status: number | undefined): Merged {
    const rules = this.#rules.filter(({ when }) => when(request, status));
    const key = rules.map((rule) => this.#rules.indexOf(rule)).join();
    const known = this.#merged.get(key) ?? merged(rules);
    this.#merged.set(key, known);
    return known;
  }
}

type Merged = Omit<SendFrom, 'when' | 'isForAll'>;

/** What several rules say together: of what is set twice the later one counts. */
function merged(rules: readonly SendFrom[]): Merged {
  const last = <T extends { readonly 0: unknown }>(all: readonly T[]): T[] => [
    ...new Map(all.map((each) => [String(each[0]), each])).values(),
  ];
  return {
    headers: last(rules.flatMap(({ headers }) => headers)),
    basic: rules.findLast(({ basic }) => basic !== null)?.basic ?? null,
    form: last(rules.flatMap(({ form }) => form)),
    query: last(rules.flatMap(({ query }) => query)),
    json: rules.flatMap(({ json }) => json),
    path: rules.findLast(({ path }) => path !== null)?.path ?? null,
    replace: rules.flatMap(({ replace }) => replace),
  };
}

/** Makes a template that of a request; what stands around it comes along. */
export type Bind = (
  template: Template,
  encoding: Encoding,
  around?: { readonly before?: string; readonly behind?: string },
) => SlotValue;

/** Where slots of a request go. */
export interface RequestSlots {
  readonly request: RecordedRequest;
  /** Of offsets of the stream. */
  readonly head: SlotList;
  /** Of offsets of the body, without chunks. */
  readonly body: SlotList;
  readonly bind: Bind;
}

type Settings = Pick<SendFrom, 'headers' | 'basic' | 'form' | 'query' | 'json' | 'path'>;

/** Who logs in, where a request does by Basic (RFC 7617). */
export function basicSlots(
  { request, head, bind }: RequestSlots,
  rule: Settings,
  rank: number,
): void {
  if (rule.basic === null) return;
  for (const { name, value, valueAt } of request.fields) {
    const scheme = name === 'authorization' ? BASIC.exec(value)?.[0].length : undefined;
    if (scheme === undefined) continue;
    head.add({ from: valueAt.from + scheme, to: valueAt.to }, bind(rule.basic, 'base64'), rank);
  }
}

/** What precedes name and password in a field. */
export const BASIC = /^Basic +(?=[\w+/]+=*$)/i;

/** Fields of the header, set, added or removed. */
export function headerSlots(to: RequestSlots, rule: Settings, rank: number): void {
  const { request, head, bind } = to;
  for (const [name, template, spelling] of rule.headers) {
    const [first, ...more] = request.fields.filter((field) => field.name === name);
    for (const { lineAt } of more) head.add(lineAt, NOTHING, rank);
    if (template === null) {
      if (first !== undefined) head.add(first.lineAt, NOTHING, rank);
    } else if (first !== undefined) {
      const { valueAt, lineAt } = first;
      // Its end is known by its colon where it was empty.
      const isEmpty = valueAt.from === valueAt.to;
      if (!isEmpty) head.add(valueAt, bind(template, 'header'), rank);
      else {
        const around = { before: `${spelling}: `, behind: request.lineEnd };
        head.add(lineAt, bind(template, 'header', around), rank);
      }
    } else {
      const at = { from: request.fieldsEnd, to: request.fieldsEnd };
      const around = { before: `${spelling}: `, behind: request.lineEnd };
      head.add(at, bind(template, 'header', around), rank);
    }
  }
}

/** What a target in absolute form begins with. */
const SCHEME = /^[a-z][a-z0-9+.-]*:\/\//i;

/** The path of the target, its host, and parameters of its query. */
export function targetSlots(to: RequestSlots, rule: Settings, rank: number): void {
  const { request, head, bind } = to;
  if (rule.path !== null) head.add(request.pathAt, bind(rule.path, 'target'), rank);
  const host = rule.headers.find(([name]) => name === 'host')?.[1] ?? null;
  const scheme = SCHEME.exec(request.target)?.[0].length;
  // A server takes the host of a target that has one, and not that of the field (RFC 9112, section 3.2.2).
  if (host !== null && scheme !== undefined) {
    const from = request.targetAt.from + scheme;
    head.add({ from, to: request.pathAt.from }, bind(host, 'header'), rank);
  }
  // `OPTIONS *`, and a CONNECT's host and port, have none (RFC 9112, section 3.2).
  const hasQuery = request.target !== '*' && request.method !== 'CONNECT';
  if (rule.query.length === 0 || !hasQuery) return;
  const { queryAt } = request;
  const text = queryAt === null ? '' : request.target.slice(queryAt.from - request.targetAt.from);
  pairSlots(to, head, rule.query, rank, {
    text,
    from: queryAt?.from ?? request.targetAt.to,
    encoding: 'percent',
    lead: queryAt === null ? '?' : '',
    before: queryAt === null ? 0 : 1,
  });
}

/** Fields of a form in the body (application/x-www-form-urlencoded). */
export function formSlots(to: RequestSlots, rule: Settings, rank: number): void {
  const { request, body } = to;
  if (rule.form.length === 0 || !isForm(request)) return;
  pairSlots(to, body, rule.form, rank, {
    ...{ text: request.body, from: 0, lead: '', before: 0 },
    encoding: 'form',
  });
}

/** Values of a JSON body. */
export function jsonSlots(to: RequestSlots, rule: Settings, rank: number): void {
  const { request, body, bind } = to;
  if (rule.json.length === 0 || !isJson(request)) return;
  const addedAt = new Set<number>();
  for (const [steps, template, encoding, adds] of rule.json) {
    const place = jsonPlace(request.body, steps);
    if (place === null) continue;
    const { addBefore } = place;
    if (addBefore !== undefined && !adds) continue;
    const name = encodeAs(encodeUtf8(String(steps.at(-1) ?? '')), 'json-value') ?? '';
    const comma = addedAt.has(place.from) ? ',' : addBefore;
    const before = addBefore === undefined ? '' : `${comma}${name}:`;
    if (addBefore !== undefined) addedAt.add(place.from);
    body.add(place, bind(template, encoding, { before }), rank);
  }
}

/** A literal text in the target, in values of fields and in the body. */
export function replaceSlots(
  to: RequestSlots,
  { text, by }: Replacement,
  rank: number,
  isLeftOut: (name: string) => boolean,
): void {
  const { request, head, body, bind } = to;
  for (const at of occurrences(request.target, text)) {
    head.add(movedBy(at, request.targetAt.from), bind(by, 'target'), rank);
  }
  for (const { name, value, valueAt } of request.fields) {
    if (isLeftOut(name)) continue;
    for (const at of occurrences(value, text)) {
      head.add(movedBy(at, valueAt.from), bind(by, 'header'), rank);
    }
  }
  if (isPacked(request)) return;
  for (const at of occurrences(request.body, text)) body.add(at, bind(by, 'raw'), rank);
}

/** Pairs of a query or a form. */
function pairSlots(
  { bind }: RequestSlots,
  list: SlotList,
  settings: readonly (Setting | BodySetting)[],
  rank: number,
  of: {
    readonly text: string;
    readonly from: number;
    readonly encoding: 'percent' | 'form';
    /** What stands before the first pair where there was no pair at all. */
    readonly lead: string;
    /** Octets before the text that go where no pair is left. */
    readonly before: number;
  },
): void {
  const pairs = pairsOf(of.text);
  const isRemoved = (name: string): boolean =>
    settings.some(([each, template]) => template === null && each === name);
  const kept = pairs.filter(({ name }) => !isRemoved(name));
  const isEmptied = kept.length === 0 && settings.every(([, template]) => template === null);
  for (const [i, { at, name }] of pairs.entries()) {
    if (!isRemoved(name)) continue;
    // Each takes the & before it along; those in front of all that stay, the one behind.
    const isInFront = kept.every((each) => each.at.from > at.from);
    const next = pairs[i + 1]?.at.from ?? at.to;
    const lead = i === 0 && isEmptied ? of.before : 0;
    const range = isInFront ? { from: at.from - lead, to: next } : { from: at.from - 1, to: at.to };
    list.add(movedBy(range, of.from), NOTHING, rank);
  }
  let count = kept.length;
  for (const [name, template, adds = true] of settings) {
    if (template === null) continue;
    const found = kept.filter((pair) => pair.name === name);
    for (const { valueAt, hasValue } of found) {
      const before = hasValue ? '' : '=';
      list.add(movedBy(valueAt, of.from), bind(template, of.encoding, { before }), rank);
    }
    if (found.length > 0 || !adds) continue;
    const lead = count === 0 ? of.lead : '&';
    const at = { from: of.from + of.text.length, to: of.from + of.text.length };
    const before = `${lead}${encodeAs(name, of.encoding) ?? ''}=`;
    list.add(at, bind(template, of.encoding, { before }), rank);
    count++;
  }
}

interface Pair {
  readonly name: string;
  readonly at: Range;
  /** Behind the name where there is no `=`. */
  readonly valueAt: Range;
  readonly hasValue: boolean;
}

function pairsOf(text: string): readonly Pair[] {
  const pairs: Pair[] = [];
  if (text === '') return pairs;
  let from = 0;
  for (const part of text.split('&')) {
    const to = from + part.length;
    const equals = part.indexOf('=');
    const name = decodePercent(equals < 0 ? part : part.slice(0, equals), true);
    const valueAt = { from: equals < 0 ? to : from + equals + 1, to };
    pairs.push({ name, at: { from, to }, valueAt, hasValue: equals >= 0 });
    from = to + 1;
  }
  return pairs;
}

/** Where a text occurs in another, one behind the other. */
export function* occurrences(text: string, of: string): Generator<Range> {
  for (let at = text.indexOf(of); at >= 0; at = text.indexOf(of, at + of.length)) {
    yield { from: at, to: at + of.length };
  }
}

/** A range further behind. */
export const movedBy = ({ from, to }: Range, by: number): Range => ({
  from: from + by,
  to: to + by,
});

const typeOf = ({ fields }: RecordedRequest): string =>
  (fieldOf(fields, 'content-type') ?? '').toLowerCase();

/** Whether the body is a form that stands there as a query does. */
export const isForm = (request: RecordedRequest): boolean =>
  typeOf(request).startsWith('application/x-www-form-urlencoded');

/** Whether the body is a form in parts (RFC 7578). */
export const isMultipart = (request: RecordedRequest): boolean =>
  typeOf(request).startsWith('multipart/');

/** Whether a rule would change a form in parts, which nothing does here. */
export function meansMultipart(request: RecordedRequest, rule: Pick<Settings, 'form'>): boolean {
  if (!isMultipart(request)) return false;
  return rule.form.some(([name, , adds]) => adds || request.body.includes(`name="${name}"`));
}

/** Whether the body is JSON, by its type or, without one, by how it begins. */
export const isJson = (request: RecordedRequest): boolean =>
  /[/+]json\b/.test(typeOf(request)) || (typeOf(request) === '' && /^\s*[{[]/.test(request.body));

/** Whether the body cannot be looked into: it is compressed. */
export const isPacked = ({ fields, packed }: RecordedRequest): boolean => {
  const isPlain = packed !== undefined;
  const coding = (!isPlain && fieldOf(fields, 'content-encoding')?.toLowerCase()) || 'identity';
  const transfer = fieldOf(fields, 'transfer-encoding')?.toLowerCase() ?? 'chunked';
  return coding !== 'identity' || transfer !== 'chunked';
};
