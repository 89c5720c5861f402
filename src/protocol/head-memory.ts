/**
 * The head of the last answer and what was made of it: a server sends the same head again and again, and
 * comparing it costs a third of reading it. What follows from a head follows from its octets and from the
 * kind of its request alone, so that nothing is assumed here.
 *
 * Answers of other lengths have other heads. So there are some memories, and which one an answer has to do with is
 * told by how many octets came with it: pages in turn do not drive each other out.
 */
import { FRAMER_WORDS, Outcome } from './framer.ts';

/** Longer heads are read each time: octets. */
const HEAD_BYTES_MAX = 1_024;
/** Where most heads differ from the one that is kept, another one is kept after so many of them at last. */
const MISSES_MAX = 64;

/** Memories are so many, 2 to this power. */
const MEMORY_BITS = 5;
/** Spreads lengths over memories, whatever they have in common: 2^32 ÷ the golden ratio, odd. */
const SPREAD = 0x9e37_79b1;

/** Heads by how many octets came with them. */
export class HeadMemories {
  readonly #memories: (HeadMemory | null)[] = Array.from({ length: 1 << MEMORY_BITS }, () => null);

  /** The memory of answers with which so many octets come. */
  of(bytes: number): HeadMemory {
    const row = Math.imul(bytes, SPREAD) >>> (32 - MEMORY_BITS);
    const memory = this.#memories[row];
    if (memory !== null) return memory;
    const made = new HeadMemory();
    this.#memories[row] = made;
    return made;
  }
}

/** One head; a connection in the midst of one knows nothing of it. */
class HeadMemory {
  /** A framer's words behind the head, as `Framer.save` writes them. */
  readonly words = new Uint32Array(FRAMER_WORDS);
  /** What the framer had come to behind the head. */
  outcome: Outcome = Outcome.MORE;
  isSwitch = false;
  /** Octets that were read: the head, and of a body in chunks the line of its first one. */
  bytes = 0;
  readonly #octets = new DataView(new ArrayBuffer(HEAD_BYTES_MAX));
  #kind = -1;
  /** Since it was kept: answers that had it, and others; and of how many others the last one is kept. */
  #hits = 0;
  #misses = 0;
  #missesBeforeNext = 1;

  /** Whether the octets of `data` from `start` begin with the head, of an answer to such a request. */
  isLast(kind: number, data: DataView, start: number, end: number): boolean {
    const { bytes } = this;
    if (bytes === 0 || end - start < bytes || kind !== this.#kind) return false;
    const octets = this.#octets;
    let at = 0;
    for (; at + 4 <= bytes; at += 4) {
      if (octets.getInt32(at, true) !== data.getInt32(start + at, true)) return false;
    }
    for (; at < bytes; at++) {
      if (octets.getUint8(at) !== data.getUint8(start + at)) return false;
    }
    this.#hits++;
    return true;
  }

  /**
   * Whether a head that was read is to be kept: not each of those that never come again.
   * @param bytes of the head
   */
  mayKeep(bytes: number): boolean {
    if (bytes > HEAD_BYTES_MAX || ++this.#misses < this.#missesBeforeNext) return false;
    const isWorthIt = this.#hits >= this.#misses;
    this.#missesBeforeNext = isWorthIt ? 1 : Math.min(MISSES_MAX, 2 * this.#missesBeforeNext);
    this.#hits = 0;
    this.#misses = 0;
    return true;
  }

  /** `words` have been written; the head lies in `data` between `start` and `end`. */
  keep(
    kind: number,
    data: DataView,
    start: number,
    end: number,
    outcome: Outcome,
    isSwitch: boolean,
  ): void {
    const octets = this.#octets;
    let at = start;
    for (; at + 4 <= end; at += 4) octets.setInt32(at - start, data.getInt32(at, true), true);
    for (; at < end; at++) octets.setUint8(at - start, data.getUint8(at));
    this.#kind = kind;
    this.bytes = end - start;
    this.outcome = outcome;
    this.isSwitch = isSwitch;
  }
}
