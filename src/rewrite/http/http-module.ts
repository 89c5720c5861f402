/**
 * Rules for HTTP as a module: what recorded clients were told is found before the run, and during it
 * requests are written with what their clients are told.
 */
import { HTTP1_NAME } from '../../protocol/registry.ts';
import {
  type ClientInfo,
  type MessageWriter,
  type ProtocolModule,
  type RecordedSession,
  RewriteOutcome,
  type SessionPlan,
} from '../module.ts';
import { messageAt, octetsForNow } from '../octet-text.ts';
import { isHttp2, readSession, type SessionText } from './exchanges.ts';
import { fillRequest, fixedEdits } from './fill.ts';
import { learnFrom, type RunPattern, requestMatcher } from './learn.ts';
import { type AnswerPlan, AnswersOfConnection, answersToRead } from './live-answers.ts';
import { templateNames } from './ready-rules.ts';
import type { Edit } from './render.ts';
import {
  placeOfRequest,
  planFrame,
  planRequest,
  type ReadyRules,
  type RequestPlan,
} from './request-plan.ts';
import type { HttpRules } from './rules.ts';
import { sendFrom } from './send.ts';
import { type Site, SiteTable } from './sites.ts';
import { TemplateReader } from './template.ts';
import { type Feed, HttpClient, RequestValues } from './values.ts';

/** What the module is made of, in every thread the same; it can be sent to another thread. */
export interface HttpSettings {
  readonly rules: HttpRules;
  /** By name; each has at least one row. */
  readonly feeds: Readonly<Record<string, Feed>>;
  /** Names of the environment that the rules use. */
  readonly environment: Readonly<Record<string, string>>;
  /** A virtual client has all connections of a recorded one; else each is a client of its own. */
  readonly perClient: boolean;
}

/** A request that is written anew, and where it lies. */
interface PlannedRequest extends RequestPlan {
  /** Its edits where they are the same for all clients. */
  readonly fixed: readonly Edit[] | null;
  readonly firstMessage: number;
  readonly lastMessage: number;
}

/** What is done with a session. */
export interface HttpPlan {
  readonly session: number;
  /** Where message `i` begins in the client's stream; one more for its end. */
  readonly starts: readonly number[];
  /** Requests that lie in a message, in their order. */
  readonly requests: ReadonlyMap<number, readonly PlannedRequest[]>;
  /** Answers in stages that are read, in their order. */
  readonly answers: readonly AnswerPlan[];
}

/** A connection of a virtual client. */
interface HttpConnection {
  readonly client: HttpClient;
  readonly plan: HttpPlan;
  readonly answers: AnswersOfConnection;
  /** Edits of requests of which messages are still to be written, by turn. */
  readonly edits: Map<number, readonly Edit[]>;
  /** Requests that are left out, by turn. */
  readonly skipped: Set<number>;
}

/**
 * @param run looks for patterns; without it nobody stops one that does not come to an end
 * @throws TemplateFault where the rules were not checked
 */
export const httpModule = (
  settings: HttpSettings,
  run?: RunPattern,
): ProtocolModule<HttpPlan, HttpClient, HttpConnection> => new HttpModule(settings, run);

class HttpModule implements ProtocolModule<HttpPlan, HttpClient, HttpConnection> {
  readonly name = 'http';
  readonly #rules: ReadyRules;
  readonly #sites: SiteTable;
  readonly #feeds: ReadonlyMap<string, Feed>;
  readonly #settings: HttpSettings;
  /** Whether anything depends on what the recorded server said. */
  readonly #needsAnswers: boolean;
  /** The edits of the request that was filled last. */
  #filled: readonly Edit[] = [];

  constructor(settings: HttpSettings, run?: RunPattern) {
    const { rules } = settings;
    this.#settings = settings;
    this.#feeds = new Map(Object.entries(settings.feeds));
    const columns = (name: string) => this.#feeds.get(name)?.columns ?? null;
    const reader = new TemplateReader(templateNames(rules, settings.environment, columns));
    this.#rules = {
      cookies: rules.cookies === 'auto',
      send: (rules.send ?? []).map((each) => sendFrom(each, reader)),
      skip: (rules.skip ?? []).map(({ when }) => requestMatcher(when)),
    };
    const learnt = (rules.learn ?? []).map((rule) => learnFrom(rule, run));
    this.#sites = new SiteTable(learnt, this.#rules.cookies);
    const whens = [...(rules.send ?? []), ...(rules.skip ?? [])].map(({ when }) => when);
    this.#needsAnswers = this.#sites.isNeeded || whens.some((when) => when?.status !== undefined);
  }

  survey(session: RecordedSession): void {
    if (this.#sites.isNeeded && session.protocol === HTTP1_NAME) {
      this.#sites.add(this.#scopeOf(session), session);
    }
  }

  plan(session: RecordedSession): SessionPlan<HttpPlan> | undefined {
    if (isHttp2(session)) {
      return this.#refusal(session, 'HTTP/2 cannot be rewritten: its headers are compressed');
    }
    if (session.protocol !== HTTP1_NAME) return undefined;
    const sites = this.#sites.of(this.#scopeOf(session));
    const text = readSession(session, this.#needsAnswers);
    const requests: PlannedRequest[] = [];
    for (const [turn, exchange] of text.exchanges.entries()) {
      const input = { exchange, turn, session: session.session, stream: text.stream, sites };
      const planned = planRequest(this.#rules, input);
      if (planned === undefined) continue;
      if ('refused' in planned) return this.#refusal(session, planned.refused);
      const { firstMessage, lastMessage } = exchange;
      requests.push({ ...planned, fixed: fixedEdits(planned), firstMessage, lastMessage });
    }
    for (const [i, frame] of text.frames.entries()) {
      const turn = text.exchanges.length + i;
      const planned = planFrame(this.#rules, frame, { turn, session: session.session, sites });
      if (planned === undefined) continue;
      const firstMessage = messageAt(text.starts, frame.at.from);
      const lastMessage = messageAt(text.starts, frame.at.to - 1);
      requests.push({ ...planned, fixed: fixedEdits(planned), firstMessage, lastMessage });
    }
    if (isSkippedInPart(requests, text)) {
      return this.#refusal(session, 'a request that is to be left out came together with others');
    }
    const answers = this.#answersToRead(session, text, sites, requests);
    if (requests.length === 0 && answers.length === 0) return undefined;
    const plan = {
      ...{ session: session.session, starts: text.starts, answers },
      requests: byMessage(requests),
    };
    const isWhole = this.#settings.rules.unbound === 'skip';
    return {
      plan,
      rewrites: messagesOf(requests, text.starts, isWhole),
      reads: [...new Set(answers.flatMap(({ stages }) => rangeOf(stages.first, stages.last)))],
    };
  }

  /** Those that tell something that a request of the client uses. */
  #answersToRead(
    { session }: RecordedSession,
    { exchanges }: SessionText,
    sites: readonly Site[],
    requests: readonly PlannedRequest[],
  ): readonly AnswerPlan[] {
    // What is told on one connection may be used on another, which is planned by itself.
    const { perClient } = this.#settings;
    const used = usedSites(requests);
    const last = perClient ? exchanges.length : (requests.at(-1)?.turn ?? 0);
    const own = sites.filter(
      ({ session: of, exchange, rule, id }) =>
        of === session && (perClient || (rule === null ? exchange < last : used.has(id))),
    );
    const allBefore = bringsForeignCookies(requests) ? last : 0;
    return answersToRead(exchanges, own, allBefore, (exchange) =>
      placeOfRequest(this.#rules, exchange),
    );
  }

  client(info: ClientInfo): HttpClient {
    return new HttpClient(info);
  }

  connection(client: HttpClient, plan: HttpPlan): HttpConnection {
    const answers = new AnswersOfConnection(client, plan.answers);
    return { client, plan, answers, edits: new Map(), skipped: new Set() };
  }

  onAnswer(connection: HttpConnection, stage: number, octets: Uint8Array, isWhole: boolean): void {
    connection.answers.onStage(stage, octets, isWhole);
  }

  onEnd({ answers }: HttpConnection): void {
    answers.end();
  }

  rewrite(connection: HttpConnection, message: number, out: MessageWriter): RewriteOutcome {
    const { plan, edits, skipped } = connection;
    const concerned = plan.requests.get(message) ?? [];
    const [first] = concerned;
    const isOne = concerned.length === 1 && first.firstMessage === first.lastMessage;
    if (isOne && !first.isSkipped && skipped.size === 0) {
      return this.#writeOne(connection, first, message, out);
    }
    if (concerned.some(({ turn, isSkipped }) => isSkipped || skipped.has(turn))) {
      return leaveOut(connection, concerned);
    }
    for (const request of concerned) {
      if (request.fixed !== null || edits.has(request.turn)) continue;
      const outcome = this.#fill(connection, request, out);
      if (outcome === RewriteOutcome.SKIP) return leaveOut(connection, concerned);
      if (outcome !== RewriteOutcome.READY) return outcome;
      edits.set(request.turn, this.#filled);
    }
    const all = concerned.flatMap(({ turn, fixed }) => fixed ?? edits.get(turn) ?? []);
    writeEdits(all, plan.starts[message], plan.starts[message + 1], out);
    for (const { turn, lastMessage } of concerned) if (lastMessage === message) edits.delete(turn);
    return RewriteOutcome.READY;
  }

  /** A request that has a message for itself, as nearly all have: nothing is kept of it. */
  #writeOne(
    connection: HttpConnection,
    request: PlannedRequest,
    message: number,
    out: MessageWriter,
  ): RewriteOutcome {
    if (request.fixed === null) {
      const outcome = this.#fill(connection, request, out);
      if (outcome === RewriteOutcome.SKIP) return leaveOut(connection, [request]);
      if (outcome !== RewriteOutcome.READY) return outcome;
    }
    const { starts } = connection.plan;
    writeEdits(request.fixed ?? this.#filled, starts[message], starts[message + 1], out);
    return RewriteOutcome.READY;
  }

  /** READY: the edits are in `#filled`. */
  #fill(connection: HttpConnection, plan: PlannedRequest, out: MessageWriter): RewriteOutcome {
    const { client } = connection;
    const { unbound = 'recorded' } = this.#settings.rules;
    const of = { client, session: connection.plan.session, turn: plan.turn };
    const values = new RequestValues(of, this.#feeds);
    const keepsRecorded = unbound === 'recorded';
    const filled = fillRequest({ plan, client, values, isLate: out.isLate, keepsRecorded });
    switch (filled.is) {
      case 'wait':
        return RewriteOutcome.WAIT;
      case 'ready':
        this.#filled = filled.edits;
        return RewriteOutcome.READY;
      default:
        if (filled.is === 'unbound' && unbound === 'skip') return RewriteOutcome.SKIP;
        out.fail(filled.what);
        return RewriteOutcome.FAIL;
    }
  }

  #scopeOf({ session, clientAddress }: RecordedSession): string {
    return this.#settings.perClient ? clientAddress : String(session);
  }

  #refusal({ session }: RecordedSession, refused: string): SessionPlan<HttpPlan> {
    const plan = { session, starts: [], requests: new Map(), answers: [] };
    return { plan, rewrites: [], reads: [], refused };
  }
}

/** Requests are not sent, and what their answers would have told nobody waits for. */
function leaveOut(
  { answers, skipped }: HttpConnection,
  requests: readonly PlannedRequest[],
): RewriteOutcome {
  for (const { turn } of requests) {
    skipped.add(turn);
    answers.leaveOut(turn);
  }
  return RewriteOutcome.SKIP;
}

function byMessage(
  requests: readonly PlannedRequest[],
): ReadonlyMap<number, readonly PlannedRequest[]> {
  const rows = new Map<number, PlannedRequest[]>();
  for (const request of requests) {
    for (const message of rangeOf(request.firstMessage, request.lastMessage)) {
      rows.set(message, [...(rows.get(message) ?? []), request]);
    }
  }
  return rows;
}

/** Writes a message with the edits that begin in it; of others only what they leave out. */
function writeEdits(edits: readonly Edit[], start: number, end: number, out: MessageWriter): void {
  let at = start;
  for (const { from, to, text, octets } of edits) {
    // What is added at a boundary goes with the message before it.
    const isAdded = from === to;
    const begins = isAdded ? start < from && from <= end : start <= from && from < end;
    if (!begins && (to <= start || from >= end)) continue;
    out.copy(at - start, Math.max(from, at) - start);
    if (begins && text !== '') out.put(octets ?? octetsForNow(text));
    at = Math.min(Math.max(to, at), end);
  }
  out.copy(at - start, end - start);
}

/** Messages that edits may fall into; all of a request's where it may be left out. */
function messagesOf(
  requests: readonly PlannedRequest[],
  starts: readonly number[],
  isWhole: boolean,
): number[] {
  const messages = new Set<number>();
  for (const { head, body, isSkipped, firstMessage, lastMessage } of requests) {
    if (isSkipped || isWhole || body.length > 0) {
      for (const each of rangeOf(firstMessage, lastMessage)) messages.add(each);
    }
    for (const { at } of head) {
      // What is added at a boundary goes with the message before it.
      const first = at.from === at.to ? at.from - 1 : at.from;
      const last = Math.max(first, at.to - 1);
      for (const each of rangeOf(messageAt(starts, first), messageAt(starts, last))) {
        messages.add(each);
      }
    }
  }
  return [...messages].sort((a, b) => a - b);
}

const rangeOf = (first: number, last: number): number[] =>
  Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);

/** Whether of the requests of one message some are to be left out and others not. */
function isSkippedInPart(requests: readonly PlannedRequest[], text: SessionText): boolean {
  return requests.some(
    ({ isSkipped, turn, firstMessage, lastMessage }) =>
      isSkipped &&
      text.exchanges.some(
        (other, i) =>
          i !== turn &&
          other.firstMessage <= lastMessage &&
          other.lastMessage >= firstMessage &&
          !requests.some((request) => request.turn === i && request.isSkipped),
      ),
  );
}

/** Ids of the sites that something in these requests may come from. */
function usedSites(requests: readonly PlannedRequest[]): ReadonlySet<number> {
  const used = new Set<number>();
  const add = (sites: readonly number[]) => {
    for (const site of sites) used.add(site);
  };
  for (const { head, body } of requests) {
    for (const { value } of [...head, ...body]) {
      if (value.is === 'alias') add(value.sites);
      if (value.is !== 'template') continue;
      for (const part of value.parts ?? []) {
        if (typeof part !== 'string' && part.is === 'learnt') add(part.sites);
      }
    }
  }
  return used;
}

/** Whether requests have cookies that the recorded server was not seen to set. */
const bringsForeignCookies = (requests: readonly PlannedRequest[]): boolean =>
  requests.some(({ head }) =>
    head.some(({ value }) => value.is === 'cookies' && value.pairs.some((pair) => !pair.isServers)),
  );
