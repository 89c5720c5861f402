/**
 * Learnt values where nobody has said that they stand: each occurrence of a recorded value in a later
 * request, as it is, percent-encoded, within a JSON string or in base64, becomes a slot.
 */

import type { Encoding } from './encodings.ts';
import { overlap } from './exchanges.ts';
import type { Range, RecordedRequest } from './recorded-requests.ts';
import { isForm, isJson, isPacked, movedBy, occurrences, type RequestSlots } from './send.ts';
import { Rank, type SlotList } from './slots.ts';
import type { AliasValue, ToldSites } from './told-sites.ts';

/** From so many octets on a value is found also within a longer word. */
const DISTINCT_BYTES_MIN = 16;

const WORD = /[A-Za-z0-9]/;
/** How a percent-encoded octet ends. */
const PERCENT_OCTET = /%[0-9A-Fa-f]{2}$/;

/** The slots of what a request has of values that its client had been told before. */
export function aliasSlots(
  to: RequestSlots,
  told: ToldSites,
  isLeftOut: (name: string) => boolean,
): void {
  if (told.isEmpty) return;
  const taken = { head: [] as Range[], body: [] as Range[] };
  const { request } = to;
  const body = isPacked(request) ? '' : request.body;
  const texts = [request.target, ...request.fields.map(({ value }) => value), body];
  for (const alias of told.valuesIn(texts.join('\n'))) {
    const { recorded, handedOutAs, ids } = alias;
    const find = (text: string, start: number, context: Context, list: 'head' | 'body') => {
      for (const { at, encoding } of places(text, alias, context)) {
        const range = movedBy(at, start);
        if (taken[list].some((each) => overlap(each, range))) continue;
        taken[list].push(range);
        to[list].add(
          range,
          { is: 'alias', recorded, handedOutAs, sites: ids, encoding },
          Rank.ALIAS,
        );
      }
    };
    const pathEnd = request.pathAt.to - request.targetAt.from;
    find(request.target.slice(0, pathEnd), request.targetAt.from, 'target', 'head');
    find(request.target.slice(pathEnd), request.targetAt.from + pathEnd, 'query', 'head');
    for (const { name, value, valueAt } of request.fields) {
      if (!isLeftOut(name)) find(value, valueAt.from, 'header', 'head');
    }
    find(body, 0, bodyContext(request), 'body');
  }
}

/** Likewise of what a WebSocket's frame says. */
export function frameAliases(payload: string, told: ToldSites, list: SlotList): void {
  const context = /^\s*[{[]/.test(payload) ? 'json' : 'other';
  const taken: Range[] = [];
  for (const alias of told.valuesIn(payload)) {
    const { recorded, handedOutAs, ids } = alias;
    for (const { at, encoding } of places(payload, alias, context)) {
      if (taken.some((each) => overlap(each, at))) continue;
      taken.push(at);
      list.add(at, { is: 'alias', recorded, handedOutAs, sites: ids, encoding }, Rank.ALIAS);
    }
  }
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

/** Where a value stands in a text, in whatever form. */
function* places(
  text: string,
  { recorded, forms }: AliasValue,
  context: Context,
): Generator<{ at: Range; encoding: Encoding }> {
  // What stands in a query with octets that a query may have is written like that, too.
  const isPlain = !forms.some(([, encoding]) => encoding === 'percent');
  const asItIs = context === 'query' && !isPlain ? 'target' : PLAIN[context];
  for (const [form, encoding] of [[recorded, asItIs] as const, ...forms]) {
    // Elsewhere it would be encoded again, which is its own form.
    if (encoding === 'decoded' && context !== 'header') continue;
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
