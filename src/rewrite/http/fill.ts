/** Fills the slots of a request with what its client has learnt, or says what is missing. */
import { octetsOfText } from '../octet-text.ts';
import { encodeAs } from './encodings.ts';
import { type Edit, renderRequest } from './render.ts';
import type { RequestPlan } from './request-plan.ts';
import type { Slot, SlotValue } from './slots.ts';
import type { HttpClient, RequestValues } from './values.ts';

/** What became of a request that was to be filled. */
export type Filled =
  | { readonly is: 'ready'; readonly edits: readonly Edit[] }
  /** Something is not known yet. */
  | { readonly is: 'wait' }
  /** Something will never be known; of `recorded` that stays as it was. */
  | { readonly is: 'unbound'; readonly what: string }
  /** A value cannot stand where it has to. */
  | { readonly is: 'broken'; readonly what: string };

/** What is looked up for a request. */
export interface FillInput {
  readonly plan: RequestPlan;
  readonly client: HttpClient;
  readonly values: RequestValues;
  /** Nothing more can be waited for. */
  readonly isLate: boolean;
  /** What was never learnt stays as it was recorded. */
  readonly keepsRecorded: boolean;
}

/** The edits of a request. */
export function fillRequest(input: FillInput): Filled {
  const { plan, client } = input;
  const { head, body } = plan;
  let unbound: string | null = null;
  // Before anything is counted, for it is asked again after a wait.
  for (let i = 0; i < head.length + body.length; i++) {
    const { value } = i < head.length ? head[i] : body[i - head.length];
    const missing = missingOf(value, client, input.values);
    if (missing === null) continue;
    if (!missing.isSettled && !input.isLate) return { is: 'wait' };
    if (value.is !== 'cookies') unbound ??= missing.what;
  }
  if (unbound !== null && !input.keepsRecorded) return { is: 'unbound', what: unbound };
  let broken: string | null = null;
  const edits = renderRequest(plan, (slot) => {
    const text = textOfSlot(slot, input);
    if (text === null) broken = 'a value with a line end cannot stand in a header field';
    return text ?? undefined;
  });
  return broken === null ? { is: 'ready', edits } : { is: 'broken', what: broken };
}

/** The edits of a request that says the same for all clients; null where it does not. */
export function fixedEdits(plan: RequestPlan): readonly Edit[] | null {
  const texts = new Map<Slot, string>();
  for (const slot of [...plan.head, ...plan.body]) {
    const { value } = slot;
    if (value.is !== 'template' || value.parts === undefined) return null;
    if (!value.parts.every((part) => typeof part === 'string')) return null;
    const encoded = encodeAs(value.parts.join(''), value.encoding);
    if (encoded === null) return null;
    texts.set(slot, value.before + encoded + value.behind);
  }
  const edits = renderRequest(plan, (slot) => texts.get(slot));
  return edits.map((edit) => ({ ...edit, octets: octetsOfText(edit.text) }));
}

interface Missing {
  readonly what: string;
  /** It will not come any more. */
  readonly isSettled: boolean;
}

function missingOf(value: SlotValue, client: HttpClient, values: RequestValues): Missing | null {
  if (value.is === 'alias') {
    if (client.aliases.has(value.recorded)) return null;
    // Not the recorded value: it may be a secret, and each user's is another.
    const what = `${value.handedOutAs} was never learnt`;
    return { what, isSettled: client.areSettled(value.sites) };
  }
  if (value.is === 'cookies') {
    const open = value.pairs.find(({ sites }) => !client.areSettled(sites));
    // Any of the answers that set the value may have done.
    const isOpen = open !== undefined && !open.sites.some((site) => client.settled.has(site));
    return isOpen ? { what: `no cookie ${open.name}`, isSettled: false } : null;
  }
  if (value.parts === undefined) return { what: 'a value was never recorded', isSettled: true };
  for (const part of value.parts) {
    if (typeof part === 'string') continue;
    if (part.is === 'learnt' && !client.values.has(part.name)) {
      const what = `${part.name} was never learnt`;
      return { what, isSettled: client.areSettled(part.sites) };
    }
    if (part.is === 'feed' && values.valueOf(part) === undefined) {
      return { what: `the feed ${part.feed} has no more rows`, isSettled: true };
    }
  }
  return null;
}

/** @returns undefined: as recorded; null: it cannot stand there */
function textOfSlot({ value }: Slot, input: FillInput): string | undefined | null {
  const { client, values } = input;
  if (value.is === 'alias') {
    const live = client.aliases.get(value.recorded);
    return live === undefined ? undefined : encodeAs(live, value.encoding);
  }
  if (value.is === 'cookies') return cookieText(value, input);
  if (value.parts === undefined) return undefined;
  let text = '';
  for (const part of value.parts) {
    const each = typeof part === 'string' ? part : values.valueOf(part);
    if (each === undefined) return undefined;
    text += each;
  }
  const encoded = encodeAs(text, value.encoding);
  return encoded === null ? null : value.before + encoded + value.behind;
}

/**
 * A Cookie field: recorded pairs in their order, each with what the server set last; those that it has
 * taken back, or set in the recording alone, are left out; new ones follow.
 */
function cookieText(
  value: SlotValue & { readonly is: 'cookies' },
  { client, plan }: FillInput,
): string {
  const live = client.jar.cookiesFor(plan.place, client.info.nowMs());
  const pairs: string[] = [];
  const used = new Set<string>();
  for (const pair of value.pairs) {
    const { name } = pair;
    if (used.has(name)) continue;
    const own = live.filter((cookie) => cookie.name === name);
    if (own.length > 0) {
      used.add(name);
      for (const cookie of own) pairs.push(`${name}=${cookie.value}`);
    } else if (!pair.isServers && !client.jar.hasTaken(name)) {
      pairs.push(name === '' ? pair.value : `${name}=${pair.value}`);
    }
  }
  for (const { name, value: text } of live) if (!used.has(name)) pairs.push(`${name}=${text}`);
  if (pairs.length === 0) return '';
  return value.before + pairs.join('; ') + value.behind;
}
