/**
 * What the peer has reported of our stream (RFC 6675, section 4), and what became of what we sent
 * again, for those users whose peer has reported something or of whom something is lost. They are
 * few, so rows stand beside the columns, and what finds no room is recovered without them.
 *
 * A row is a list of ranges of sequence numbers, in order and without gaps, from SND.UNA up to where
 * something is known. Behind it all is in flight. What is lost is known by order (RFC 8985 without send
 * times): when something has arrived that was sent later, what was sent before it is lost. Since packets
 * may overtake each other, for what was sent once the peer must hold more than two segments behind it
 * (in fast recovery anything), or some time must pass; time alone counts once packets have done so.
 */
import { type Seq, seqAfter, seqBefore, seqDiff } from '../base/seq.ts';
import { NEVER_NS } from '../base/time.ts';
import type { SackBlocks } from '../wire/tcp-options.ts';
import { Episode } from './episode.ts';
import { arrived, Fate, loseFlying, type Range, type Row, wasRepeated } from './scoreboard-row.ts';

/** Users with a row, and ranges of one (the largest window has 4,000 segments) and of all; a range is about 80 octets. */
const ROWS_MAX = 65_536;
const ROW_RANGES_MAX = 4_096;
const RANGES_MAX = 262_144;
/** So many segments held behind something make it lost: DupThresh of RFC 6675, section 2. */
export const DUP_THRESH = 3;

/** A piece of the stream that is to be sent again. */
export interface LostRange {
  readonly from: Seq;
  readonly to: Seq;
}

/** Rows for the users of whom something is reported or lost; their number is bounded. */
export class Scoreboard {
  readonly #rows = new Map<number, Row>();
  #ranges = 0;

  /** Gives the user a row, unless it has one. @returns whether it has one now */
  open(user: number, una: Seq): boolean {
    if (this.#rows.has(user)) return true;
    if (this.#rows.size >= ROWS_MAX) return false;
    this.#rows.set(user, {
      ranges: [],
      end: una,
      serial: 0,
      arrivedSerial: 0,
      arrivedEnd: una,
      lostBelow: una,
      knownEnd: una,
      isNews: false,
      isReordered: false,
      isMistaken: false,
      episode: null,
    });
    return true;
  }

  /** The user's row is needed no more. */
  close(user: number): void {
    const row = this.#rows.get(user);
    if (row === undefined) return;
    this.#ranges -= row.ranges.length;
    this.#rows.delete(user);
  }

  /**
   * An acknowledgement has come: up to `una` all is delivered, and the blocks are held.
   * @param mss payload of a full segment
   * @param threshold as many segments held behind something make it lost
   * @param sureNs when what was repeated later has arrived, it is the one before that has
   */
  update(
    user: number,
    una: Seq,
    sndMax: Seq,
    blocks: SackBlocks,
    mss: number,
    threshold: number,
    sureNs: number,
    nowNs: number,
  ): void {
    const row = this.#rows.get(user);
    if (row === undefined) return;
    row.isNews = false;
    row.isReordered = false;
    row.isMistaken = false;
    row.knownEnd = row.arrivedEnd;
    this.#deliver(row, una, sureNs);
    for (let i = 0; i < blocks.count; i++) {
      const left = blocks.edges[2 * i];
      const right = blocks.edges[2 * i + 1];
      // Not of this flight: nonsense, or what came twice and was acknowledged before (RFC 2883).
      if (!seqBefore(left, right) || !seqAfter(right, una) || seqAfter(right, sndMax)) continue;
      this.#hold(row, seqBefore(left, una) ? una : left, right, sureNs);
    }
    this.#judge(row, mss, threshold, nowNs);
  }

  /** Whether the last `update` told that something has arrived. */
  hasNews(user: number): boolean {
    return this.#rows.get(user)?.isNews === true;
  }

  /** Whether by the last `update` something that was sent once has arrived after what was sent later. */
  isReordered(user: number): boolean {
    return this.#rows.get(user)?.isReordered === true;
  }

  /** Whether by the last `update` something has arrived that was taken for lost and never sent again. */
  isMistaken(user: number): boolean {
    return this.#rows.get(user)?.isMistaken === true;
  }

  /** Whether something is held, lost or repeated, of what is not acknowledged, or a window may be put back. */
  isTelling(user: number): boolean {
    const row = this.#rows.get(user);
    return row !== undefined && (row.ranges.length > 0 || row.episode !== null);
  }

  /** Whether something that was sent again is in flight. */
  isRepeating(user: number): boolean {
    return this.#rows.get(user)?.ranges.some(({ fate }) => fate === Fate.REPEATED) === true;
  }

  /** The newest recovery, while its window may still be put back; else null. */
  episodeOf(user: number): Episode | null {
    return this.#rows.get(user)?.episode ?? null;
  }

  /** A recovery begins, with that window and threshold before it. */
  beginEpisode(user: number, cwnd: number, ssthresh: number, una: Seq): void {
    const row = this.#rows.get(user);
    if (row !== undefined) row.episode = new Episode(cwnd, ssthresh, una);
  }

  endEpisode(user: number): void {
    const row = this.#rows.get(user);
    if (row !== undefined) row.episode = null;
  }

  /**
   * Since when the peer has held something behind what was sent once and may be lost, of what has waited longest;
   * NEVER_NS where there is nothing such.
   */
  inDoubtSinceNs(user: number): number {
    let sinceNs = NEVER_NS;
    for (const { fate, doubtNs } of this.#rows.get(user)?.ranges ?? []) {
      if (fate === Fate.FLYING && doubtNs < sinceNs) sinceNs = doubtNs;
    }
    return sinceNs;
  }

  /** Octets in flight (`pipe` of RFC 6675). */
  pipe(user: number, una: Seq, sndMax: Seq): number {
    const row = this.#rows.get(user);
    if (row === undefined) return seqDiff(sndMax, una);
    let pipe = seqDiff(sndMax, row.end);
    for (const { from, to, fate } of row.ranges) {
      if (fate === Fate.FLYING || fate === Fate.REPEATED) pipe += seqDiff(to, from);
    }
    return pipe;
  }

  /** The first range that is lost; null where there is none. */
  firstLost(user: number): LostRange | null {
    const ranges = this.#rows.get(user)?.ranges;
    return ranges?.find(({ fate }) => fate === Fate.LOST) ?? null;
  }

  /** The first range that is not held; it ends at SND.MAX where nothing is known. */
  firstMissing(user: number, una: Seq, sndMax: Seq): LostRange {
    const ranges = this.#rows.get(user)?.ranges;
    return ranges?.find(({ fate }) => fate !== Fate.HELD) ?? { from: una, to: sndMax };
  }

  /** `[from, to)` has been sent again. Where there is no room to cut, more counts as repeated. */
  repeated(user: number, from: Seq, to: Seq, sndMax: Seq, nowNs: number): void {
    const row = this.#rows.get(user);
    if (row === undefined) return;
    this.#extend(row, to);
    row.serial++;
    row.episode?.onRepeated(from, to, sndMax, nowNs);
    this.#cut(row, from);
    this.#cut(row, to);
    for (const range of row.ranges) {
      if (range.fate === Fate.HELD || !seqAfter(range.to, from)) continue;
      if (!seqBefore(range.from, to)) return;
      range.fate = Fate.REPEATED;
      range.serial = row.serial;
      range.sentAt = sndMax;
      range.sentNs = nowNs;
    }
  }

  /**
   * After a timeout: whatever is not held is lost (RFC 6675, section 5.1), but for what left after the
   * repetition that was waited for: that may arrive yet (RFC 8985, section 6.3).
   */
  loseAll(user: number, sndMax: Seq): void {
    const row = this.#rows.get(user);
    if (row === undefined) return;
    const first = row.ranges.at(0);
    const isRepeated = first?.fate === Fate.REPEATED;
    const [serial, end] = isRepeated ? [first.serial, first.sentAt] : [row.serial, sndMax];
    this.#extend(row, end);
    this.#cut(row, end);
    for (const range of row.ranges) {
      if (range.fate === Fate.HELD || seqAfter(range.to, end)) continue;
      if (range.fate !== Fate.REPEATED || range.serial <= serial) range.fate = Fate.LOST;
    }
    this.#merge(row);
  }

  /** Time has passed: what has been in doubt since `sinceNs` or longer is lost. */
  loseHoles(user: number, sinceNs: number): void {
    for (const range of this.#rows.get(user)?.ranges ?? []) {
      if (range.fate === Fate.FLYING && range.doubtNs <= sinceNs) range.fate = Fate.LOST;
    }
  }

  /** Nothing is lost after all: what is not held is in flight, and in doubt from now on. */
  loseNothing(user: number, nowNs: number): void {
    const row = this.#rows.get(user);
    if (row === undefined) return;
    let isHeldBehind = false;
    for (let i = row.ranges.length - 1; i >= 0; i--) {
      const range = row.ranges[i];
      if (range.fate === Fate.HELD) isHeldBehind = true;
      if (range.fate !== Fate.LOST) continue;
      range.fate = Fate.FLYING;
      range.doubtNs = isHeldBehind ? nowNs : NEVER_NS;
    }
    row.lostBelow = row.ranges.at(0)?.from ?? row.end;
  }

  #deliver(row: Row, una: Seq, sureNs: number): void {
    const { ranges } = row;
    let first = 0;
    while (first < ranges.length && !seqAfter(ranges[first].to, una)) {
      arrived(row, ranges[first], ranges[first].to, sureNs);
      first++;
    }
    if (first > 0) {
      ranges.splice(0, first);
      this.#ranges -= first;
    }
    if (ranges.length > 0 && seqBefore(ranges[0].from, una)) {
      arrived(row, ranges[0], una, sureNs);
      ranges[0].from = una;
    }
    if (seqAfter(una, row.end)) row.end = una;
    // Never so far behind that it would seem to lie ahead.
    if (seqBefore(row.arrivedEnd, una)) row.arrivedEnd = una;
    if (seqBefore(row.lostBelow, una)) row.lostBelow = una;
  }

  #hold(row: Row, from: Seq, to: Seq, sureNs: number): void {
    this.#extend(row, to);
    this.#change(row, from, to, (range) => {
      arrived(row, range, range.to, sureNs);
      range.fate = Fate.HELD;
    });
    this.#merge(row);
  }

  /** Finds what is lost: by what the peer holds behind it, or by what was sent after it. */
  #judge(row: Row, mss: number, threshold: number, nowNs: number): void {
    if (seqAfter(row.lostBelow, row.end)) this.#extend(row, row.lostBelow);
    let heldBytes = 0;
    let heldRanges = 0;
    for (let i = row.ranges.length - 1; i >= 0; i--) {
      const range = row.ranges[i];
      switch (range.fate) {
        case Fate.HELD:
          heldBytes += seqDiff(range.to, range.from);
          heldRanges++;
          break;
        case Fate.FLYING:
          if (heldRanges >= threshold || heldBytes > (threshold - 1) * mss) {
            range.fate = Fate.LOST;
            break;
          }
          if (heldRanges > 0) range.doubtNs = Math.min(range.doubtNs, nowNs);
          if (seqBefore(range.from, row.lostBelow)) {
            this.#change(row, range.from, row.lostBelow, loseFlying);
          }
          break;
        case Fate.REPEATED:
          if (range.serial < row.arrivedSerial || seqBefore(range.sentAt, row.arrivedEnd)) {
            range.fate = Fate.LOST;
          }
          break;
        default:
      }
    }
  }

  /** The row reaches up to `end`: what lies between is in flight. */
  #extend(row: Row, end: Seq): void {
    if (!seqAfter(end, row.end)) return;
    const last = row.ranges.at(-1);
    if (last?.fate === Fate.FLYING) last.to = end;
    else {
      const plain = { serial: 0, sentAt: end, sentNs: 0, doubtNs: NEVER_NS };
      row.ranges.push({ from: row.end, to: end, fate: Fate.FLYING, ...plain });
      this.#ranges++;
    }
    row.end = end;
  }

  /** Calls `change` for each range within `[from, to)`, cut at its ends where there is room. */
  #change(row: Row, from: Seq, to: Seq, change: (range: Range) => void): void {
    this.#cut(row, from);
    this.#cut(row, to);
    for (const range of row.ranges) {
      if (seqBefore(range.from, from)) continue;
      if (seqAfter(range.to, to)) return;
      change(range);
    }
  }

  #cut(row: Row, at: Seq): void {
    const { ranges } = row;
    const i = ranges.findIndex(({ to }) => seqAfter(to, at));
    if (i < 0 || !seqBefore(ranges[i].from, at)) return;
    if (ranges.length >= ROW_RANGES_MAX || this.#ranges >= RANGES_MAX) return;
    ranges.splice(i, 0, { ...ranges[i], to: at });
    ranges[i + 1].from = at;
    this.#ranges++;
  }

  /** Neighbours that are both held, or both lost, become one. */
  #merge(row: Row): void {
    const merged: Range[] = [];
    for (const range of row.ranges) {
      const last = merged.at(-1);
      const isPlain = range.fate === Fate.HELD || range.fate === Fate.LOST;
      const isAlike = last?.fate === range.fate && wasRepeated(last) === wasRepeated(range);
      if (last !== undefined && isPlain && isAlike) last.to = range.to;
      else merged.push(range);
    }
    this.#ranges -= row.ranges.length - merged.length;
    row.ranges = merged;
  }
}
