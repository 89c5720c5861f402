/**
 * A client's cookies (RFC 6265). Two things differ from a browser: `Secure` is not looked at, since
 * what is played in plain text was often recorded behind whoever ended TLS; and there is no list of
 * public suffixes, since all cookies come from one's own target.
 */

/** A cookie that a server has set. */
export interface Cookie {
  readonly name: string;
  readonly value: string;
  readonly domain: string;
  readonly isHostOnly: boolean;
  readonly path: string;
  /** In ms since 1970; infinite: until the client ends. */
  readonly expiresMs: number;
}

/** Where a request goes. */
export interface CookiePlace {
  /** In small letters, without the port. */
  readonly host: string;
  /** Of the target, without the query. */
  readonly path: string;
}

/** What a Set-Cookie says (section 5.2). */
export interface SetCookie {
  readonly name: string;
  readonly value: string;
  readonly attributes: ReadonlyMap<string, string>;
}

/** So many cookies of a client are kept; browsers keep as many of a site. */
const COOKIES_MAX = 180;

/** A Set-Cookie's value taken apart; null where it is to be ignored. */
export function parseSetCookie(text: string): SetCookie | null {
  const [pair = '', ...rest] = text.split(';');
  const equals = pair.indexOf('=');
  if (equals < 0) return null;
  const name = pair.slice(0, equals).trim();
  if (name === '') return null;
  const attributes = new Map<string, string>();
  for (const each of rest) {
    const at = each.indexOf('=');
    const key = (at < 0 ? each : each.slice(0, at)).trim().toLowerCase();
    const text = at < 0 ? '' : each.slice(at + 1).trim();
    if (isUsable(key, text)) attributes.set(key, text);
  }
  return { name, value: pair.slice(equals + 1).trim(), attributes };
}

/** Whether an attribute counts: what cannot be read is as if it were not there. */
function isUsable(key: string, text: string): boolean {
  if (key === 'max-age') return /^-?\d+$/.test(text);
  if (key === 'expires') return parseCookieDate(text) !== null;
  return key !== 'domain' || text !== '';
}

/** The pairs of a Cookie field, in order. */
export function parseCookies(text: string): readonly { name: string; value: string }[] {
  return text.split(';').flatMap((each) => {
    const pair = each.trim();
    const equals = pair.indexOf('=');
    if (pair === '') return [];
    return [{ name: pair.slice(0, Math.max(equals, 0)), value: pair.slice(equals + 1) }];
  });
}

/** The cookies of one client. */
export class CookieJar {
  /** In the order in which they were made. */
  #cookies: Cookie[] = [];
  /** Names of cookies that a server has taken back. */
  readonly #taken = new Set<string>();

  /**
   * Takes what a server has set.
   * @param at the request that was answered
   * @param nowMs in ms since 1970
   * @returns whether it is kept: it is neither somebody else's nor taken back
   */
  set({ name, value, attributes }: SetCookie, at: CookiePlace, nowMs: number): boolean {
    const wanted = (attributes.get('domain') ?? '').replace(/^\./, '').toLowerCase();
    if (wanted !== '' && !domainMatches(at.host, wanted)) return false;
    const path = attributes.get('path') ?? '';
    const cookie: Cookie = {
      ...{ name, value },
      domain: wanted === '' ? at.host : wanted,
      isHostOnly: wanted === '',
      path: path.startsWith('/') ? path : defaultPath(at.path),
      expiresMs: expiryOf(attributes, nowMs),
    };
    const old = this.#cookies.findIndex(
      (each) => each.name === name && each.domain === cookie.domain && each.path === cookie.path,
    );
    if (cookie.expiresMs <= nowMs) {
      this.#taken.add(name);
      if (old >= 0) this.#cookies.splice(old, 1);
      return false;
    }
    if (old >= 0) this.#cookies[old] = cookie;
    else {
      if (this.#cookies.length === COOKIES_MAX) this.#cookies.shift();
      this.#cookies.push(cookie);
    }
    return true;
  }

  /** Whether a server has taken a cookie of this name back, which need not be one that it had set. */
  hasTaken(name: string): boolean {
    return this.#taken.has(name);
  }

  /** What a request brings (section 5.4): longer paths first, then the older ones. */
  cookiesFor({ host, path }: CookiePlace, nowMs: number): readonly Cookie[] {
    this.#cookies = this.#cookies.filter(({ expiresMs }) => expiresMs > nowMs);
    return this.#cookies
      .filter((cookie) => {
        const isMeant = cookie.isHostOnly
          ? host === cookie.domain
          : domainMatches(host, cookie.domain);
        return isMeant && pathMatches(path, cookie.path);
      })
      .sort((a, b) => b.path.length - a.path.length);
  }
}

/** Section 5.1.3; an address has no domain above it. */
function domainMatches(host: string, domain: string): boolean {
  if (host === domain) return true;
  return host.endsWith(`.${domain}`) && !/^[\d.]+$|:/.test(host);
}

/** Section 5.1.4. */
function pathMatches(path: string, of: string): boolean {
  if (path === of) return true;
  return path.startsWith(of) && (of.endsWith('/') || path[of.length] === '/');
}

function defaultPath(path: string): string {
  const slash = path.lastIndexOf('/');
  return !path.startsWith('/') || slash === 0 ? '/' : path.slice(0, slash);
}

/** Max-Age goes before Expires (section 5.3). */
function expiryOf(attributes: ReadonlyMap<string, string>, nowMs: number): number {
  const maxAge = attributes.get('max-age');
  if (maxAge !== undefined) {
    const seconds = Number(maxAge);
    return seconds <= 0 ? -Infinity : nowMs + seconds * 1e3;
  }
  const expires = attributes.get('expires');
  return (expires === undefined ? null : parseCookieDate(expires)) ?? Infinity;
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

/** A date as section 5.1.1 reads it, in ms since 1970; null where it is none. */
export function parseCookieDate(text: string): number | null {
  let time: readonly number[] | null = null;
  let day: number | null = null;
  let month: number | null = null;
  let year: number | null = null;
  for (const token of text.split(/[\t -/;-@[-`{-~]+/)) {
    const clock: RegExpExecArray | null =
      time === null ? /^(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\D|$)/.exec(token) : null;
    const name = MONTHS.indexOf(token.slice(0, 3).toLowerCase());
    if (clock !== null) time = clock.slice(1).map(Number);
    else if (day === null && /^\d{1,2}(?:\D|$)/.test(token)) day = Number.parseInt(token, 10);
    else if (month === null && name >= 0) month = name;
    else if (year === null && /^\d{2,4}(?:\D|$)/.test(token)) year = Number.parseInt(token, 10);
  }
  if (time === null || day === null || month === null || year === null) return null;
  if (year >= 70 && year <= 99) year += 1900;
  else if (year <= 69) year += 2000;
  const [hour = 0, minute = 0, second = 0] = time;
  const isOff = day < 1 || day > 31 || year < 1601 || hour > 23 || minute > 59 || second > 59;
  if (isOff) return null;
  const ms = Date.UTC(year, month, day, hour, minute, second);
  return new Date(ms).getUTCDate() === day ? ms : null;
}
