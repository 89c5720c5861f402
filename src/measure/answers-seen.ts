/**
 * What a target answered to each recorded request: which statuses came how often, and with each of them
 * whether length and body were always the same. Kept where two targets are compared.
 *
 * A thread keeps a row a request in shared memory, of which only the pages that are written to take
 * any. Plays of one request fall into one row, so memory does not grow with users; what has no room is
 * counted.
 */

/** Requests beyond these have no row. */
export const REQUESTS_MAX = 65_536;
/** Different statuses of one request that are told apart. */
const STATUSES_MAX = 3;

/** What is known of the digests of bodies. */
const BodyState = { NONE: 0, STEADY: 1, VARIES: 2 } as const;

const REPLY_CLASS = 0;
const CODE = 1;
const COUNT = 2;
const BYTES = 3;
const BYTES_STATE = 4;
const LOW = 5;
const HIGH = 6;
const BODY = 7;
const STATUS_COLUMNS = 8;
/** Behind the statuses: answers with yet another one. */
const OTHERS = STATUS_COLUMNS * STATUSES_MAX;
const COLUMNS = OTHERS + 1;

/** An answer, as far as it is compared. */
export interface SeenAnswer {
  /** As `Framer.replyClass` and `Framer.code`; 0 where the protocol says neither. */
  readonly replyClass: number;
  readonly code: number;
  /** Octets; -1 where lengths are not compared. */
  readonly bytes: number;
  /** The digest of its body; both 0 where bodies are not compared or it did not come whole. */
  readonly low: number;
  readonly high: number;
}

/** Answers with one status to one request. */
export interface SeenStatus {
  readonly replyClass: number;
  readonly code: number;
  readonly count: number;
  /** `null`: not compared; `varies`: not all alike. */
  readonly bytes: number | 'varies' | null;
  readonly body: string | 'varies' | null;
}

/** All answers to one request. */
export interface SeenRequest {
  readonly exchange: number;
  /** In the order in which they were first seen. */
  readonly statuses: readonly SeenStatus[];
  /** Answers with a status that found no room. */
  readonly others: number;
}

/** An empty table of one thread, for so many requests, in memory that other threads may read. */
export const createAnswersSeen = (requests: number): Float64Array<SharedArrayBuffer> =>
  new Float64Array(
    new SharedArrayBuffer(
      COLUMNS * Math.min(requests, REQUESTS_MAX) * Float64Array.BYTES_PER_ELEMENT,
    ),
  );

/** Writes a thread's table. */
export class AnswersSeen {
  readonly #table: Float64Array;

  /** @param table what `createAnswersSeen` made */
  constructor(table: Float64Array) {
    this.#table = table;
  }

  /** A request has been answered. @param answer holds during the call */
  record(exchange: number, answer: SeenAnswer): void {
    const table = this.#table;
    const row = exchange * COLUMNS;
    if (row >= table.length) return;
    const end = row + OTHERS;
    for (let at = row; at < end; at += STATUS_COLUMNS) {
      if (table[at + COUNT] === 0) {
        begin(table, at, answer);
        return;
      }
      if (table[at + REPLY_CLASS] === answer.replyClass && table[at + CODE] === answer.code) {
        add(table, at, answer);
        return;
      }
    }
    table[end]++;
  }
}

function begin(table: Float64Array, at: number, answer: SeenAnswer): void {
  table[at + REPLY_CLASS] = answer.replyClass;
  table[at + CODE] = answer.code;
  table[at + COUNT] = 1;
  table[at + BYTES] = answer.bytes;
  table[at + LOW] = answer.low;
  table[at + HIGH] = answer.high;
  table[at + BODY] = hasBody(answer) ? BodyState.STEADY : BodyState.NONE;
}

function add(table: Float64Array, at: number, answer: SeenAnswer): void {
  table[at + COUNT]++;
  if (table[at + BYTES] !== answer.bytes) table[at + BYTES_STATE] = 1;
  if (!hasBody(answer)) return;
  if (table[at + BODY] === BodyState.NONE) {
    table[at + LOW] = answer.low;
    table[at + HIGH] = answer.high;
    table[at + BODY] = BodyState.STEADY;
  } else if (table[at + LOW] !== answer.low || table[at + HIGH] !== answer.high) {
    table[at + BODY] = BodyState.VARIES;
  }
}

const hasBody = ({ low, high }: SeenAnswer): boolean => low !== 0 || high !== 0;

/** The requests of a thread's table that were answered. */
export function seenRequests(table: Float64Array): readonly SeenRequest[] {
  const found: SeenRequest[] = [];
  for (let row = 0; row < table.length; row += COLUMNS) {
    if (table[row + COUNT] === 0) continue;
    const statuses: SeenStatus[] = [];
    for (let at = row; at < row + OTHERS && table[at + COUNT] > 0; at += STATUS_COLUMNS) {
      statuses.push(statusOf(table, at));
    }
    found.push({ exchange: row / COLUMNS, statuses, others: table[row + OTHERS] });
  }
  return found;
}

function statusOf(table: Float64Array, at: number): SeenStatus {
  const bytes = table[at + BYTES];
  const body = table[at + BODY];
  const digest = [table[at + HIGH], table[at + LOW]].map((word) =>
    word.toString(16).padStart(8, '0'),
  );
  return {
    replyClass: table[at + REPLY_CLASS],
    code: table[at + CODE],
    count: table[at + COUNT],
    bytes: table[at + BYTES_STATE] === 1 ? 'varies' : bytes < 0 ? null : bytes,
    body: body === BodyState.VARIES ? 'varies' : body === BodyState.NONE ? null : digest.join(''),
  };
}

/** The sum of what threads, or runs to one target, saw; the order makes no difference to what varies. */
export function addSeenRequests(
  parts: readonly (readonly SeenRequest[])[],
): readonly SeenRequest[] {
  const rows = new Map<number, SeenRequest>();
  for (const each of parts.flat()) {
    const other = rows.get(each.exchange);
    rows.set(each.exchange, other === undefined ? each : joined(other, each));
  }
  return [...rows.values()].sort((a, b) => a.exchange - b.exchange);
}

function joined(a: SeenRequest, b: SeenRequest): SeenRequest {
  const statuses = [...a.statuses];
  for (const each of b.statuses) {
    const at = statuses.findIndex((one) => isSameStatus(one, each));
    if (at < 0) statuses.push(each);
    else statuses[at] = joinedStatus(statuses[at], each);
  }
  return { exchange: a.exchange, statuses, others: a.others + b.others };
}

/** Whether both say the same. */
export const isSameStatus = (
  a: Pick<SeenStatus, 'replyClass' | 'code'>,
  b: Pick<SeenStatus, 'replyClass' | 'code'>,
): boolean => a.replyClass === b.replyClass && a.code === b.code;

const joinedStatus = (a: SeenStatus, b: SeenStatus): SeenStatus => ({
  ...a,
  count: a.count + b.count,
  bytes: a.bytes === b.bytes ? a.bytes : 'varies',
  body: a.body === null || a.body === b.body ? b.body : b.body === null ? a.body : 'varies',
});
