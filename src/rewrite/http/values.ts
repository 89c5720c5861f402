/** What places of templates stand for, for a client and a request. */
import { hash32, Prng } from '../../base/prng.ts';
import type { ClientInfo } from '../module.ts';
import { encodeUtf8 } from '../octet-text.ts';
import { CookieJar } from './cookie-jar.ts';
import type { BoundPlace } from './slots.ts';
import { formatDate } from './template.ts';

/** A table of values that clients take rows of. */
export interface Feed {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly pick: 'client' | 'once' | 'random';
}

/** What a virtual client has been told, and what it counts. */
export class HttpClient {
  readonly info: ClientInfo;
  readonly jar = new CookieJar();
  /** Values by the names of rules: octets as text. */
  readonly values = new Map<string, string>();
  /** Values by what the recorded client got instead. */
  readonly aliases = new Map<string, string>();
  /** Sites whose answers have come, whether they had the value or not. */
  readonly settled = new Set<number>();
  readonly #counters = new Map<string, number>();

  constructor(info: ClientInfo) {
    this.info = info;
  }

  /** Counts one more request. @returns how many those are */
  count(name: string): number {
    const count = (this.#counters.get(name) ?? 0) + 1;
    this.#counters.set(name, count);
    return count;
  }

  /** Whether none of these can still hand anything out. */
  areSettled(sites: readonly number[]): boolean {
    return sites.every((site) => this.settled.has(site));
  }
}

/** Numbers that keep the uses of chance apart. */
const Use = { REQUEST_UUID: 1, CLIENT_UUID: 2, RANDOM: 3, FEED: 4 } as const;

/** The values of one request: each name is looked up once, so that it is the same in all of it. */
export class RequestValues {
  readonly client: HttpClient;
  readonly #session: number;
  readonly #turn: number;
  readonly #feeds: ReadonlyMap<string, Feed>;
  /** Made when something is counted: most requests count nothing. */
  #counted: Map<string, number> | null = null;

  constructor(client: HttpClient, session: number, turn: number, feeds: ReadonlyMap<string, Feed>) {
    this.client = client;
    this.#session = session;
    this.#turn = turn;
    this.#feeds = feeds;
  }

  /** Octets as text; undefined where it has not been learnt, or the feed has no more rows. */
  valueOf(place: BoundPlace): string | undefined {
    const { info } = this.client;
    switch (place.is) {
      case 'client':
        return String(info.client);
      case 'iteration':
        return String(info.iteration);
      case 'turn':
        return String(this.#turn);
      case 'uuid':
        if (place.of === 'client') return uuid(this.#chance(Use.CLIENT_UUID, 0));
        return uuid(this.#chance(hash32(Use.REQUEST_UUID, this.#session), this.#turn));
      case 'counter':
        return String(this.#countOf(place.name));
      case 'random': {
        const use = hash32(hash32(Use.RANDOM, this.#session), this.#turn);
        const chance = this.#chance(use, place.number);
        return String(Math.floor(chance.nextUnit() * place.below));
      }
      case 'now':
        return timeText(info.nowMs(), place.as);
      case 'date':
        return encodeUtf8(formatDate(info.nowMs() + place.shiftMs, place.format));
      case 'feed':
        return this.#feedValue(place.feed, place.column);
      default:
        return this.client.values.get(place.name);
    }
  }

  #countOf(name: string): number {
    this.#counted ??= new Map();
    const count = this.#counted.get(name) ?? this.client.count(name);
    this.#counted.set(name, count);
    return count;
  }

  /** Chance that is the client's and the iteration's, and the same in every run of the seed. */
  #chance(use: number, number: number): Prng {
    const { seed, iteration } = this.client.info;
    const round = use === Use.CLIENT_UUID ? 0 : iteration;
    return new Prng(hash32(hash32(seed, round), hash32(use, number)));
  }

  #feedValue(name: string, column: string): string | undefined {
    const feed = this.#feeds.get(name);
    if (feed === undefined) return undefined;
    const { client, clients, iteration } = this.client.info;
    const rows = feed.rows.length;
    let row = client % rows;
    // Rows of their own are dealt out round by round.
    if (feed.pick === 'once') row = client + iteration * clients;
    else if (feed.pick === 'random') {
      const use = hash32(
        Use.FEED,
        [...name].reduce((hash, each) => hash32(hash, each.charCodeAt(0)), 0),
      );
      row = Math.floor(this.#chance(use, 0).nextUnit() * rows);
    }
    const value = feed.rows[row]?.[feed.columns.indexOf(column)];
    return value === undefined ? undefined : encodeUtf8(value);
  }
}

/** A random identifier's form (RFC 9562, version 4). */
function uuid(chance: Prng): string {
  const hex = Array.from({ length: 4 }, () =>
    chance.nextUint32().toString(16).padStart(8, '0'),
  ).join('');
  const variant = ((Number.parseInt(hex[16] ?? '0', 16) & 3) | 8).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `4${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20),
  ].join('-');
}

function timeText(ms: number, as: 'ms' | 's' | 'iso' | 'http'): string {
  switch (as) {
    case 'ms':
      return String(Math.floor(ms));
    case 's':
      return String(Math.floor(ms / 1e3));
    case 'iso':
      return new Date(ms).toISOString();
    default:
      return new Date(ms).toUTCString();
  }
}
