/** A row of the scoreboard: ranges, what is known of them, and what an arrival says of the others. */
import { type Seq, seqAfter, seqBefore } from '../base/seq.ts';
import type { Episode } from './episode.ts';

/** What is known of a range; in flight: FLYING and REPEATED. */
export const Fate = { FLYING: 0, LOST: 1, REPEATED: 2, HELD: 3 } as const;
export type Fate = (typeof Fate)[keyof typeof Fate];

/** A piece of the stream of one fate. */
export interface Range {
  from: Seq;
  to: Seq;
  fate: Fate;
  /** Of what was repeated: the how manieth repetition it was, and SND.MAX and the time when it left. */
  serial: number;
  sentAt: Seq;
  sentNs: number;
  /** Of what was sent once: since when the peer holds something behind it; NEVER_NS while it does not. */
  doubtNs: number;
}

/** One user's. */
export interface Row {
  ranges: Range[];
  /** End of the last range; SND.UNA where there is none. */
  end: Seq;
  /** Repetitions so far, and the newest of them that has arrived. */
  serial: number;
  arrivedSerial: number;
  /** The end of the newest octets sent once that have arrived. */
  arrivedEnd: Seq;
  /** What was sent once below this was sent before something that has arrived. */
  lostBelow: Seq;
  /**
   * Of the last acknowledgement: `arrivedEnd` before it, whether it told of anything new, of late arrivals, and of
   * the arrival of what had been taken for lost and was sent once.
   */
  knownEnd: Seq;
  isNews: boolean;
  isReordered: boolean;
  isMistaken: boolean;
  /** The newest recovery, while its window may still be put back. */
  episode: Episode | null;
}

/** What of the range lies below `to` has arrived. */
export function arrived(row: Row, range: Range, to: Seq, sureNs: number): void {
  if (range.fate === Fate.HELD) return;
  row.isNews = true;
  if (range.fate === Fate.REPEATED) {
    if (range.sentNs > sureNs) return;
    row.arrivedSerial = Math.max(row.arrivedSerial, range.serial);
    if (seqAfter(range.sentAt, row.lostBelow)) row.lostBelow = range.sentAt;
    return;
  }
  if (range.fate === Fate.LOST) {
    if (wasRepeated(range)) return;
    row.isMistaken = true;
  }
  if (seqBefore(range.from, row.knownEnd)) row.isReordered = true;
  if (seqAfter(to, row.arrivedEnd)) row.arrivedEnd = to;
}

/** Of what is lost: whether it was sent again before. What is held is alike in this. */
export function wasRepeated({ fate, serial }: Range): boolean {
  return fate === Fate.LOST && serial > 0;
}

/** What is in flight of it is lost. */
export function loseFlying(range: Range): void {
  if (range.fate === Fate.FLYING) range.fate = Fate.LOST;
}
