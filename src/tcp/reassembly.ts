/**
 * What has come in behind a hole in the peer's stream, kept for those users that have a hole, which
 * are few. What finds no room here is neither acknowledged nor reported, so that the peer sends it
 * again; what is reported (SACK, RFC 2018) stays until it is delivered.
 *
 * Only the places are kept. Octets are counted and not stored: nobody reads the payload.
 */
import { type Seq, seqAfter, seqBefore } from '../base/seq.ts';
import type { SackBlocks } from '../wire/tcp-options.ts';

/** Users with a hole at the same time, and intervals of one and of all of them; about 64 octets each. */
const HOLED_USERS_MAX = 65_536;
const USER_INTERVALS_MAX = 256;
const INTERVALS_MAX = 262_144;
const NOBODY = -1;

interface Interval {
  from: Seq;
  to: Seq;
  /** Whether the segment that ends at `to` was pushed. */
  isPushed: boolean;
  /** Rises with each segment that came into an interval: the newest is reported first. */
  newness: number;
}

/** One user's intervals, in the order of the stream. */
interface Kept {
  readonly intervals: Interval[];
  /** Sequence number of the peer's FIN, where it has come. */
  fin: Seq | null;
}

/** Intervals of the peer's stream behind a hole, of those users that have one. */
export class Reassembly {
  /** Whether the octets that the last `take` reached end with a push; null: it reached no more. */
  isPushed: boolean | null = null;
  /** Whether the last `take` reached the peer's FIN. */
  isFin = false;

  readonly #kept = new Map<number, Kept>();
  #intervals = 0;
  #newness = 0;
  /** What came twice, and to whom, until its report; the newest takes the place of any other. */
  #twiceUser = NOBODY;
  #twiceFrom: Seq = 0;
  #twiceTo: Seq = 0;

  /** Whether something of the user's is kept. */
  has(user: number): boolean {
    return this.#kept.has(user);
  }

  /**
   * Keep that `[from, to)` (empty for a bare FIN) has come in.
   * @returns whether there was room for it
   */
  keep(user: number, from: Seq, to: Seq, isPushed: boolean, hasFin: boolean): boolean {
    let kept = this.#kept.get(user);
    if (kept === undefined) {
      if (this.#kept.size >= HOLED_USERS_MAX) return false;
      kept = { intervals: [], fin: null };
      this.#kept.set(user, kept);
    }
    if (from !== to && !this.#insert(user, kept.intervals, from, to, isPushed)) return false;
    if (hasFin) kept.fin = to;
    return true;
  }

  /** `[from, to)` has come although it had come before; the next report says so (RFC 2883). */
  noteTwice(user: number, from: Seq, to: Seq): void {
    this.#twiceUser = user;
    this.#twiceFrom = from;
    this.#twiceTo = to;
  }

  /**
   * What the next acknowledgement reports: what came twice, then the intervals, those first that have
   * grown last.
   * @param max blocks that have room
   */
  report(user: number, max: number, blocks: SackBlocks): void {
    blocks.count = 0;
    if (this.#twiceUser === user) {
      blocks.add(this.#twiceFrom, this.#twiceTo);
      this.#twiceUser = NOBODY;
    }
    const kept = this.#kept.get(user);
    if (kept === undefined) return;
    for (let below = Number.POSITIVE_INFINITY; blocks.count < max; ) {
      const newest = newestBelow(kept.intervals, below);
      if (newest === null) return;
      blocks.add(newest.from, newest.to);
      below = newest.newness;
    }
  }

  /** Whether there is something to report. */
  hasReport(user: number): boolean {
    return this.#twiceUser === user || this.#kept.has(user);
  }

  /**
   * The stream has come in up to `rcvNxt`.
   * @returns how far it reaches with what is kept; `isPushed` and `isFin` say more
   */
  take(user: number, rcvNxt: Seq): Seq {
    this.isPushed = null;
    this.isFin = false;
    const kept = this.#kept.get(user);
    if (kept === undefined) return rcvNxt;
    const { intervals } = kept;
    let reached = rcvNxt;
    for (let first = intervals.at(0); first !== undefined; first = intervals.at(0)) {
      if (seqAfter(first.from, reached)) break;
      if (!seqBefore(first.to, reached)) {
        reached = first.to;
        this.isPushed = first.isPushed;
      }
      intervals.shift();
      this.#intervals--;
    }
    this.isFin = kept.fin === reached;
    const isFinAhead = kept.fin !== null && seqAfter(kept.fin, reached);
    if (intervals.length === 0 && !isFinAhead) this.#kept.delete(user);
    return reached;
  }

  /** The user's connection is gone. */
  forget(user: number): void {
    if (this.#twiceUser === user) this.#twiceUser = NOBODY;
    const kept = this.#kept.get(user);
    if (kept === undefined) return;
    this.#intervals -= kept.intervals.length;
    this.#kept.delete(user);
  }

  /** @returns whether there was room */
  #insert(
    user: number,
    intervals: Interval[],
    first: Seq,
    end: Seq,
    isLastPushed: boolean,
  ): boolean {
    let at = 0;
    while (at < intervals.length && seqBefore(intervals[at].to, first)) at++;
    let past = at;
    let [from, to, isPushed] = [first, end, isLastPushed];
    for (; past < intervals.length && !seqAfter(intervals[past].from, to); past++) {
      const touched = intervals[past];
      if (!seqAfter(touched.from, first) && !seqBefore(touched.to, end)) {
        this.noteTwice(user, first, end);
      }
      if (seqBefore(touched.from, from)) from = touched.from;
      if (seqAfter(touched.to, to)) ({ to, isPushed } = touched);
      else if (touched.to === to) isPushed ||= touched.isPushed;
    }
    const isFull = intervals.length >= USER_INTERVALS_MAX || this.#intervals >= INTERVALS_MAX;
    if (past === at && isFull) return false;
    this.#intervals += 1 - (past - at);
    intervals.splice(at, past - at, { from, to, isPushed, newness: this.#newness++ });
    return true;
  }
}

/** Of those that are less new than `below` the newest; null where there is none. */
function newestBelow(intervals: readonly Interval[], below: number): Interval | null {
  let newest: Interval | null = null;
  for (const interval of intervals) {
    if (interval.newness >= below) continue;
    if (newest === null || interval.newness > newest.newness) newest = interval;
  }
  return newest;
}
