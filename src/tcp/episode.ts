/**
 * Whether it was right to take the window back: what was sent again may only have been late. Then the
 * window is put back as it was (RFC 4015 and, of its ways to do so, that of Linux), or a path whose packets
 * overtake each other, or that pauses, would be as slow as one that loses as many.
 *
 * Three signs, each of its own standard: the acknowledgement of what was sent again first echoes a
 * timestamp from before (RFC 3522); the peer says of all that was sent again that it came twice (RFC 3708);
 * after a timeout something arrives that was sent once and taken for lost (RFC 5682, as Linux reads it).
 */
import { type Seq, seqAfter, seqBefore, seqDiff } from '../base/seq.ts';
import { NEVER_NS } from '../base/time.ts';
import type { SackBlocks } from '../wire/tcp-options.ts';

/** From one loss until nothing more can be heard of what it had sent again. */
export class Episode {
  /** Congestion window and slow start threshold before, in sixteenths of a segment. */
  readonly cwnd: number;
  readonly ssthresh: number;
  /** SND.UNA when it began: what came twice below that is of other times. */
  readonly #una: Seq;
  /** Octets sent again of which the peer has not said that they came twice; and whether it has of any. */
  #neededBytes = 0;
  #isTwice = false;
  /** SND.MAX when `widens` last said so. */
  #widenedAt: Seq | null = null;
  /** The first that was sent again: where and when. */
  #first: Seq;
  #firstNs = NEVER_NS;
  /** SND.MAX when the last left. Who has that will say soon what came twice; `#isLastRound` while one waits for that. */
  #until: Seq;
  #isLastRound = false;

  constructor(cwnd: number, ssthresh: number, una: Seq) {
    this.cwnd = cwnd;
    this.ssthresh = ssthresh;
    this.#una = una;
    this.#first = una;
    this.#until = una;
  }

  /** `[from, to)` has been sent again. */
  onRepeated(from: Seq, to: Seq, sndMax: Seq, nowNs: number): void {
    if (this.#neededBytes === 0 && !this.#isTwice) {
      this.#first = from;
      this.#firstNs = nowNs;
    }
    this.#neededBytes += seqDiff(to, from);
    this.#until = sndMax;
    this.#isLastRound = false;
  }

  /** An acknowledgement up to `una` has come: it may say what came twice (RFC 2883, section 4). @returns so */
  onBlocks(una: Seq, blocks: SackBlocks): boolean {
    if (blocks.count === 0) return false;
    const { edges } = blocks;
    const [from, to] = [edges[0], edges[1]];
    const isWithinNext = blocks.count > 1 && !seqBefore(from, edges[2]) && !seqAfter(to, edges[3]);
    const isTwice = seqBefore(from, to) && (!seqAfter(to, una) || isWithinNext);
    if (!isTwice || seqBefore(from, this.#una) || seqAfter(to, this.#until)) return false;
    this.#neededBytes -= seqDiff(to, from);
    this.#isTwice = true;
    return true;
  }

  /** When the first repetition left, if `una` is behind it; else NEVER_NS. */
  repeatedSince(una: Seq): number {
    return seqAfter(una, this.#first) ? this.#firstNs : NEVER_NS;
  }

  /** Whether all that was sent again came twice. */
  get isUnneeded(): boolean {
    return this.#isTwice && this.#neededBytes <= 0;
  }

  /** Whether any of it came twice. */
  get isTwice(): boolean {
    return this.#isTwice;
  }

  /** Whether that has not been said in this round trip: once in each it widens the wait for what is late. */
  widens(una: Seq, sndMax: Seq): boolean {
    if (this.#widenedAt !== null && seqBefore(una, this.#widenedAt)) return false;
    this.#widenedAt = sndMax;
    return true;
  }

  /**
   * Whether nothing more can be heard of it: recovery has ended, and a round trip later what was overtaken has
   * arrived as well. Asked with each acknowledgement of something new.
   */
  isOver(una: Seq, sndMax: Seq): boolean {
    if (seqBefore(una, this.#until)) return false;
    if (this.#isLastRound) return true;
    this.#isLastRound = true;
    this.#until = sndMax;
    return una === sndMax;
  }
}
