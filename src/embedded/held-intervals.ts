/**
 * What clients have reported of the server's streams (SACK, RFC 2018), for those connections whose client
 * has reported something: few, so rows stand beside the columns. What finds no room is sent again.
 */
import { type Seq, seqAfter, seqBefore, seqDiff } from '../base/seq.ts';
import type { SackBlocks } from '../wire/tcp-options.ts';

const ROWS_MAX = 65_536;
const ROW_INTERVALS_MAX = 256;

interface Interval {
  from: Seq;
  to: Seq;
}

interface Row {
  /** In order, apart from each other. */
  held: Interval[];
  /** Holes before this have been sent again. */
  repeatedTo: Seq;
}

/** Intervals of client streams behind a hole, of the connections that have one. */
export class HeldIntervals {
  readonly #rows = new Map<number, Row>();

  /** An acknowledgement up to `una` has come with these blocks. @returns whether anything is held */
  note(user: number, una: Seq, sndMax: Seq, blocks: SackBlocks): boolean {
    let row = this.#rows.get(user);
    if (row === undefined) {
      if (blocks.count === 0 || this.#rows.size >= ROWS_MAX) return false;
      row = { held: [], repeatedTo: una };
      this.#rows.set(user, row);
    }
    for (let i = 0; i < blocks.count; i++) {
      const from = blocks.edges[2 * i];
      const to = blocks.edges[2 * i + 1];
      const isSent = seqBefore(from, to) && seqAfter(from, una) && !seqAfter(to, sndMax);
      if (isSent && row.held.length < ROW_INTERVALS_MAX) row.held = joined(row.held, { from, to });
    }
    row.held = row.held.filter(({ to }) => seqAfter(to, una));
    if (seqBefore(row.repeatedTo, una)) row.repeatedTo = una;
    if (row.held.length === 0) this.#rows.delete(user);
    return row.held.length > 0;
  }

  /**
   * The next hole that has not been sent again and behind which more than `bytes` octets are held.
   * @returns null where there is none
   */
  nextLost(user: number, bytes: number): { readonly from: Seq; readonly to: Seq } | null {
    const row = this.#rows.get(user);
    if (row === undefined) return null;
    let behind = row.held.reduce((sum, { from, to }) => sum + seqDiff(to, from), 0);
    let from = row.repeatedTo;
    for (const interval of row.held) {
      if (behind <= bytes) return null;
      if (seqBefore(from, interval.from)) return { from, to: interval.from };
      if (seqAfter(interval.to, from)) from = interval.to;
      behind -= seqDiff(interval.to, interval.from);
    }
    return null;
  }

  /** What lies before `to` has been sent again. */
  repeated(user: number, to: Seq): void {
    const row = this.#rows.get(user);
    if (row !== undefined) row.repeatedTo = to;
  }

  /** The octet from which on something is not held, at or after `seq`. */
  endOfHeld(user: number, seq: Seq): Seq {
    const held = this.#rows.get(user)?.held ?? [];
    const around = held.find(({ from, to }) => !seqAfter(from, seq) && seqAfter(to, seq));
    return around?.to ?? seq;
  }

  /** How far the hole at `seq` reaches; `octets` where nothing is held within so many. */
  bytesToHeld(user: number, seq: Seq, octets: number): number {
    const held = this.#rows.get(user)?.held ?? [];
    const next = held.find(({ from }) => seqAfter(from, seq));
    return next === undefined ? octets : Math.min(octets, seqDiff(next.from, seq));
  }

  /** The connection is another one. */
  forget(user: number): void {
    this.#rows.delete(user);
  }
}

/** The intervals and one more, in order, those that touch as one. */
function joined(held: readonly Interval[], added: Interval): Interval[] {
  const result: Interval[] = [];
  let { from, to } = added;
  for (const interval of held) {
    if (seqBefore(interval.to, from) || seqAfter(interval.from, to)) {
      result.push(interval);
      continue;
    }
    if (seqBefore(interval.from, from)) from = interval.from;
    if (seqAfter(interval.to, to)) to = interval.to;
  }
  const at = result.findIndex((interval) => seqAfter(interval.from, to));
  result.splice(at < 0 ? result.length : at, 0, { from, to });
  return result;
}
