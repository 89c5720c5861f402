/**
 * Where recorded clients were told values: the places of answers that a rule, or the cookies, take
 * something from. Found before the run, so that what has to be read and what can be written is known.
 */
import type { RecordedSession } from '../module.ts';
import { copyOf } from '../octet-text.ts';
import { parseSetCookie } from './cookie-jar.ts';
import { type Encoding, encodeAs } from './encodings.ts';
import { type RecordedExchange, readSession } from './exchanges.ts';
import type { LearnFrom } from './learn.ts';
import type { KnownRequests } from './recorded-requests.ts';
import { NOTHING_TOLD, ScopeSites } from './told-sites.ts';

/** Other forms of a text in which requests may have it, percent-encoded and the like. */
export type Forms = readonly (readonly [form: string, encoding: Encoding])[];

/** A value that the recorded server handed out. */
export interface Site {
  /** From 0, in the module. */
  readonly id: number;
  readonly session: number;
  /** The exchange whose answer has it. */
  readonly exchange: number;
  /** The rule; null for a cookie. */
  readonly rule: LearnFrom | null;
  /** The rule's name, or the cookie's. */
  readonly name: string;
  /** Octets as text; undefined where the answer was not captured. */
  readonly recorded: string | undefined;
  /** Those of the recorded value; null where it is not looked for. */
  readonly forms: Forms | null;
  /** It as the answer had it, where that was escaped: whoever only cuts it out sends that; null elsewhere. */
  readonly escaped: { readonly text: string; readonly forms: Forms } | null;
}

interface Found extends Pick<Site, 'rule' | 'name' | 'recorded'> {
  readonly written?: string;
}

/** A learnt value's recorded form of fewer octets may stand in a request by chance. */
const ALIAS_BYTES_MIN = 4;
/** Shorter ones in base64 would be found by chance. */
const BASE64_BYTES_MIN = 6;
/** Likewise of cookies, whose values nobody has chosen to be followed. */
const COOKIE_ALIAS_BYTES_MIN = 8;

/** What recorded clients were told. A scope is a recorded client, or a session of its own. */
export class SiteTable {
  readonly #rules: readonly LearnFrom[];
  readonly #cookies: boolean;
  readonly #scopes = new Map<string, ScopeSites>();
  /** By value: servers hand out the same one again and again. */
  readonly #forms = new Map<string, Forms>();
  #count = 0;

  constructor(rules: readonly LearnFrom[], cookies: boolean) {
    this.#rules = rules;
    this.#cookies = cookies;
  }

  /** Whether anything is looked for. */
  get isNeeded(): boolean {
    return this.#cookies || this.#rules.length > 0;
  }

  /** Adds what a session was told. */
  add(scope: string, session: RecordedSession, known: KnownRequests): void {
    const { exchanges } = readSession(session, true, known);
    for (const [index, exchange] of exchanges.entries()) {
      if (exchange.stages === undefined) continue;
      for (const found of this.#found(exchange)) {
        const sites = this.#scopes.get(scope) ?? new ScopeSites();
        this.#scopes.set(scope, sites);
        const place = { id: this.#count++, session: session.session, exchange: index };
        const { rule, name, recorded } = found;
        sites.add({ ...place, rule, name, recorded, ...this.#formsOf(found) });
      }
    }
  }

  #found(exchange: RecordedExchange): Found[] {
    const { request, answer } = exchange;
    const found: Found[] = [];
    for (const rule of this.#rules) {
      if (!rule.when(request, answer?.status)) continue;
      const learnt = answer === undefined ? undefined : rule.extract(answer);
      // An answer that was captured and has it not says that the rule does not mean it.
      if (answer !== undefined && (learnt === undefined || learnt.value === '')) continue;
      const { name } = rule;
      if (learnt === undefined) found.push({ rule, name, recorded: undefined });
      else {
        const { value, written } = learnt;
        found.push({ rule, name, recorded: copyOf(value), written: copyOf(written) });
      }
    }
    if (!this.#cookies) return found;
    for (const { name, value } of answer?.fields ?? []) {
      const cookie = name === 'set-cookie' ? parseSetCookie(value) : null;
      if (cookie === null) continue;
      found.push({ rule: null, name: copyOf(cookie.name), recorded: copyOf(cookie.value) });
    }
    return found;
  }

  #formsOf(found: Found): Pick<Site, 'forms' | 'escaped'> {
    const { recorded, written = recorded } = found;
    if (recorded === undefined || written === undefined || !isAliased(found)) {
      return { forms: null, escaped: null };
    }
    const escaped =
      written === recorded ? null : { text: written, forms: this.#formsOfText(written) };
    return { forms: this.#formsOfText(recorded), escaped };
  }

  #formsOfText(text: string): Forms {
    const known = this.#forms.get(text) ?? encodedForms(text);
    this.#forms.set(text, known);
    return known;
  }

  /** All of a scope's. */
  of(scope: string): ScopeSites {
    return this.#scopes.get(scope) ?? NOTHING_TOLD;
  }
}

/** Whether requests get the live value where they have the recorded one. */
function isAliased({ rule, recorded }: Found): boolean {
  if (recorded === undefined || recorded === '') return false;
  if (rule === null) return recorded.length >= COOKIE_ALIAS_BYTES_MIN;
  return rule.alias ?? recorded.length >= ALIAS_BYTES_MIN;
}

const ENCODINGS: readonly Encoding[] = [
  ...(['percent', 'percent-lower', 'form', 'json', 'json-slash', 'base64', 'base64url'] as const),
  'decoded',
];

/** The forms of a value besides its own, each with how it is made. */
function encodedForms(recorded: string): Forms {
  const forms = new Map<string, Encoding>();
  for (const encoding of ENCODINGS) {
    if (encoding.startsWith('base64') && recorded.length < BASE64_BYTES_MIN) continue;
    const form = encodeAs(recorded, encoding);
    if (form !== null && form !== recorded && !forms.has(form)) forms.set(form, encoding);
  }
  return [...forms];
}
