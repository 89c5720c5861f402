/**
 * Learnt values where nobody has said that they stand: each occurrence of a recorded value in a later
 * request, as it is, percent-encoded, within a JSON string or in base64, becomes a slot.
 */

import { overlap } from './exchanges.ts';
import { type Encoding, encodeAs } from './octet-text.ts';
import type { Range, RecordedRequest } from './recorded-requests.ts';
import { isForm, isJson, isPacked, movedBy, occurrences, type RequestSlots } from './send.ts';
import { isAliased, type Site } from './sites.ts';
import { Rank, type SlotList } from './slots.ts';

/** From so many octets on a value is found also within a longer word. */
const DISTINCT_BYTES_MIN = 16;
/** Shorter ones in base64 would be found by chance. */
const BASE64_BYTES_MIN = 6;

const WORD = /[A-Za-z0-9]/;
/** How a percent-encoded octet ends. */
const PERCENT_OCTET = /%[0-9A-Fa-f]{2}$/;

/** The slots of what a request has of values that its client had been told before. */
export function aliasSlots(
  to: RequestSlots,
  sites: readonly Site[],
  isLeftOut: (name: string) => boolean,
): void {
  const longestFirst = valuesOf(sites);
  const taken = { head: [] as Range[], body: [] as Range[] };
  const { request } = to;
  for (const [recorded, ids] of longestFirst) {
    const find = (text: string, from: number, context: Context, list: 'head' | 'body') => {
      for (const { at, encoding } of places(text, recorded, context)) {
        const range = movedBy(at, from);
        if (taken[list].some((each) => overlap(each, range))) continue;
        taken[list].push(range);
        to[list].add(range, { is: 'alias', recorded, sites: ids, encoding }, Rank.ALIAS);
      }
    };
    const pathEnd = request.pathAt.to - request.targetAt.from;
    find(request.target.slice(0, pathEnd), request.targetAt.from, 'target', 'head');
    find(request.target.slice(pathEnd), request.targetAt.from + pathEnd, 'query', 'head');
    for (const { name, value, valueAt } of request.fields) {
      if (!isLeftOut(name)) find(value, valueAt.from, 'header', 'head');
    }
    if (!isPacked(request)) find(request.body, 0, bodyContext(request), 'body');
  }
}

/** Likewise of what a WebSocket's frame says. */
export function frameAliases(payload: string, sites: readonly Site[], list: SlotList): void {
  const context = /^\s*[{[]/.test(payload) ? 'json' : 'other';
  const taken: Range[] = [];
  for (const [recorded, ids] of valuesOf(sites)) {
    for (const { at, encoding } of places(payload, recorded, context)) {
      if (taken.some((each) => overlap(each, at))) continue;
      taken.push(at);
      list.add(at, { is: 'alias', recorded, sites: ids, encoding }, Rank.ALIAS);
    }
  }
}

/** Values with the ids of their sites; of values within each other the longer one comes first. */
function valuesOf(sites: readonly Site[]): readonly (readonly [string, readonly number[]])[] {
  const values = new Map<string, number[]>();
  for (const site of sites) {
    const { recorded, id } = site;
    if (recorded === undefined || !isAliased(site)) continue;
    const ids = values.get(recorded) ?? [];
    values.set(recorded, ids);
    ids.push(id);
  }
  return [...values].sort(([a], [b]) => b.length - a.length);
}

/** What a value stands in: what its live counterpart must not break. */
type Context = 'target' | 'query' | 'header' | 'form' | 'json' | 'other';

const bodyContext = (request: RecordedRequest): Context => {
  if (isForm(request)) return 'form';
  return isJson(request) ? 'json' : 'other';
};

/** How a value that stands there as it is has to be written. */
const PLAIN: Readonly<Record<Context, Encoding>> = {
  target: 'target',
  query: 'percent',
  header: 'header',
  form: 'form',
  json: 'json',
  other: 'raw',
};

const ENCODINGS: readonly Encoding[] = [
  'percent',
  'percent-lower',
  'form',
  'json',
  'json-slash',
  'base64',
  'base64url',
];

/** Where a value stands in a text, in whatever form. */
function* places(
  text: string,
  recorded: string,
  context: Context,
): Generator<{ at: Range; encoding: Encoding }> {
  const isPlain = encodeAs(recorded, 'percent') === recorded;
  // What stands in a query with octets that a query may have is written like that, too.
  const asItIs = context === 'query' && !isPlain ? 'target' : PLAIN[context];
  const forms = new Map<string, Encoding>([[recorded, asItIs]]);
  for (const encoding of ENCODINGS) {
    if (encoding.startsWith('base64') && recorded.length < BASE64_BYTES_MIN) continue;
    const form = encodeAs(recorded, encoding);
    if (form !== null && !forms.has(form)) forms.set(form, encoding);
  }
  for (const [form, encoding] of forms) {
    for (const at of occurrences(text, form)) {
      if (recorded.length >= DISTINCT_BYTES_MIN || isWord(text, at)) yield { at, encoding };
    }
  }
}

/** Whether it is no part of a longer word. */
function isWord(text: string, { from, to }: Range): boolean {
  const before = text.slice(Math.max(0, from - 3), from);
  const joinsBefore = WORD.test(before.slice(-1)) && !PERCENT_OCTET.test(before);
  return !joinsBefore && !WORD.test(text[to] ?? '');
}
