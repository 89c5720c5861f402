/** Octets of the server's that modules read: kept in order until they are handed over. */
import type { Delivery } from '../transport/transport.ts';

const CAPACITY_MIN = 4096;
/** Buffers that are kept for later; others are left to the garbage collector. */
const SPARE_MAX = 64;

/** What has been kept for a user. */
interface Kept {
  octets: Uint8Array;
  bytes: number;
  /** Whether nothing is missing among them. */
  isWhole: boolean;
}

/** Only users in the middle of something that is read are in this table. */
export class AnswerOctets {
  /** At most so many octets are kept for a user. */
  readonly #bytesMax: number;
  readonly #kept = new Map<number, Kept>();
  readonly #spare: Uint8Array[] = [];

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** The delivery's octets `[from, to)` come next; what is not at hand, or too much, is missing. */
  add(user: number, delivery: Delivery, from: number, to: number): void {
    if (to <= from) return;
    const kept = this.#of(user);
    if (!kept.isWhole) return;
    const atHand = Math.max(0, Math.min(to, delivery.atHandBytes) - from);
    const room = this.#bytesMax - kept.bytes;
    const bytes = Math.min(atHand, room);
    if (bytes < to - from) kept.isWhole = false;
    // What is not at hand has no place in the packet, not even a beginning.
    if (bytes === 0) return;
    this.#copy(kept, delivery.data, delivery.dataStart + from, bytes);
  }

  /** So many octets of `data` from `start` on come next, for all of which there has to be room. */
  append(user: number, data: DataView, start: number, bytes: number): void {
    this.#copy(this.#of(user), data, start, bytes);
  }

  #copy(kept: Kept, data: DataView, start: number, bytes: number): void {
    this.#reserve(kept, bytes);
    kept.octets.set(new Uint8Array(data.buffer, data.byteOffset + start, bytes), kept.bytes);
    kept.bytes += bytes;
  }

  /** What has been kept for the user; valid until the next call. */
  of(user: number): Uint8Array {
    const kept = this.#kept.get(user);
    return kept === undefined ? NOTHING : kept.octets.subarray(0, kept.bytes);
  }

  /** Whether that is all there was. */
  isWhole(user: number): boolean {
    return this.#kept.get(user)?.isWhole ?? true;
  }

  /** The first octets of what has been kept are not needed any more. */
  drop(user: number, bytes: number): void {
    const kept = this.#kept.get(user);
    if (kept === undefined) return;
    kept.octets.copyWithin(0, bytes, kept.bytes);
    kept.bytes -= bytes;
  }

  /** Nothing of it is needed any more. */
  forget(user: number): void {
    if (this.#kept.size === 0) return;
    const kept = this.#kept.get(user);
    if (kept === undefined) return;
    this.#kept.delete(user);
    if (this.#spare.length < SPARE_MAX) this.#spare.push(kept.octets);
  }

  #of(user: number): Kept {
    const known = this.#kept.get(user);
    if (known !== undefined) return known;
    const octets = this.#spare.pop() ?? new Uint8Array(CAPACITY_MIN);
    const kept = { octets, bytes: 0, isWhole: true };
    this.#kept.set(user, kept);
    return kept;
  }

  #reserve(kept: Kept, bytes: number): void {
    const needed = kept.bytes + bytes;
    if (needed <= kept.octets.length) return;
    const grown = new Uint8Array(Math.max(needed, 2 * kept.octets.length));
    grown.set(kept.octets.subarray(0, kept.bytes));
    kept.octets = grown;
  }
}

const NOTHING = new Uint8Array(0);
