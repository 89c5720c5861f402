/** What is to be done with a recorded request: its slots, or why it cannot be changed. */

import { copyOf } from '../octet-text.ts';
import { aliasSlots, frameAliases } from './aliases.ts';
import { type CookiePlace, parseCookies } from './cookie-jar.ts';
import type { RecordedExchange } from './exchanges.ts';
import { hostOf, hostOfAuthority, type RequestMatcher } from './learn.ts';
import { type Packing, unpackedRequest } from './packing.ts';
import {
  type Chunk,
  type Field,
  fieldOf,
  type Range,
  type RecordedRequest,
} from './recorded-requests.ts';
import {
  type Bind,
  basicSlots,
  formSlots,
  headerSlots,
  isForm,
  isJson,
  isPacked,
  jsonSlots,
  meansMultipart,
  occurrences,
  type RequestSlots,
  replaceSlots,
  type SendFrom,
  type SettingsFor,
  targetSlots,
} from './send.ts';
import { type BoundPlace, NOTHING, Rank, type Slot, SlotList } from './slots.ts';
import type { Place, Template } from './template.ts';
import type { ToldSites } from './told-sites.ts';
import type { RecordedFrame } from './websocket-frames.ts';

/** Rules made ready. */
export interface ReadyRules {
  readonly cookies: boolean;
  readonly send: readonly SendFrom[];
  readonly settings: SettingsFor;
  readonly skip: readonly RequestMatcher[];
}

/** What has to be known of a request to write it: offsets in it. */
export interface RequestLayout {
  readonly fieldsEnd: number;
  readonly lineEnd: string;
  readonly bodyFrom: number;
  /** Without chunks. */
  readonly bodyBytes: number;
  /** Where the body is packed: what it is unpacked, which slots are of. */
  readonly packed: { readonly packing: Packing; readonly plain: string } | null;
  readonly chunks: readonly Chunk[] | null;
  /** Values of Content-Length. */
  readonly lengths: readonly Range[];
}

/**
 * A request that is written anew, wherever it stands: where nothing in it depends on what its client was told,
 * requests of the same octets share one.
 */
export interface RequestPlan {
  readonly layout: RequestLayout;
  /** Set of a frame of a WebSocket, which is all body. */
  readonly frame?: RecordedFrame;
  /** Where it goes, for cookies. */
  readonly place: CookiePlace;
  readonly isSkipped: boolean;
  /** Of offsets in the request. */
  readonly head: readonly Slot[];
  /** Of offsets of the body, without chunks. */
  readonly body: readonly Slot[];
}

/** What keeps a request from being changed. */
export interface RequestRefusal {
  readonly refused: string;
}

/**
 * @param told what the client had been told before
 * @returns undefined where nothing of the request changes
 */
export function planRequest(
  rules: ReadyRules,
  exchange: RecordedExchange,
  told: ToldSites,
): RequestPlan | RequestRefusal | undefined {
  const request = unpackedRequest(exchange.request);
  const status = exchange.answer?.status;
  const settings = rules.settings.of(request, status);
  const planned = { layout: layoutOf(request), place: placeOfRequest(rules, exchange) };
  if (rules.skip.some((when) => when(request, status))) {
    return { ...planned, isSkipped: true, head: [], body: [] };
  }
  const to: RequestSlots = {
    request,
    head: new SlotList(),
    body: new SlotList(),
    bind: binder(told),
  };
  const isLeftOut = (name: string): boolean =>
    FRAMING.has(name) || (rules.cookies && name === 'cookie');
  aliasSlots(to, told, isLeftOut);
  if (rules.cookies) cookieSlots(to, told);
  for (const [i, each] of settings.replace.entries()) {
    replaceSlots(to, each, Rank.REPLACE + i, isLeftOut);
  }
  basicSlots(to, settings, Rank.SET);
  headerSlots(to, settings, Rank.SET);
  targetSlots(to, settings, Rank.SET);
  const isMeant =
    (settings.form.length > 0 && isForm(request)) || (settings.json.length > 0 && isJson(request));
  if (isMeant && isPacked(request) && request.body !== '') {
    return { refused: 'a request has a compressed body, which cannot be changed' };
  }
  if (meansMultipart(request, settings)) {
    return { refused: 'a request has a multipart body, which form: cannot change' };
  }
  formSlots(to, settings, Rank.SET);
  jsonSlots(to, settings, Rank.SET);
  const head = to.head.get();
  const body = to.body.get();
  if (head.length + body.length === 0) return undefined;
  const signature = signatureOf(request.fields, body.length > 0);
  if (signature !== null) {
    return { refused: `a request is signed (${signature}), and would not be valid when changed` };
  }
  return { ...planned, isSkipped: false, head, body };
}

/** @returns undefined where nothing of the frame changes */
export function planFrame(
  { settings }: ReadyRules,
  frame: RecordedFrame,
  told: ToldSites,
): RequestPlan | undefined {
  const list = new SlotList();
  frameAliases(frame.payload, told, list);
  const bind = binder(told);
  // Which request a frame belongs to is nothing that a rule could say.
  for (const [i, { text, by }] of settings.forAll.replace.entries()) {
    for (const at of occurrences(frame.payload, text))
      list.add(at, bind(by, 'raw'), Rank.REPLACE + i);
  }
  const body = list.get();
  if (body.length === 0) return undefined;
  const place = { host: '', path: '' };
  return { layout: NO_LAYOUT, frame, place, isSkipped: false, head: [], body };
}

/** A frame has no header of a request. */
const NO_LAYOUT: RequestLayout = {
  ...{ fieldsEnd: 0, lineEnd: '', bodyFrom: 0, bodyBytes: 0, packed: null, chunks: null },
  lengths: [],
};

const layoutOf = (request: RecordedRequest): RequestLayout => ({
  fieldsEnd: request.fieldsEnd,
  lineEnd: request.lineEnd,
  bodyFrom: request.bodyFrom,
  bodyBytes: request.packed?.bytes ?? request.body.length,
  packed:
    request.packed === undefined ? null : { packing: request.packed.packing, plain: request.body },
  chunks: request.chunks,
  lengths: request.fields.flatMap(({ name, valueAt }) =>
    name === 'content-length' ? [valueAt] : [],
  ),
});

/** Fields that follow from the body. */
const FRAMING = new Set(['content-length', 'transfer-encoding']);

/** What signs what would change; null where nothing does. */
function signatureOf(fields: readonly Field[], changesBody: boolean): string | null {
  const scheme = /^(AWS4-[\w-]+|Signature|Hawk|OAuth)\b/i.exec(
    fieldOf(fields, 'authorization') ?? '',
  );
  if (scheme !== null) return scheme[1] ?? '';
  const signs = ({ name }: Field): boolean =>
    name === 'x-signature' ||
    name === 'signature' ||
    (changesBody && /^x-hub-signature(?:-256)?$/.test(name));
  return fields.find(signs)?.name ?? null;
}

/** Where a request goes: to the Host that a rule sets, where that is no matter of a user. */
export function placeOfRequest(
  { send }: ReadyRules,
  { request, answer }: RecordedExchange,
): CookiePlace {
  const path = copyOf(request.path);
  const rule = send.findLast(
    ({ when, headers }) =>
      headers.some(([name]) => name === 'host') && when(request, answer?.status),
  );
  const [first, ...rest] = rule?.headers.find(([name]) => name === 'host')?.[1] ?? [];
  const isGiven = typeof first === 'string' && rest.length === 0;
  return { host: isGiven ? hostOfAuthority(first) : copyOf(hostOf(request)), path };
}

/** Fields of the header that cookies come in. */
function cookieSlots({ request, head }: RequestSlots, told: ToldSites): void {
  const [first, ...more] = request.fields.filter(({ name }) => name === 'cookie');
  if (first === undefined) return;
  for (const { lineAt } of more) head.add(lineAt, NOTHING, Rank.COOKIES);
  const text = [first, ...more].map(({ value }) => value).join('; ');
  const pairs = parseCookies(text).map(({ name, value }) => {
    const setBy = told.cookies(name);
    const same = setBy.filter(({ recorded }) => recorded === value);
    return {
      name: copyOf(name),
      value: copyOf(value),
      isServers: setBy.length > 0,
      sites: same.map(({ id }) => id),
    };
  });
  const { lineAt, valueAt } = first;
  // The field's name, its blanks and its line end stay as they are.
  const before = copyOf(request.text.slice(lineAt.from, valueAt.from));
  const behind = copyOf(request.text.slice(valueAt.to, lineAt.to));
  head.add(lineAt, { is: 'cookies', pairs, before, behind }, Rank.COOKIES);
}

/** Gives places of templates the sites that they may have come from. */
function binder(told: ToldSites): Bind {
  const bound = (part: string | Place): string | BoundPlace | undefined => {
    if (typeof part === 'string') return part;
    if (part.is !== 'learnt' && part.is !== 'recorded') return part;
    const sites = told.learnt(part.name);
    if (part.is === 'recorded')
      return sites.findLast(({ recorded }) => recorded !== undefined)?.recorded;
    return { is: 'learnt', name: part.name, sites: sites.map(({ id }) => id) };
  };
  return (template: Template, encoding, { before = '', behind = '' } = {}) => {
    const parts = template.map(bound).filter((part) => part !== undefined);
    const isKnown = parts.length === template.length;
    return { is: 'template', parts: isKnown ? parts : undefined, encoding, before, behind };
  };
}
