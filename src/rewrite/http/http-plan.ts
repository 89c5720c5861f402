/** What is planned of sessions: which requests are written anew, where they lie, and what has to be read for them. */
import { append } from '../../base/append.ts';
import { messageAt } from '../octet-text.ts';
import type { SessionText } from './exchanges.ts';
import { fixedEdits, isUncertain } from './fill.ts';
import type { AnswerPlan } from './live-answers.ts';
import type { Edit } from './render.ts';
import type { RequestPlan, RequestRefusal } from './request-plan.ts';
import type { Slot } from './slots.ts';
import { Splice } from './splice.ts';

/** A request that is written anew. */
export interface ReadyRequest {
  readonly plan: RequestPlan;
  /** Its edits where they are the same for all clients, and take edits. */
  readonly fixed: readonly Edit[] | null;
  /** Slots that may lack something. */
  readonly uncertain: readonly Slot[];
  /** How it is written in a message of its own; null where that takes edits. */
  readonly splice: Splice | null;
}

/** Such a request where it lies. */
export interface PlannedRequest {
  readonly ready: ReadyRequest;
  /** Its number in the session, from 0. */
  readonly turn: number;
  /** Where it begins in the client's stream, and in its first message. */
  readonly from: number;
  readonly start: number;
  readonly firstMessage: number;
  readonly lastMessage: number;
}

/** One that has a message for itself: looked up once a message of each user, each time in other memory. */
export interface AloneRequest {
  readonly request: PlannedRequest;
  readonly splice: Splice;
  readonly uncertain: readonly Slot[];
  readonly turn: number;
  readonly start: number;
}

/** What is done with a session. */
export interface HttpPlan {
  readonly session: number;
  /** Where message `i` begins in the client's stream; one more for its end. */
  readonly starts: readonly number[];
  /** By message: what has it for itself and is spliced, as nearly all are. */
  readonly alone: readonly (AloneRequest | null)[];
  /** Requests that lie in a message, in their order. */
  readonly requests: ReadonlyMap<number, readonly PlannedRequest[]>;
  /** Answers in stages that are read, in their order. */
  readonly answers: readonly AnswerPlan[];
}

/** What is done with a request; undefined where nothing of it changes. */
export type Planned = ReadyRequest | RequestRefusal | undefined;

/** What is known of a plan before a user has it. */
export function readyRequest(plan: RequestPlan): ReadyRequest {
  const uncertain = [...plan.head, ...plan.body].filter(isUncertain);
  const splice = plan.isSkipped ? null : Splice.of(plan);
  // A splice has what is the same for all by itself.
  return { plan, fixed: splice === null ? fixedEdits(plan) : null, uncertain, splice };
}

/** Requests by the messages that they lie in. */
export function byMessage(
  requests: readonly PlannedRequest[],
): ReadonlyMap<number, readonly PlannedRequest[]> {
  const rows = new Map<number, PlannedRequest[]>();
  for (const request of requests) {
    for (let at = request.firstMessage; at <= request.lastMessage; at++) append(rows, at, request);
  }
  return rows;
}

/** Of each message what has it for itself. */
export const aloneIn = (
  requests: ReadonlyMap<number, readonly PlannedRequest[]>,
  messages: number,
): (AloneRequest | null)[] =>
  Array.from({ length: messages }, (_, message) => {
    const [first, ...more] = requests.get(message) ?? [];
    if (first === undefined || more.length > 0) return null;
    const { ready, turn, start, firstMessage, lastMessage } = first;
    const { splice, uncertain } = ready;
    if (splice === null || firstMessage !== lastMessage) return null;
    return { request: first, splice, uncertain, turn, start };
  });

/** Messages that edits may fall into; all of a request's where it may be left out. */
export function messagesOf(
  requests: readonly PlannedRequest[],
  starts: readonly number[],
  isWhole: boolean,
): number[] {
  const messages = new Set<number>();
  for (const { ready, from: start, firstMessage, lastMessage } of requests) {
    const { head, body, isSkipped } = ready.plan;
    // A slot lies behind the request's first octet.
    if (firstMessage === lastMessage) {
      messages.add(firstMessage);
      continue;
    }
    if (isSkipped || isWhole || body.length > 0) {
      for (const each of rangeOf(firstMessage, lastMessage)) messages.add(each);
    }
    for (const { at } of head) {
      // What is added at a boundary goes with the message before it.
      const first = start + (at.from === at.to ? at.from - 1 : at.from);
      const last = Math.max(first, start + at.to - 1);
      for (const each of rangeOf(messageAt(starts, first), messageAt(starts, last))) {
        messages.add(each);
      }
    }
  }
  return [...messages].sort((a, b) => a - b);
}

/** `first` to `last`. */
export const rangeOf = (first: number, last: number): number[] =>
  Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);

/** Whether of the requests of one message some are to be left out and others not. */
export function isSkippedInPart(requests: readonly PlannedRequest[], text: SessionText): boolean {
  return requests.some(
    ({ ready, turn, firstMessage, lastMessage }) =>
      ready.plan.isSkipped &&
      text.exchanges.some(
        (other, i) =>
          i !== turn &&
          other.firstMessage <= lastMessage &&
          other.lastMessage >= firstMessage &&
          !requests.some((request) => request.turn === i && request.ready.plan.isSkipped),
      ),
  );
}

/** Ids of the sites that something in these requests may come from. */
export function usedSites(requests: readonly PlannedRequest[]): ReadonlySet<number> {
  const used = new Set<number>();
  const add = (sites: readonly number[]) => {
    for (const site of sites) used.add(site);
  };
  for (const { ready } of requests) {
    for (const { value } of [...ready.plan.head, ...ready.plan.body]) {
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
export const bringsForeignCookies = (requests: readonly PlannedRequest[]): boolean =>
  requests.some(({ ready }) =>
    ready.plan.head.some(
      ({ value }) => value.is === 'cookies' && value.pairs.some((pair) => !pair.isServers),
    ),
  );
