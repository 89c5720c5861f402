/**
 * Templates: texts with places like `{{token}}`, `{{account.login}}` or `{{random 100}}`. They are read
 * once, before the run; what a place stands for is found when a request is written.
 */
import { encodeUtf8 } from '../octet-text.ts';
import { BUILT_IN_NAMES } from './rules.ts';

/** What a place of a template stands for. */
export type Place =
  | { readonly is: 'client' | 'iteration' | 'turn' }
  /** An identifier like those of RFC 9562: of the request, or of the client. */
  | { readonly is: 'uuid'; readonly of: 'request' | 'client' }
  /** How often requests of the client have used it, from 1. */
  | { readonly is: 'counter'; readonly name: string }
  /** A whole number below `below`; each place of a document has its own, by `number`. */
  | { readonly is: 'random'; readonly below: number; readonly number: number }
  | { readonly is: 'now'; readonly as: 'ms' | 's' | 'iso' | 'http' }
  | { readonly is: 'date'; readonly shiftMs: number; readonly format: string }
  | { readonly is: 'feed'; readonly feed: string; readonly column: string }
  | { readonly is: 'learnt'; readonly name: string }
  | { readonly is: 'recorded'; readonly name: string };

/** A template: octets as text, and places. */
export type Template = readonly (string | Place)[];

/** What templates of a document may name. */
export interface TemplateNames {
  readonly learnt: ReadonlySet<string>;
  /** Columns by feed; null where they are not known yet. */
  readonly feeds: ReadonlyMap<string, readonly string[] | null>;
  readonly values: Readonly<Record<string, string>>;
  /** The environment: of a name that is not there, undefined. */
  env(name: string): string | undefined;
}

/** What is wrong with a template. */
export class TemplateFault extends Error {
  /** A name that is not known, and those that are. */
  readonly unknown: string;
  readonly known: readonly string[];

  constructor(message: string, unknown = '', known: readonly string[] = []) {
    super(message);
    this.unknown = unknown;
    this.known = known;
  }
}

/** A date moved on: `+3d`, `-0d`, `-90m`. */
const SHIFT = /^([+-]\d{1,6})([smhd])$/;
const SHIFT_MS: Readonly<Record<string, number>> = { s: 1e3, m: 6e4, h: 36e5, d: 864e5 };
const NOW_FORMS = ['ms', 's', 'iso', 'http'] as const;
const NAMED = /^[A-Za-z_][\w-]*$/;

/**
 * Reads templates of one document.
 */
export class TemplateReader {
  readonly #names: TemplateNames;
  #randoms = 0;

  constructor(names: TemplateNames) {
    this.#names = names;
  }

  /** @throws TemplateFault */
  read(text: string): Template {
    return this.#read(text, []);
  }

  /** @param within names of values whose templates are being read: none may need itself */
  #read(text: string, within: readonly string[]): Template {
    const parts: (string | Place)[] = [];
    let at = 0;
    for (;;) {
      const open = text.indexOf('{{', at);
      const literal = text.slice(at, open < 0 ? text.length : open);
      if (literal !== '') parts.push(encodeUtf8(literal));
      if (open < 0) return joined(parts);
      const close = text.indexOf('}}', open);
      if (close < 0) throw new TemplateFault('has {{ without }}');
      parts.push(...this.#place(text.slice(open + 2, close).trim(), within));
      at = close + 2;
    }
  }

  #place(text: string, within: readonly string[]): Template {
    const [word = '', ...rest] = text.split(/\s+/);
    const [name = '', column] = word.split('.');
    if (column !== undefined) return [this.#dotted(name, word.slice(name.length + 1), rest)];
    if (BUILT_IN_NAMES.includes(name)) return this.#builtIn(name, rest);
    if (rest.length > 0) throw new TemplateFault(`{{${text}}}: ${word} takes nothing behind it`);
    if (Object.hasOwn(this.#names.values, name)) {
      if (within.includes(name)) {
        const way = [...within.slice(within.indexOf(name)), name].join(' -> ');
        throw new TemplateFault(`needs itself: ${way}`);
      }
      return this.#read(this.#names.values[name] ?? '', [...within, name]);
    }
    if (this.#names.learnt.has(name)) return [{ is: 'learnt', name }];
    const known = [
      ...this.#names.learnt,
      ...Object.keys(this.#names.values),
      ...BUILT_IN_NAMES,
      ...this.#names.feeds.keys(),
    ];
    throw new TemplateFault(`{{${text}}} is neither learnt nor a value nor built in`, word, known);
  }

  #dotted(name: string, column: string, rest: readonly string[]): Place {
    const whole = `{{${[`${name}.${column}`, ...rest].join(' ')}}}`;
    if (rest.length > 0)
      throw new TemplateFault(`${whole}: nothing stands behind ${name}.${column}`);
    if (name === 'recorded') {
      if (this.#names.learnt.has(column)) return { is: 'recorded', name: column };
      throw new TemplateFault(`${whole}: no rule learns ${column}`, column, [
        ...this.#names.learnt,
      ]);
    }
    const columns = this.#names.feeds.get(name);
    if (columns === undefined) {
      throw new TemplateFault(`${whole}: there is no feed ${name}`, name, [
        ...this.#names.feeds.keys(),
      ]);
    }
    if (columns !== null && !columns.includes(column)) {
      throw new TemplateFault(
        `${whole}: the feed ${name} has no column ${column}`,
        column,
        columns,
      );
    }
    return { is: 'feed', feed: name, column };
  }

  #builtIn(name: string, rest: readonly string[]): Template {
    const [first = ''] = rest;
    const wrong = (form: string) => {
      const found = ['{{', [name, ...rest].join(' '), '}}'].join('');
      return new TemplateFault(`${found}: write {{${form}}}`);
    };
    switch (name) {
      case 'client':
      case 'user':
        if (rest.length > 0) throw wrong(name);
        return [{ is: 'client' }];
      case 'iteration':
      case 'turn':
        if (rest.length > 0) throw wrong(name);
        return [{ is: name }];
      case 'uuid':
        if (rest.length > 1 || (first !== '' && first !== 'client')) throw wrong('uuid client');
        return [{ is: 'uuid', of: first === 'client' ? 'client' : 'request' }];
      case 'counter':
        if (rest.length !== 1 || !NAMED.test(first)) throw wrong('counter NAME');
        return [{ is: 'counter', name: first }];
      case 'random':
        if (rest.length !== 1 || !/^[1-9]\d{0,9}$/.test(first)) throw wrong('random N');
        return [{ is: 'random', below: Number(first), number: this.#randoms++ }];
      case 'now': {
        const as = NOW_FORMS.find((form) => form === first);
        if (as === undefined || rest.length > 1) throw wrong('now ms|s|iso|http');
        return [{ is: 'now', as }];
      }
      case 'date':
        return [dateOf(rest, wrong)];
      case 'env':
        return [this.#environment(first, rest, wrong)];
      default:
        throw wrong('recorded.NAME');
    }
  }

  #environment(
    name: string,
    rest: readonly string[],
    wrong: (form: string) => TemplateFault,
  ): string {
    if (rest.length !== 1) throw wrong('env NAME');
    const value = this.#names.env(name);
    if (value === undefined) throw new TemplateFault(`the environment has no ${name}`);
    return encodeUtf8(value);
  }
}

function dateOf(rest: readonly string[], wrong: (form: string) => TemplateFault): Place {
  const [shift = '', ...format] = rest;
  const match = SHIFT.exec(shift);
  if (match === null || format.length === 0) throw wrong('date +3d YYYY-MM-DD');
  const [, number = '0', unit = 'd'] = match;
  const shiftMs = Number(number) * (SHIFT_MS[unit] ?? 0);
  return { is: 'date', shiftMs, format: format.join(' ') };
}

/** Neighbouring texts as one. */
function joined(parts: Template): Template {
  const out: (string | Place)[] = [];
  for (const part of parts) {
    const last = out.at(-1);
    if (typeof part === 'string' && typeof last === 'string') out[out.length - 1] = last + part;
    else out.push(part);
  }
  return out;
}

/** Names of the environment that the texts of a document use. */
export function environmentNames(texts: readonly string[]): ReadonlySet<string> {
  const names = new Set<string>();
  for (const text of texts) {
    for (const [, name = ''] of text.matchAll(/\{\{\s*env\s+(\S+?)\s*\}\}/g)) names.add(name);
  }
  return names;
}

/** `YYYY-MM-DD HH:mm:ss` of a time, in UTC; other characters stay. */
export function formatDate(ms: number, format: string): string {
  const date = new Date(ms);
  const two = (value: number): string => String(value).padStart(2, '0');
  const parts: Readonly<Record<string, string>> = {
    YYYY: String(date.getUTCFullYear()).padStart(4, '0'),
    MM: two(date.getUTCMonth() + 1),
    DD: two(date.getUTCDate()),
    HH: two(date.getUTCHours()),
    mm: two(date.getUTCMinutes()),
    ss: two(date.getUTCSeconds()),
  };
  return format.replace(/YYYY|MM|DD|HH|mm|ss/g, (word) => parts[word] ?? word);
}
