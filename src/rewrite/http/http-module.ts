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
import { messageAt } from '../octet-text.ts';
import { isHttp2, type RecordedExchange, readSession, type SessionText } from './exchanges.ts';
import { editsOfRequest, NOT_YET, whatIsMissing } from './fill.ts';
import {
  type AloneRequest,
  aloneIn,
  bringsForeignCookies,
  byMessage,
  type HttpPlan,
  isSkippedInPart,
  messagesOf,
  type Planned,
  type PlannedRequest,
  rangeOf,
  readyRequest,
  usedSites,
} from './http-plan.ts';
import { learnFrom, type RunPattern, requestMatcher } from './learn.ts';
import { type AnswerPlan, AnswersOfConnection, answersToRead } from './live-answers.ts';
import { templateNames } from './ready-rules.ts';
import { KnownRequests, type RecordedRequest } from './recorded-requests.ts';
import { type Edit, movedEdit, writeEdits } from './render.ts';
import { placeOfRequest, planFrame, planRequest, type ReadyRules } from './request-plan.ts';
import type { HttpRules } from './rules.ts';
import { SettingsFor, sendFrom } from './send.ts';
import { type Site, SiteTable } from './sites.ts';
import type { Slot } from './slots.ts';
import { TemplateReader } from './template.ts';
import type { ScopeSites } from './told-sites.ts';
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

/** A connection of a virtual client. */
interface HttpConnection {
  readonly client: HttpClient;
  readonly plan: HttpPlan;
  /** Null where none is read; as what follows, most connections need it not. */
  readonly answers: AnswersOfConnection | null;
  /** Edits of requests of which messages are still to be written, by turn; offsets of the stream. */
  edits: Map<number, readonly Edit[]> | null;
  /** Requests that are left out, by turn. */
  skipped: Set<number> | null;
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
  readonly #known = new KnownRequests();
  /** What is done with requests where nothing is learnt, by the status of their answers. */
  readonly #shared = new WeakMap<RecordedRequest, Map<number | undefined, Planned>>();

  constructor(settings: HttpSettings, run?: RunPattern) {
    const { rules } = settings;
    this.#settings = settings;
    this.#feeds = new Map(Object.entries(settings.feeds));
    const columns = (name: string) => this.#feeds.get(name)?.columns ?? null;
    const reader = new TemplateReader(templateNames(rules, settings.environment, columns));
    const send = (rules.send ?? []).map((each) => sendFrom(each, reader));
    this.#rules = {
      ...{ send, settings: new SettingsFor(send) },
      cookies: rules.cookies === 'auto',
      skip: (rules.skip ?? []).map(({ when }) => requestMatcher(when)),
    };
    const learnt = (rules.learn ?? []).map((rule) => learnFrom(rule, run));
    this.#sites = new SiteTable(learnt, this.#rules.cookies);
    const whens = [...(rules.send ?? []), ...(rules.skip ?? [])].map(({ when }) => when);
    this.#needsAnswers = this.#sites.isNeeded || whens.some((when) => when?.status !== undefined);
  }

  survey(session: RecordedSession): void {
    if (this.#sites.isNeeded && session.protocol === HTTP1_NAME) {
      this.#sites.add(this.#scopeOf(session), session, this.#known);
    }
  }

  plan(session: RecordedSession): SessionPlan<HttpPlan> | undefined {
    if (isHttp2(session)) {
      return this.#refusal(session, 'HTTP/2 cannot be rewritten: its headers are compressed');
    }
    if (session.protocol !== HTTP1_NAME) return undefined;
    const sites = this.#sites.of(this.#scopeOf(session));
    const text = readSession(session, this.#needsAnswers, this.#known);
    const requests: PlannedRequest[] = [];
    for (const [turn, exchange] of text.exchanges.entries()) {
      const planned = this.#planned(exchange, sites, session.session, turn);
      if (planned === undefined) continue;
      if ('refused' in planned) return this.#refusal(session, planned.refused);
      const { firstMessage, lastMessage } = exchange;
      const { from } = exchange.at;
      const start = from - text.starts[firstMessage];
      requests.push({ ready: planned, turn, from, start, firstMessage, lastMessage });
    }
    for (const [i, frame] of text.frames.entries()) {
      const turn = text.exchanges.length + i;
      const planned = planFrame(this.#rules, frame, sites.before(session.session, turn));
      if (planned === undefined) continue;
      const { from, to } = frame.at;
      const firstMessage = messageAt(text.starts, from);
      const lastMessage = messageAt(text.starts, to - 1);
      const start = from - text.starts[firstMessage];
      requests.push({ ready: readyRequest(planned), turn, from, start, firstMessage, lastMessage });
    }
    if (this.#rules.skip.length > 0 && isSkippedInPart(requests, text)) {
      return this.#refusal(session, 'a request that is to be left out came together with others');
    }
    const answers = this.#sites.isNeeded ? this.#answersToRead(session, text, sites, requests) : [];
    if (requests.length === 0 && answers.length === 0) return undefined;
    const rows = byMessage(requests);
    const { starts } = text;
    const alone = aloneIn(rows, session.messages);
    // No spreads here, nor in what else a request looks at: V8 is slower at objects that were made by one.
    const plan = { session: session.session, starts, alone, requests: rows, answers };
    const isWhole = this.#settings.rules.unbound === 'skip';
    return {
      plan,
      rewrites: messagesOf(requests, text.starts, isWhole),
      reads: [...new Set(answers.flatMap(({ stages }) => rangeOf(stages.first, stages.last)))],
    };
  }

  #planned(exchange: RecordedExchange, sites: ScopeSites, session: number, turn: number): Planned {
    const plan = (): Planned => {
      const planned = planRequest(this.#rules, exchange, sites.before(session, turn));
      return planned === undefined || 'refused' in planned ? planned : readyRequest(planned);
    };
    if (this.#sites.isNeeded) return plan();
    const { request, answer } = exchange;
    const shared = this.#shared.get(request) ?? new Map<number | undefined, Planned>();
    this.#shared.set(request, shared);
    const status = answer?.status;
    if (!shared.has(status)) shared.set(status, plan());
    return shared.get(status);
  }

  /** Those that tell something that a request of the client uses. */
  #answersToRead(
    { session }: RecordedSession,
    { exchanges }: SessionText,
    sites: ScopeSites,
    requests: readonly PlannedRequest[],
  ): readonly AnswerPlan[] {
    // What is told on one connection may be used on another, which is planned by itself.
    const { perClient } = this.#settings;
    const used = usedSites(requests);
    const last = perClient ? exchanges.length : (requests.at(-1)?.turn ?? 0);
    const own = new Map<number, readonly Site[]>();
    for (const [exchange, all] of sites.ofSession(session)) {
      const isUsed = ({ rule, id }: Site): boolean =>
        perClient || (rule === null ? exchange < last : used.has(id));
      const read = all.filter(isUsed);
      if (read.length > 0) own.set(exchange, read);
    }
    const allBefore = bringsForeignCookies(requests) ? last : 0;
    return answersToRead(exchanges, own, allBefore, (exchange) =>
      placeOfRequest(this.#rules, exchange),
    );
  }

  client(info: ClientInfo): HttpClient {
    return new HttpClient(info);
  }

  connection(client: HttpClient, plan: HttpPlan): HttpConnection {
    const isRead = plan.answers.length > 0;
    const answers = isRead ? new AnswersOfConnection(client, plan.answers) : null;
    return { client, plan, answers, edits: null, skipped: null };
  }

  onAnswer(connection: HttpConnection, stage: number, octets: Uint8Array, isWhole: boolean): void {
    connection.answers?.onStage(stage, octets, isWhole);
  }

  onEnd({ answers }: HttpConnection): void {
    answers?.end();
  }

  rewrite(connection: HttpConnection, message: number, out: MessageWriter): RewriteOutcome {
    const { plan } = connection;
    const alone = plan.alone[message];
    if (alone !== null && connection.skipped === null) return this.#splice(connection, alone, out);
    return this.#edit(connection, plan.requests.get(message) ?? [], message, out);
  }

  /** A message that requests share, or of which something has to be kept. */
  #edit(
    connection: HttpConnection,
    concerned: readonly PlannedRequest[],
    message: number,
    out: MessageWriter,
  ): RewriteOutcome {
    const { plan } = connection;
    const isSkipped = (turn: number): boolean => connection.skipped?.has(turn) === true;
    if (concerned.some(({ turn, ready }) => ready.plan.isSkipped || isSkipped(turn))) {
      return leaveOut(connection, concerned);
    }
    connection.edits ??= new Map();
    const { edits } = connection;
    for (const request of concerned) {
      if (edits.has(request.turn)) continue;
      const outcome = this.#fill(connection, request, edits, out);
      if (outcome === RewriteOutcome.SKIP) return leaveOut(connection, concerned);
      if (outcome !== RewriteOutcome.READY) return outcome;
    }
    const all = concerned.flatMap(({ turn }) => edits.get(turn) ?? []);
    writeEdits(all, plan.starts[message], plan.starts[message + 1], out);
    for (const { turn, lastMessage } of concerned) if (lastMessage === message) edits.delete(turn);
    return RewriteOutcome.READY;
  }

  /** A request that has a message for itself: nothing is kept of it. */
  #splice(connection: HttpConnection, alone: AloneRequest, out: MessageWriter): RewriteOutcome {
    const { client, plan } = connection;
    const { turn, start, uncertain, splice } = alone;
    const values = new RequestValues(client, plan.session, turn, this.#feeds);
    const outcome = this.#await(uncertain, values, out);
    if (outcome === RewriteOutcome.SKIP) return leaveOut(connection, [alone.request]);
    if (outcome !== RewriteOutcome.READY) return outcome;
    return splice.write(values, start, out) ? RewriteOutcome.READY : brokenValue(out);
  }

  /** READY: its edits are kept. */
  #fill(
    { client, plan }: HttpConnection,
    { ready, turn, from }: PlannedRequest,
    edits: Map<number, readonly Edit[]>,
    out: MessageWriter,
  ): RewriteOutcome {
    const values = new RequestValues(client, plan.session, turn, this.#feeds);
    const outcome = this.#await(ready.uncertain, values, out);
    if (outcome !== RewriteOutcome.READY) return outcome;
    const own = ready.fixed ?? editsOfRequest(ready.plan, values);
    if (own === null) return brokenValue(out);
    edits.set(turn, from === 0 ? own : own.map((edit) => movedEdit(edit, from)));
    return RewriteOutcome.READY;
  }

  /** READY: what it needs is there, or will never be. */
  #await(slots: readonly Slot[], values: RequestValues, out: MessageWriter): RewriteOutcome {
    if (slots.length === 0) return RewriteOutcome.READY;
    const { unbound = 'recorded' } = this.#settings.rules;
    const missing = whatIsMissing(slots, values, out.isLate);
    if (missing === NOT_YET) return RewriteOutcome.WAIT;
    if (missing === null || unbound === 'recorded') return RewriteOutcome.READY;
    if (unbound === 'skip') return RewriteOutcome.SKIP;
    out.fail(missing);
    return RewriteOutcome.FAIL;
  }

  #scopeOf({ session, clientAddress }: RecordedSession): string {
    return this.#settings.perClient ? clientAddress : String(session);
  }

  #refusal({ session }: RecordedSession, refused: string): SessionPlan<HttpPlan> {
    const plan = { session, starts: [], alone: [], requests: new Map(), answers: [] };
    return { plan, rewrites: [], reads: [], refused };
  }
}

function brokenValue(out: MessageWriter): RewriteOutcome {
  out.fail('a value with a line end cannot stand in a header field');
  return RewriteOutcome.FAIL;
}

/** Requests are not sent, and what their answers would have told nobody waits for. */
function leaveOut(connection: HttpConnection, requests: readonly PlannedRequest[]): RewriteOutcome {
  connection.skipped ??= new Set();
  for (const { turn } of requests) {
    connection.skipped.add(turn);
    connection.answers?.leaveOut(turn);
  }
  return RewriteOutcome.SKIP;
}
