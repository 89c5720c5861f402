/**
 * Correlation: which values of recorded requests came from which recorded answers. Each recorded client is
 * shown twice: first values are found that came before they were sent; then the rules that may find them
 * are tried on all answers, which tells those that do, and what they hand out to whom.
 */

import { append } from '../../base/append.ts';
import { pathTemplate } from '../../protocol/path-template.ts';
import type { Answer } from '../http/answers.ts';
import { parseSetCookie } from '../http/cookie-jar.ts';
import { decodePercent, globMatcher } from '../http/encodings.ts';
import { type RecordedExchange, readSession } from '../http/exchanges.ts';
import { type Extractor, learnFrom } from '../http/learn.ts';
import { unpackedRequest } from '../http/packing.ts';
import type { LearnSource } from '../http/rules.ts';
import type { RecordedSession } from '../module.ts';
import { copyOf, messageAt } from '../octet-text.ts';
import { type Handed, type HandedIn, handedValues } from './answer-values.ts';
import { Evidence } from './evidence.ts';
import { frameValues, type OnSentValue, type SentPlace, sentValues } from './request-values.ts';

/** A session, and when what was said in it. */
export interface ClientSession {
  readonly session: RecordedSession;
  /** When message `i` was sent, in ns on a clock that all sessions share. */
  messageNs(i: number): number;
  /** When the server began to say stage `i`, likewise. */
  stageNs(i: number): number;
}

/** A way to find a value: what a rule would say. */
export interface Candidate {
  readonly id: number;
  readonly in: HandedIn;
  readonly name: string;
  readonly source: LearnSource;
  /** Whose answers; null: everybody's. */
  readonly when: { readonly method: string; readonly path: string } | null;
  readonly evidence: Evidence;
  /** Octets of bodies up to the ends of the values. */
  bodyBytes: number;
  /** Values that it found where they were handed out, and those that it did not. */
  right: number;
  wrong: number;
}

/** A value that a client was handed out, and sent later. */
export interface Told {
  readonly client: string;
  readonly value: string;
  readonly sent: readonly SentPlace[];
  /** It was sent on a connection on which it had not been handed out. */
  readonly isAcross: boolean;
  /** Candidates that find it before it is sent. */
  readonly foundBy: Set<number>;
  /** Where it was handed out first. */
  readonly first: { readonly by: string; readonly in: HandedIn; readonly name: string };
}

/** What was found. */
export interface Found {
  readonly candidates: readonly Candidate[];
  readonly told: readonly Told[];
  /** There was more than is looked at. */
  readonly isCut: boolean;
}

/** Values of one client's requests: what has more of them is no user. */
const USES_MAX = 200_000;
/** Values of all clients, and ways to find them: what is more tells nothing new. */
const TOLD_MAX = 50_000;
const CANDIDATES_MAX = 4_000;
/** Ways that are tried on an answer; fewer for places that there are many of: links, and lists. */
const CANDIDATES_OF_ANSWER_MAX = 200;
const MANY_OF_ANSWER_MAX = 150;

/** Where all cookies are tried. */
const EVERYWHERE = '';

/** Something that a client said. */
interface Sent {
  readonly session: number;
  readonly firstMessage: number;
  readonly sentNs: number;
}

/** An exchange among all of a client's. */
interface Placed extends Sent {
  readonly index: number;
  readonly exchange: RecordedExchange;
  readonly answeredNs: number;
}

/** What a client said: requests, and frames of a WebSocket. */
interface Said {
  readonly exchanges: readonly Placed[];
  readonly frames: readonly (Sent & { readonly payload: string })[];
}

/** A value that requests of a client have. */
interface Use {
  readonly first: Sent;
  readonly sessions: Set<number>;
  readonly places: Map<string, SentPlace>;
  /** The longer values that it is a part of wherever it stands; null where it stands alone. */
  within: Set<string> | null;
}

/** A value where it was handed out. */
interface Hit {
  readonly told: Told;
  /** The candidates that this place gave rise to. */
  readonly proposed: readonly number[];
}

/** As a rule's extractor. @param isWanted whether a value was sent later */
type Finder = (answer: Answer, isWanted: (value: string) => boolean) => ReturnType<Extractor>;

/** Whether what was sent is what was found, or what scripts read there. */
const isSame = (sent: string, found: string): boolean =>
  sent === found || sent === decodePercent(found, false);

/** Finds what correlates. */
export class Correlator {
  readonly #told: Told[] = [];
  readonly #candidates = new Map<string, Candidate>();
  /** By what is asked for, in the order in which they came up. */
  readonly #byKey = new Map<string, Candidate[]>();
  readonly #extractors: Finder[] = [];
  readonly #hits = new Map<string, Hit[]>();
  #isCut = false;

  /** Finds what a client was told and sent. */
  find(client: string, sessions: readonly ClientSession[]): void {
    const said = readAll(sessions);
    const uses = usesOf(said);
    if (uses.size === USES_MAX) this.#isCut = true;
    const handed = new Map<string, { readonly at: Placed; readonly by: Handed }[]>();
    for (const at of said.exchanges) {
      const { answer } = at.exchange;
      if (answer === undefined) continue;
      handedValues(
        answer,
        (value) => uses.has(value),
        (by) => {
          const first = uses.get(by.value)?.first;
          if (first === undefined || !isBefore(at, first)) return;
          append(handed, by.value, { at, by });
        },
      );
    }
    for (const [value, places] of handed) {
      const use = uses.get(value);
      const isPart = use?.within != null && [...use.within].every((whole) => handed.has(whole));
      if (use === undefined || isPart) continue;
      this.#add(client, value, use, places);
    }
  }

  #add(
    client: string,
    value: string,
    { sessions, places }: Use,
    handed: readonly { readonly at: Placed; readonly by: Handed }[],
  ): void {
    const [first] = handed;
    if (first === undefined) return;
    if (this.#told.length === TOLD_MAX) {
      this.#isCut = true;
      return;
    }
    const given = new Set(handed.map(({ at }) => at.session));
    const told: Told = {
      ...{ client, value: copyOf(value), sent: [...places.values()], foundBy: new Set() },
      isAcross: [...sessions].some((session) => !given.has(session)),
      first: { by: nameOf(first.at), in: first.by.in, name: copyOf(first.by.name) },
    };
    this.#told.push(told);
    for (const { at, by } of handed) {
      const proposed = by.sources.flatMap((source) => this.#candidate(source, by, at) ?? []);
      append(this.#hits, `${at.session} ${at.index}`, { told, proposed });
    }
  }

  /** @returns its id; undefined where there are too many */
  #candidate(source: LearnSource, by: Handed, at: Placed): number | undefined {
    const when = by.in === 'cookie' ? null : whenOf(at);
    const key = when === null ? EVERYWHERE : keyOf(at.exchange);
    const name = `${key}\n${JSON.stringify(source)}`;
    const known = this.#candidates.get(name);
    if (known !== undefined) {
      known.bodyBytes = Math.max(known.bodyBytes, by.bodyBytes);
      return known.id;
    }
    const id = this.#candidates.size;
    const ofKey = this.#byKey.get(key)?.length ?? 0;
    const isOfMany = by.in === 'link' || by.in === 'text' || by.name.includes('[');
    const max = isOfMany ? MANY_OF_ANSWER_MAX : CANDIDATES_OF_ANSWER_MAX;
    if (id === CANDIDATES_MAX || ofKey >= max) {
      this.#isCut = true;
      return undefined;
    }
    const candidate: Candidate = {
      ...{ id, in: by.in, name: copyOf(by.name), source, when, evidence: new Evidence() },
      ...{ bodyBytes: by.bodyBytes, right: 0, wrong: 0 },
    };
    this.#candidates.set(name, candidate);
    append(this.#byKey, key, candidate);
    this.#extractors.push(
      by.in === 'cookie' ? cookieNamed(by.name) : learnFrom({ name: 'x', from: source }).extract,
    );
    return id;
  }

  /** Tries on a client's answers what was found in those of all. */
  check(client: string, sessions: readonly ClientSession[]): void {
    for (const at of readAll(sessions).exchanges) {
      const { answer, request } = at.exchange;
      if (answer === undefined) continue;
      const hits = this.#hits.get(`${at.session} ${at.index}`) ?? [];
      const target = copyOf(`${request.method} ${request.target}`);
      const all = [EVERYWHERE, keyOf(at.exchange)].flatMap((key) => this.#byKey.get(key) ?? []);
      const readOnce = withBodyOnce(answer);
      for (const candidate of all) {
        const isWanted = (value: string): boolean =>
          hits.some(({ told }) => isSame(told.value, value));
        const learnt = this.#extractors[candidate.id](readOnce, isWanted);
        if (learnt === undefined || learnt.value === '') continue;
        const { value, written } = learnt;
        candidate.evidence.observe(client, target, copyOf(value));
        const right = hits.filter(
          ({ told }) => isSame(told.value, value) || told.value === written,
        );
        for (const { told } of right) told.foundBy.add(candidate.id);
        if (right.length > 0) candidate.right++;
        else if (hits.some(({ proposed }) => proposed.includes(candidate.id))) candidate.wrong++;
      }
    }
  }

  /** All of it. */
  finish(): Found {
    return {
      candidates: [...this.#candidates.values()],
      told: this.#told,
      isCut: this.#isCut,
    };
  }
}

/** The exchanges and frames of a client's sessions, in the order in which they began. */
function readAll(sessions: readonly ClientSession[]): Said {
  const placed: Placed[] = [];
  const sent: Said['frames'][number][] = [];
  for (const { session: of, messageNs, stageNs } of sessions) {
    const { exchanges, frames, starts } = readSession(of, true);
    const { session } = of;
    for (const [index, exchange] of exchanges.entries()) {
      const { firstMessage, stages } = exchange;
      const answeredNs = stages === undefined ? Number.POSITIVE_INFINITY : stageNs(stages.first);
      const sentNs = messageNs(firstMessage);
      placed.push({ session, index, exchange, firstMessage, sentNs, answeredNs });
    }
    for (const { at, payload } of frames) {
      const firstMessage = messageAt(starts, at.from);
      sent.push({ session, firstMessage, sentNs: messageNs(firstMessage), payload });
    }
  }
  placed.sort((a, b) => inTime(a, b) || a.index - b.index);
  return { exchanges: placed, frames: sent.sort(inTime) };
}

const inTime = (a: Sent, b: Sent): number => a.sentNs - b.sentNs || a.session - b.session;

/** Whether an answer had come when something was said. */
const isBefore = (answered: Placed, sent: Sent): boolean => {
  if (answered.session !== sent.session) return answered.answeredNs <= sent.sentNs;
  const end = answered.exchange.stages?.last;
  return end !== undefined && end <= sent.firstMessage;
};

function usesOf({ exchanges, frames }: Said): Map<string, Use> {
  const uses = new Map<string, Use>();
  const useIn =
    (at: Sent): OnSentValue =>
    (value, place, within) => {
      const known = uses.get(value);
      if (known === undefined && uses.size === USES_MAX) return;
      const use = known ?? {
        ...{ first: at, sessions: new Set(), places: new Map(), within: new Set<string>() },
      };
      uses.set(value, inTime(at, use.first) < 0 ? { ...use, first: at } : use);
      use.sessions.add(at.session);
      const name = copyOf(place.name);
      use.places.set(`${place.part} ${name} ${place.as}`, { ...place, name });
      if (within === undefined) use.within = null;
      else use.within?.add(within);
    };
  for (const at of exchanges) sentValues(unpackedRequest(at.exchange.request), useIn(at));
  for (const at of frames) frameValues(at.payload, useIn(at));
  return uses;
}

const keyOf = ({ request }: RecordedExchange): string =>
  `${request.method} ${pathTemplate(request.target)}`;

const nameOf = ({ exchange }: Placed): string => copyOf(keyOf(exchange));

/** What a rule says of whose answers it means; null where a pattern does not tell it. */
function whenOf({ exchange: { request } }: Placed): Candidate['when'] {
  const path = pathTemplate(request.target).replaceAll('{id}', '*');
  if (!globMatcher(path)(request.path)) return null;
  return { method: copyOf(request.method), path };
}

/** An answer whose body is unpacked once. */
function withBodyOnce(answer: Answer): Answer {
  let body: string | undefined;
  return {
    ...answer,
    body: () => {
      body ??= answer.body();
      return body;
    },
  };
}

/** An answer may set a cookie again and again, and take it back elsewhere: which one counts the jar knows. */
const cookieNamed =
  (name: string): Finder =>
  ({ fields }, isWanted) => {
    const values = fields.flatMap((field) => {
      const cookie = field.name === 'set-cookie' ? parseSetCookie(field.value) : null;
      return cookie?.name === name ? [cookie.value] : [];
    });
    const value = values.findLast(isWanted) ?? values.at(-1);
    return value === undefined ? undefined : { value, written: value };
  };
