/**
 * When users start so that *requests* come due at a steady rate, in an open loop.
 *
 * Sessions are taken in turn. Request number n is wanted at n ÷ rate. Where the sessions under way bring
 * one by then, nobody need start; where they do not, the next session starts, so early that its first
 * request is due just then. How evenly requests come therefore depends on the sessions: pauses of their
 * own, and requests that were sent in one go, stay as recorded.
 */
import { assert } from '../base/assert.ts';
import { Float64Column } from '../base/columns.ts';
import { ReplayError } from '../base/errors.ts';
import { NS_PER_SECOND } from '../base/time.ts';

/** When requests of sessions are due: columns, a row a message that completes some. */
export interface RequestTimes {
  /** Of session s rows `first[s] .. first[s + 1]`. */
  readonly first: Uint32Array;
  /** From the session's start, ascending within it, in ns of the run (accelerated). */
  readonly offsetNs: Float64Array;
  /** How many requests the message completes, from 1. */
  readonly requests: Uint32Array;
}

/** What is asked for, and where it ends: at the first of the two limits. */
export interface RequestRate {
  readonly perSecond: number;
  readonly times: RequestTimes;
  readonly usersMax: number;
  /** Nobody starts at this time or later; Infinity without a limit. */
  readonly untilNs: number;
}

/** Starts, and what they come to. */
export interface RequestRatePlan {
  /** When each user starts, ascending, in shared memory; user u plays session u mod sessions. */
  readonly startsNs: Float64Array<SharedArrayBuffer>;
  /**
   * The fewest and the most requests that come due in a whole second before the last start; null of less
   * than a second.
   */
  readonly perSecond: { readonly min: number; readonly max: number } | null;
}

/**
 * Plans the starts.
 * @throws ReplayError ERR_REQUEST_RATE_NOTHING (usage) when no session has a request
 */
export function planRequestRate({
  perSecond,
  times,
  usersMax,
  untilNs,
}: RequestRate): RequestRatePlan {
  const sessions = times.first.length - 1;
  assert(sessions >= 1 && perSecond > 0, 'a rate has sessions');
  if (times.offsetNs.length === 0) {
    throw new ReplayError({
      code: 'ERR_REQUEST_RATE_NOTHING',
      kind: 'usage',
      message: 'no session that would be played has a request that is answered',
      hint: 'give --rate, which counts users',
    });
  }
  const { first, offsetNs } = times;
  const starts = new Float64Column();
  const due = new DueRequests(times);
  const tally = new Seconds();
  const baseNs = first[0] < first[1] ? offsetNs[0] : 0;
  let requests = 0;
  let lastNs = 0;
  for (let users = 0; users < usersMax; ) {
    const wantedNs = baseNs + (requests / perSecond) * NS_PER_SECOND;
    if (wantedNs >= untilNs) break;
    if (due.nextNs <= wantedNs) {
      const atNs = due.nextNs;
      const count = due.take();
      tally.add(atNs, count);
      requests += count;
      continue;
    }
    const session = users++ % sessions;
    const row = first[session];
    const hasRequest = row < first[session + 1];
    // Users start in turn: one whose first request takes longer than the one's before it may be late.
    lastNs = Math.max(lastNs, wantedNs - (hasRequest ? offsetNs[row] : 0));
    starts.push(lastNs);
    if (!hasRequest) continue;
    tally.add(lastNs + offsetNs[row], times.requests[row]);
    requests += times.requests[row];
    due.add(lastNs, row + 1, first[session + 1]);
  }
  return { startsNs: starts.toShared(), perSecond: tally.between(lastNs) };
}

/** Requests that come due, second by second. */
class Seconds {
  readonly #counts: number[] = [];

  add(atNs: number, count: number): void {
    const second = Math.floor(atNs / NS_PER_SECOND);
    while (this.#counts.length <= second) this.#counts.push(0);
    this.#counts[second] += count;
  }

  /** Over the whole seconds before a time. */
  between(endNs: number): RequestRatePlan['perSecond'] {
    const whole = this.#counts.slice(0, Math.floor(endNs / NS_PER_SECOND));
    if (whole.length === 0) return null;
    const min = whole.reduce((least, count) => Math.min(least, count));
    return { min, max: whole.reduce((most, count) => Math.max(most, count)) };
  }
}

/** Sessions under way in the order of their next requests: a binary heap in columns. */
class DueRequests {
  readonly #times: RequestTimes;
  readonly #dueNs: number[] = [];
  readonly #startNs: number[] = [];
  readonly #row: number[] = [];
  readonly #end: number[] = [];

  constructor(times: RequestTimes) {
    this.#times = times;
  }

  /** When the next request is due; Infinity when none is. */
  get nextNs(): number {
    return this.#dueNs.length > 0 ? this.#dueNs[0] : Number.POSITIVE_INFINITY;
  }

  /** A session that started then; its requests from `row` on are to come. */
  add(startNs: number, row: number, end: number): void {
    if (row >= end) return;
    const { offsetNs } = this.#times;
    let at = this.#dueNs.length;
    this.#set(at, startNs + offsetNs[row], startNs, row, end);
    for (let above = (at - 1) >> 1; at > 0 && this.#dueNs[at] < this.#dueNs[above]; ) {
      this.#swap(at, above);
      at = above;
      above = (at - 1) >> 1;
    }
  }

  /** @returns how many requests the next message has; its session's next one takes its place */
  take(): number {
    const { offsetNs, requests } = this.#times;
    const row = this.#row[0];
    if (row + 1 < this.#end[0]) {
      this.#row[0] = row + 1;
      this.#dueNs[0] = this.#startNs[0] + offsetNs[row + 1];
    } else {
      const last = this.#dueNs.length - 1;
      this.#swap(0, last);
      for (const column of [this.#dueNs, this.#startNs, this.#row, this.#end]) column.pop();
    }
    this.#sink();
    return requests[row];
  }

  #sink(): void {
    const dueNs = this.#dueNs;
    for (let at = 0; ; ) {
      let least = 2 * at + 1;
      if (least >= dueNs.length) return;
      if (least + 1 < dueNs.length && dueNs[least + 1] < dueNs[least]) least++;
      if (dueNs[at] <= dueNs[least]) return;
      this.#swap(at, least);
      at = least;
    }
  }

  #set(at: number, dueNs: number, startNs: number, row: number, end: number): void {
    this.#dueNs[at] = dueNs;
    this.#startNs[at] = startNs;
    this.#row[at] = row;
    this.#end[at] = end;
  }

  #swap(a: number, b: number): void {
    for (const column of [this.#dueNs, this.#startNs, this.#row, this.#end]) {
      const value = column[a];
      column[a] = column[b];
      column[b] = value;
    }
  }
}
