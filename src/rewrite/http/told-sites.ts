/**
 * The sites of one recorded client, by what is asked of them: answers come to thousands, each may hand
 * out values, and each request is looked through for all that were handed out before it.
 */
import { append } from '../../base/append.ts';
import { FormIndex } from './form-index.ts';
import type { Forms, Site } from './sites.ts';

/** A recorded value, and the sites that handed it out. */
export interface AliasValue {
  readonly recorded: string;
  /** The rule's name, or the cookie's, for messages. */
  readonly handedOutAs: string;
  readonly forms: Forms;
  readonly ids: readonly number[];
}

/** A value that sites have, itself or as the answer had it escaped. */
interface Value {
  readonly recorded: string;
  readonly forms: Forms;
  readonly sites: Site[];
  /** The text in which it was found last. */
  foundIn: number;
}

/** All that a client was told. */
export class ScopeSites {
  readonly #bySession = new Map<number, Map<number, Site[]>>();
  readonly #cookies = new Map<string, Site[]>();
  readonly #learnt = new Map<string, Site[]>();
  readonly #values = new Map<string, Value>();
  readonly #forms = new FormIndex<Value>();
  #searches = 0;

  add(site: Site): void {
    const { session, exchange, rule, name, recorded, forms, escaped } = site;
    const exchanges = this.#bySession.get(session) ?? new Map<number, Site[]>();
    this.#bySession.set(session, exchanges);
    append(exchanges, exchange, site);
    append(rule === null ? this.#cookies : this.#learnt, name, site);
    if (recorded === undefined || forms === null) return;
    this.#addValue(recorded, forms, site);
    if (escaped !== null) this.#addValue(escaped.text, escaped.forms, site);
  }

  #addValue(recorded: string, forms: Forms, site: Site): void {
    const known = this.#values.get(recorded);
    if (known !== undefined) {
      known.sites.push(site);
      return;
    }
    const value = { recorded, forms, sites: [site], foundIn: 0 };
    this.#values.set(recorded, value);
    this.#forms.add(recorded, value);
    for (const [form] of forms) this.#forms.add(form, value);
  }

  /** Those of a session, by exchange. */
  ofSession(session: number): ReadonlyMap<number, readonly Site[]> {
    return this.#bySession.get(session) ?? NO_SITES;
  }

  /**
   * What may have come before a request: of its own session what earlier exchanges were told, and all
   * of others.
   */
  before(session: number, exchange: number): ToldSites {
    return new ToldSites(this, { session, exchange });
  }

  /** Whether there are any that requests are looked through for. */
  get hasValues(): boolean {
    return this.#values.size > 0;
  }

  /** In the order in which they were added. @param name of the cookie, or of the rule */
  named(kind: 'cookie' | 'learnt', name: string): readonly Site[] {
    return (kind === 'cookie' ? this.#cookies : this.#learnt).get(name) ?? [];
  }

  /** The values that a text has in any form, each once. */
  *valuesIn(text: string): Generator<Pick<Value, 'recorded' | 'forms' | 'sites'>> {
    const search = ++this.#searches;
    for (const value of this.#forms.in(text)) {
      if (value.foundIn === search) continue;
      value.foundIn = search;
      yield value;
    }
  }
}

const NO_SITES: ReadonlyMap<number, readonly Site[]> = new Map();

/** Those sites of a client that may have come before one of its requests. */
export class ToldSites {
  readonly #all: ScopeSites;
  readonly #at: { readonly session: number; readonly exchange: number };

  constructor(all: ScopeSites, at: { readonly session: number; readonly exchange: number }) {
    this.#all = all;
    this.#at = at;
  }

  /** Whether there is no value that could stand in a request. */
  get isEmpty(): boolean {
    return !this.#all.hasValues;
  }

  /** Those of a cookie. */
  cookies(name: string): readonly Site[] {
    return this.#all.named('cookie', name).filter((site) => this.#isBefore(site));
  }

  /** Those of a rule. */
  learnt(name: string): readonly Site[] {
    return this.#all.named('learnt', name).filter((site) => this.#isBefore(site));
  }

  /** The values that a text has; of values within each other the longer one comes first. */
  valuesIn(text: string): readonly AliasValue[] {
    const found: AliasValue[] = [];
    for (const { recorded, forms, sites } of this.#all.valuesIn(text)) {
      const told = sites.filter((site) => this.#isBefore(site));
      const [first] = told;
      if (first === undefined) continue;
      const handedOutAs = first.rule === null ? `cookie ${first.name}` : first.name;
      found.push({ recorded, handedOutAs, forms, ids: told.map(({ id }) => id) });
    }
    return found.sort((a, b) => b.recorded.length - a.recorded.length);
  }

  #isBefore({ session, exchange }: Site): boolean {
    return session !== this.#at.session || exchange < this.#at.exchange;
  }
}

/** Nothing was told. */
export const NOTHING_TOLD = new ScopeSites();
