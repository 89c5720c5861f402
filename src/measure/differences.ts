/**
 * How answers differ from the recorded ones: which differences there are, how often each occurs, and an
 * example of each.
 *
 * A thread keeps a small table in shared memory, a row a difference; what finds no row is counted
 * together. Differences of status are told apart by what was recorded and what came, those of lengths
 * and bodies by the class of the request. The example is the earliest exchange of the capture, and of
 * its answers the shortest, so that it is the same however a run is divided.
 */

/** In what an answer differs. */
export const DifferenceKind = { STATUS: 0, LENGTH: 1, BODY: 2 } as const;
export type DifferenceKind = (typeof DifferenceKind)[keyof typeof DifferenceKind];

/** The kinds in results, in the order of `DifferenceKind`. */
export const DIFFERENCE_NAMES = ['status', 'length', 'body'] as const;
/** What a kind of difference is called in documents. */
export type DifferenceName = (typeof DIFFERENCE_NAMES)[number];

/** More differences than these are counted together. */
export const DIFFERENCES_MAX = 64;

/** What an answer said, or how long it was. */
export interface Said {
  /** As `Framer.replyClass` and `Framer.code`. */
  readonly replyClass: number;
  readonly code: number;
  readonly bytes: number;
}

/** A row of the table: all that was seen of one difference. */
export interface SeenDifference {
  readonly kind: DifferenceKind;
  /** The class of the requests; -1 where they may be of any. */
  readonly requestClass: number;
  readonly count: number;
  /** Of the example. */
  readonly exchange: number;
  readonly recorded: Said;
  readonly got: Said;
}

const KIND = 0;
const REQUEST_CLASS = 1;
const COUNT = 2;
const EXCHANGE = 3;
const RECORDED = 4;
const GOT = 7;
const COLUMNS = 10;
/** Behind the rows: how many there are, and how many differences found none. */
const ROWS = COLUMNS * DIFFERENCES_MAX;
const LEFT = ROWS + 1;

/** An empty table of one thread, in memory that other threads may read. */
export const createDifferences = (): Float64Array<SharedArrayBuffer> =>
  new Float64Array(new SharedArrayBuffer((LEFT + 1) * Float64Array.BYTES_PER_ELEMENT));

/** Writes one thread's table. */
export class DifferenceRecorder {
  readonly #table: Float64Array;

  /** @param table what `createDifferences` made */
  constructor(table: Float64Array) {
    this.#table = table;
  }

  /** An answer to an exchange of the scripts differs. */
  record(
    kind: DifferenceKind,
    requestClass: number,
    exchange: number,
    recorded: Said,
    got: Said,
  ): void {
    const table = this.#table;
    const wanted = kind === DifferenceKind.STATUS ? -1 : requestClass;
    const row = this.#rowOf(kind, wanted, recorded, got);
    if (row < 0) {
      table[LEFT]++;
      return;
    }
    const isNew = table[row + COUNT]++ === 0;
    const before = table[row + EXCHANGE];
    const isEarlier = exchange === before ? got.bytes < table[row + GOT + 2] : exchange < before;
    if (!isNew && !isEarlier) return;
    table[row + KIND] = kind;
    table[row + REQUEST_CLASS] = wanted;
    table[row + EXCHANGE] = exchange;
    writeSaid(table, row + RECORDED, recorded);
    writeSaid(table, row + GOT, got);
  }

  /** The row of a difference, a new one where it is; -1 where there is none left. */
  #rowOf(kind: number, requestClass: number, recorded: Said, got: Said): number {
    const table = this.#table;
    const end = table[ROWS] * COLUMNS;
    for (let row = 0; row < end; row += COLUMNS) {
      if (table[row + KIND] !== kind || table[row + REQUEST_CLASS] !== requestClass) continue;
      if (kind !== DifferenceKind.STATUS) return row;
      if (isSaid(table, row + RECORDED, recorded) && isSaid(table, row + GOT, got)) return row;
    }
    if (table[ROWS] === DIFFERENCES_MAX) return -1;
    table[ROWS]++;
    return end;
  }
}

function writeSaid(table: Float64Array, at: number, { replyClass, code, bytes }: Said): void {
  table[at] = replyClass;
  table[at + 1] = code;
  table[at + 2] = bytes;
}

const isSaid = (table: Float64Array, at: number, { replyClass, code }: Said): boolean =>
  table[at] === replyClass && table[at + 1] === code;

const readSaid = (table: Float64Array, at: number): Said => ({
  replyClass: table[at],
  code: table[at + 1],
  bytes: table[at + 2],
});

/** The rows of a thread's table. */
export const seenDifferences = (table: Float64Array): readonly SeenDifference[] =>
  Array.from({ length: table[ROWS] }, (_, i) => {
    const row = i * COLUMNS;
    return {
      kind: table[row + KIND] as DifferenceKind,
      requestClass: table[row + REQUEST_CLASS],
      count: table[row + COUNT],
      exchange: table[row + EXCHANGE],
      recorded: readSaid(table, row + RECORDED),
      got: readSaid(table, row + GOT),
    };
  });

/** How many differences a thread's table had no row for. */
export const differencesLeft = (table: Float64Array): number => table[LEFT];

/** A difference in words, as it stands in results. */
export interface Difference {
  readonly kind: DifferenceName;
  /** The class of the requests; '' where they may be of any. */
  readonly requestClass: string;
  readonly count: number;
  readonly example: {
    /** Which of the replayable sessions, and which of its requests: both from 1. */
    readonly session: number;
    readonly number: number;
    readonly request: string;
    /** What was recorded and what came: a status, a code, a length. */
    readonly recorded: string;
    readonly got: string;
    readonly gotBytes: number;
  };
}

/** All that is known of a run's differences. */
export interface Differences {
  /** The most frequent first. */
  readonly seen: readonly Difference[];
  /** Those that found no row of their own. */
  readonly left: number;
}

/** Every answer was like the recorded one, or none was looked at. */
export const NO_DIFFERENCES: Differences = { seen: [], left: 0 };

/** The sum of what parts of a run saw; exact, in whatever order they are added. */
export function addDifferences(parts: readonly Differences[]): Differences {
  const rows = new Map<string, Difference>();
  for (const each of parts.flatMap(({ seen }) => seen)) {
    const { kind, requestClass, example } = each;
    const key = [kind, requestClass, ...(kind === 'status' ? [example.recorded, example.got] : [])];
    const other = rows.get(key.join('\n'));
    const count = each.count + (other?.count ?? 0);
    const isFirst = other === undefined || isBefore(example, other.example);
    rows.set(key.join('\n'), { ...each, count, example: isFirst ? example : other.example });
  }
  return {
    seen: [...rows.values()].sort((a, b) => b.count - a.count || order(a.example, b.example)),
    left: parts.reduce((sum, { left }) => sum + left, 0),
  };
}

const order = (a: Difference['example'], b: Difference['example']): number =>
  a.session - b.session ||
  a.number - b.number ||
  a.gotBytes - b.gotBytes ||
  (a.got < b.got ? -1 : 1);

const isBefore = (a: Difference['example'], b: Difference['example']): boolean => order(a, b) < 0;
