/**
 * What has come in behind a hole in the peer's stream: up to four intervals a user, kept for those
 * users that have a hole, which are few. What finds no room here is not acknowledged, so that the peer
 * sends it again.
 *
 * Only the places are kept. Octets are counted and not stored: nobody reads the payload.
 */
import { type Seq, seqAfter, seqBefore } from '../base/seq.ts';

/** Users with a hole at the same time; at 48 octets each. */
const HOLED_USERS_MAX = 65_536;
const INTERVALS = 4;

interface Interval {
  from: Seq;
  to: Seq;
  /** Whether the segment that ends at `to` was pushed. */
  isPushed: boolean;
}

/** One user's intervals, in the order of the stream. */
interface Kept {
  readonly intervals: Interval[];
  /** Sequence number of the peer's FIN, where it has come. */
  fin: Seq | null;
}

export class Reassembly {
  /** Whether the octets that the last `take` reached end with a push; null: it reached no more. */
  isPushed: boolean | null = null;
  /** Whether the last `take` reached the peer's FIN. */
  isFin = false;

  readonly #kept = new Map<number, Kept>();

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
    if (from !== to && !insert(kept.intervals, { from, to, isPushed })) return false;
    if (hasFin) kept.fin = to;
    return true;
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
    }
    this.isFin = kept.fin === reached;
    const isFinAhead = kept.fin !== null && seqAfter(kept.fin, reached);
    if (intervals.length === 0 && !isFinAhead) this.#kept.delete(user);
    return reached;
  }

  /** The user's connection is gone. */
  forget(user: number): void {
    this.#kept.delete(user);
  }
}

/** @returns whether there was room */
function insert(intervals: Interval[], added: Interval): boolean {
  let at = 0;
  while (at < intervals.length && seqBefore(intervals[at].to, added.from)) at++;
  let end = at;
  let { from, to, isPushed } = added;
  for (; end < intervals.length && !seqAfter(intervals[end].from, to); end++) {
    const touched = intervals[end];
    if (seqBefore(touched.from, from)) from = touched.from;
    if (seqAfter(touched.to, to)) ({ to, isPushed } = touched);
    else if (touched.to === to) isPushed ||= touched.isPushed;
  }
  if (end === at && intervals.length === INTERVALS) return false;
  intervals.splice(at, end - at, { from, to, isPushed });
  return true;
}
