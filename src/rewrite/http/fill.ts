/** Fills the slots of a request with what its client has learnt, or says what is missing. */
import { octetsOfText } from '../octet-text.ts';
import type { CookiePlace } from './cookie-jar.ts';
import { encodeAs } from './encodings.ts';
import { type Edit, renderRequest } from './render.ts';
import type { RequestPlan } from './request-plan.ts';
import type { Slot, SlotValue } from './slots.ts';
import type { HttpClient, RequestValues } from './values.ts';

/** What `whatIsMissing` says of what may still come. */
export const NOT_YET = '';

/**
 * What a request needs and its client has not been told. Asked before anything is counted, for it is asked
 * again after a wait.
 * @param slots that may lack something
 * @param isLate nothing more can be waited for
 * @returns null: nothing; NOT_YET; or what will never be known
 */
export function whatIsMissing(
  slots: readonly Slot[],
  values: RequestValues,
  isLate: boolean,
): string | null {
  let unbound: string | null = null;
  for (const { value } of slots) {
    const missing = missingOf(value, values);
    if (missing === null) continue;
    if (!missing.isSettled && !isLate) return NOT_YET;
    if (value.is !== 'cookies') unbound ??= missing.what;
  }
  return unbound;
}

/** Whether a slot may lack something. */
export const isUncertain = ({ value }: Slot): boolean =>
  value.is !== 'template' ||
  value.parts === undefined ||
  value.parts.some(
    (part) => typeof part !== 'string' && (part.is === 'learnt' || part.is === 'feed'),
  );

/** The edits of a request; null where a value cannot stand where it has to. */
export function editsOfRequest(plan: RequestPlan, values: RequestValues): readonly Edit[] | null {
  let isBroken = false;
  const edits = renderRequest(plan, (slot) => {
    const text = textOfSlot(slot, values, plan.place);
    if (text === null) isBroken = true;
    return text ?? undefined;
  });
  return isBroken ? null : edits;
}

/** The edits of a request that says the same for all clients; null where it does not. */
export function fixedEdits(plan: RequestPlan): readonly Edit[] | null {
  const isFixed = [...plan.head, ...plan.body].every((slot) => constantText(slot) !== null);
  if (!isFixed) return null;
  const edits = renderRequest(plan, (slot) => constantText(slot) ?? undefined);
  return edits.map((edit) => ({ ...edit, octets: octetsOfText(edit.text) }));
}

/** What all clients say in a slot; null where that is not the same, or cannot stand there. */
export function constantText({ value }: Slot): string | null {
  if (value.is !== 'template' || value.parts === undefined) return null;
  if (!value.parts.every((part) => typeof part === 'string')) return null;
  const encoded = encodeAs(value.parts.join(''), value.encoding);
  return encoded === null ? null : value.before + encoded + value.behind;
}

interface Missing {
  readonly what: string;
  /** It will not come any more. */
  readonly isSettled: boolean;
}

function missingOf(value: SlotValue, values: RequestValues): Missing | null {
  const { client } = values;
  if (value.is === 'alias') {
    if (client.aliases.has(value.recorded)) return null;
    // Not the recorded value: it may be a secret, and each user's is another.
    const what = `${value.handedOutAs} was never learnt`;
    return { what, isSettled: client.areSettled(value.sites) };
  }
  if (value.is === 'cookies') {
    // Any of the answers that set the value may have done.
    const open = value.pairs.find(
      ({ sites }) => sites.length > 0 && !sites.some((site) => client.settled.has(site)),
    );
    return open !== undefined ? { what: `no cookie ${open.name}`, isSettled: false } : null;
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
export function textOfSlot(
  { value }: Slot,
  values: RequestValues,
  place: CookiePlace,
): string | undefined | null {
  const { client } = values;
  if (value.is === 'alias') {
    const live = client.aliases.get(value.recorded);
    return live === undefined ? undefined : encodeAs(live, value.encoding);
  }
  if (value.is === 'cookies') return cookieText(value, client, place);
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
  client: HttpClient,
  place: CookiePlace,
): string {
  const live = client.jar.cookiesFor(place, client.info.nowMs());
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
