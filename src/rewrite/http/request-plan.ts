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
  isMultipart,
  isPacked,
  jsonSlots,
  merged,
  occurrences,
  type RequestSlots,
  replaceSlots,
  type SendFrom,
  targetSlots,
} from './send.ts';
import { type Site, sitesBefore } from './sites.ts';
import { type BoundPlace, NOTHING, Rank, type Slot, SlotList } from './slots.ts';
import type { Place, Template } from './template.ts';
import type { RecordedFrame } from './websocket-frames.ts';

/** Rules made ready. */
export interface ReadyRules {
  readonly cookies: boolean;
  readonly send: readonly SendFrom[];
  readonly skip: readonly RequestMatcher[];
}

/** What has to be known of a request to write it: offsets of the stream. */
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

/** A request that is written anew. */
export interface RequestPlan {
  readonly layout: RequestLayout;
  /** Set of a frame of a WebSocket, which is all body. */
  readonly frame?: RecordedFrame;
  /** Of its octets. */
  readonly at: Range;
  /** Its number in the session, from 0. */
  readonly turn: number;
  /** Where it goes, for cookies. */
  readonly place: CookiePlace;
  readonly isSkipped: boolean;
  /** Of offsets of the stream. */
  readonly head: readonly Slot[];
  /** Of offsets of the body, without chunks. */
  readonly body: readonly Slot[];
}

/** What keeps a request from being changed. */
export interface RequestRefusal {
  readonly refused: string;
}

/** A session's exchange, and what its client had been told. */
export interface RequestInput {
  readonly exchange: RecordedExchange;
  readonly turn: number;
  readonly session: number;
  /** All that the client said, octets as text. */
  readonly stream: string;
  /** All sites of the client. */
  readonly sites: readonly Site[];
}

/** @returns undefined where nothing of the request changes */
export function planRequest(
  rules: ReadyRules,
  input: RequestInput,
): RequestPlan | RequestRefusal | undefined {
  const { exchange, turn } = input;
  const request = unpackedRequest(exchange.request);
  const status = exchange.answer?.status;
  const told = sitesBefore(input.sites, input.session, turn);
  const settings = merged(rules.send.filter(({ when }) => when(request, status)));
  const planned = {
    ...{ turn, at: request.at, layout: layoutOf(request) },
    place: placeOfRequest(rules, exchange),
  };
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
  if (rules.cookies) cookieSlots(to, told, input.stream);
  for (const [i, each] of settings.replace.entries()) {
    replaceSlots(to, each, Rank.REPLACE + i, isLeftOut);
  }
  basicSlots(to, settings, Rank.SET);
  headerSlots(to, settings, Rank.SET);
  targetSlots(to, settings, Rank.SET);
  const isBody = settings.form.length > 0 || settings.json.length > 0;
  if (isBody && isPacked(request) && request.body !== '') {
    return { refused: 'a request has a compressed body, which cannot be changed' };
  }
  if (settings.form.length > 0 && isMultipart(request)) {
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
  { send }: ReadyRules,
  frame: RecordedFrame,
  input: { readonly turn: number; readonly session: number; readonly sites: readonly Site[] },
): RequestPlan | undefined {
  const told = sitesBefore(input.sites, input.session, input.turn);
  const list = new SlotList();
  frameAliases(frame.payload, told, list);
  const bind = binder(told);
  // Which request a frame belongs to is nothing that a rule could say.
  const rules = merged(send.filter(({ isForAll }) => isForAll));
  for (const [i, { text, by }] of rules.replace.entries()) {
    for (const at of occurrences(frame.payload, text))
      list.add(at, bind(by, 'raw'), Rank.REPLACE + i);
  }
  const body = list.get();
  if (body.length === 0) return undefined;
  const { turn } = input;
  const place = { host: '', path: '' };
  return { layout: NO_LAYOUT, frame, at: frame.at, turn, place, isSkipped: false, head: [], body };
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
function cookieSlots({ request, head }: RequestSlots, told: readonly Site[], stream: string): void {
  const [first, ...more] = request.fields.filter(({ name }) => name === 'cookie');
  if (first === undefined) return;
  for (const { lineAt } of more) head.add(lineAt, NOTHING, Rank.COOKIES);
  const text = [first, ...more].map(({ value }) => value).join('; ');
  const pairs = parseCookies(text).map(({ name, value }) => {
    const setBy = told.filter((site) => site.rule === null && site.name === name);
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
  const before = copyOf(stream.slice(lineAt.from, valueAt.from));
  const behind = copyOf(stream.slice(valueAt.to, lineAt.to));
  head.add(lineAt, { is: 'cookies', pairs, before, behind }, Rank.COOKIES);
}

/** Gives places of templates the sites that they may have come from. */
function binder(told: readonly Site[]): Bind {
  const bound = (part: string | Place): string | BoundPlace | undefined => {
    if (typeof part === 'string') return part;
    if (part.is !== 'learnt' && part.is !== 'recorded') return part;
    const sites = told.filter(({ rule, name }) => rule !== null && name === part.name);
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
