/**
 * The content of what has come in behind a hole, until the hole is filled: framers read a stream in order.
 * There is room for so much of all users together; of what finds none only the place is known, and it
 * is delivered as octets that are not at hand.
 */
import { type Seq, seqAdd, seqAfter, seqBefore, seqDiff } from '../base/seq.ts';

/** Octets of all users of a thread. */
const HELD_BYTES_MAX = 16 << 20;

/** Octets of one segment that lie behind a hole. */
interface Held {
  readonly from: Seq;
  readonly data: DataView;
}

/** A run of in-order octets: those of `data` from `start`, or none of them at hand. */
export interface Piece {
  readonly bytes: number;
  readonly data: DataView;
  readonly start: number;
  readonly atHandBytes: number;
}

const NOTHING = new DataView(new ArrayBuffer(0));

/** Segments behind holes, of those users that have one. */
export class HeldOctets {
  readonly #bytesMax: number;
  readonly #held = new Map<number, Held[]>();
  #bytes = 0;

  /** @param bytesMax room for octets of all users together */
  constructor(bytesMax: number = HELD_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  /** Keeps `bytes` octets of `data` from `start`, which are the user's from `from` on. */
  keep(user: number, from: Seq, data: DataView, start: number, bytes: number): void {
    if (bytes === 0 || this.#bytes + bytes > this.#bytesMax) return;
    const octets = new Uint8Array(bytes);
    octets.set(new Uint8Array(data.buffer, data.byteOffset + start, bytes));
    const held = this.#held.get(user) ?? [];
    this.#held.set(user, held);
    let at = held.length;
    while (at > 0 && seqAfter(held[at - 1].from, from)) at--;
    held.splice(at, 0, { from, data: new DataView(octets.buffer) });
    this.#bytes += bytes;
  }

  /**
   * The stream has come in up to `to`: what lies behind `from` was kept, or only counted.
   * @returns runs of octets that together are `[from, to)`, in order
   */
  take(user: number, from: Seq, to: Seq): Piece[] {
    const pieces: Piece[] = [];
    const held = this.#held.get(user) ?? [];
    let reached = from;
    while (held.length > 0 && seqBefore(held[0].from, to)) {
      const { from: begin, data } = held[0];
      const start = Math.max(0, seqDiff(reached, begin));
      const bytes = Math.min(data.byteLength - start, seqDiff(to, reached));
      if (seqAfter(begin, reached)) {
        pieces.push(notAtHand(seqDiff(begin, reached)));
        reached = begin;
        continue;
      }
      if (bytes > 0) {
        pieces.push({ bytes, data, start, atHandBytes: bytes });
        reached = seqAdd(reached, bytes);
      }
      held.shift();
      this.#bytes -= data.byteLength;
    }
    if (held.length === 0) this.#held.delete(user);
    if (reached !== to) pieces.push(notAtHand(seqDiff(to, reached)));
    return pieces;
  }

  /** The user's connection is gone. */
  forget(user: number): void {
    const held = this.#held.get(user);
    if (held === undefined) return;
    for (const { data } of held) this.#bytes -= data.byteLength;
    this.#held.delete(user);
  }
}

const notAtHand = (bytes: number): Piece => ({ bytes, data: NOTHING, start: 0, atHandBytes: 0 });
