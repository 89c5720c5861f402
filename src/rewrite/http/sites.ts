/**
 * Where recorded clients were told values: the places of answers that a rule, or the cookies, take
 * something from. Found before the run, so that what has to be read and what can be written is known.
 */
import type { RecordedSession } from '../module.ts';
import { parseSetCookie } from './cookie-jar.ts';
import { type RecordedExchange, readSession } from './exchanges.ts';
import type { LearnFrom } from './learn.ts';
import { copyOf } from './octet-text.ts';

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
}

/** A learnt value's recorded form of fewer octets may stand in a request by chance. */
const ALIAS_BYTES_MIN = 4;
/** Likewise of cookies, whose values nobody has chosen to be followed. */
const COOKIE_ALIAS_BYTES_MIN = 8;

/** What recorded clients were told. A scope is a recorded client, or a session of its own. */
export class SiteTable {
  readonly #rules: readonly LearnFrom[];
  readonly #cookies: boolean;
  readonly #scopes = new Map<string, Site[]>();
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
  add(scope: string, session: RecordedSession): void {
    const { exchanges } = readSession(session, true);
    for (const [index, exchange] of exchanges.entries()) {
      if (exchange.stages === undefined) continue;
      for (const found of this.#found(exchange)) {
        const sites = this.#scopes.get(scope) ?? [];
        this.#scopes.set(scope, sites);
        sites.push({ ...found, id: this.#count++, session: session.session, exchange: index });
      }
    }
  }

  #found(exchange: RecordedExchange): Omit<Site, 'id' | 'session' | 'exchange'>[] {
    const { request, answer } = exchange;
    const found: Omit<Site, 'id' | 'session' | 'exchange'>[] = [];
    for (const rule of this.#rules) {
      if (!rule.when(request, answer?.status)) continue;
      const recorded = answer === undefined ? undefined : rule.extract(answer);
      // An answer that was captured and has it not says that the rule does not mean it.
      if (answer !== undefined && (recorded === undefined || recorded === '')) continue;
      found.push({
        rule,
        name: rule.name,
        recorded: recorded === undefined ? undefined : copyOf(recorded),
      });
    }
    if (!this.#cookies) return found;
    for (const { name, value } of answer?.fields ?? []) {
      const cookie = name === 'set-cookie' ? parseSetCookie(value) : null;
      if (cookie === null) continue;
      found.push({ rule: null, name: copyOf(cookie.name), recorded: copyOf(cookie.value) });
    }
    return found;
  }

  /** All of a scope's, in the order in which they were added. */
  of(scope: string): readonly Site[] {
    return this.#scopes.get(scope) ?? [];
  }
}

/**
 * Those sites that may have come before a request of theirs: of its own session those of earlier
 * exchanges, and those of all others.
 */
export const sitesBefore = (
  sites: readonly Site[],
  session: number,
  exchange: number,
): readonly Site[] => sites.filter((site) => site.session !== session || site.exchange < exchange);

/** Whether requests get the live value where they have the recorded one. */
export function isAliased({ rule, recorded }: Site): boolean {
  if (recorded === undefined || recorded === '') return false;
  if (rule === null) return recorded.length >= COOKIE_ALIAS_BYTES_MIN;
  return rule.alias ?? recorded.length >= ALIAS_BYTES_MIN;
}
