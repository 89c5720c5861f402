/** A second source of octets: every message as long as told, in octets that no session recorded. */
import type { ClientStream } from '../../src/transport/client-stream.ts';
import { foldSum, sumOctets } from '../../src/wire/checksum.ts';
import { EXTENTS_PER_FRAME, type FrameBatch } from '../../src/wire/frame-batch.ts';

/** Of one session, whose first message is row 0; users have nothing of their own but the limit. */
export class MadeUpStream implements ClientStream {
  readonly #octets: Uint8Array;
  readonly #place: number;
  /** Stream offset just past each message. */
  readonly #ends: readonly number[];
  readonly #limit = new Map<number, number>();

  /**
   * @param octets what every user says
   * @param place where they lie for the sender
   */
  constructor(octets: Uint8Array, place: number, ends: readonly number[]) {
    this.#octets = octets;
    this.#place = place;
    this.#ends = ends;
  }

  open(user: number): boolean {
    this.#limit.set(user, 0);
    return true;
  }

  advance(user: number, message: number): void {
    this.#limit.set(user, this.#ends[message]);
  }

  streamLimit(user: number): number {
    return this.#limit.get(user) ?? 0;
  }

  endOf(): number {
    return this.#octets.length;
  }

  messageStart(_user: number, message: number): number {
    return message > 0 ? this.#ends[message - 1] : 0;
  }

  segmentEnd(_user: number, offset: number, mss: number): number {
    const end = this.#ends.find((each) => each > offset) ?? offset;
    return Math.min(end, offset + mss);
  }

  put(_user: number, offset: number, bytes: number, _mss: number, batch: FrameBatch): number {
    const first = batch.count * EXTENTS_PER_FRAME;
    batch.extentOffset[first] = this.#place + offset;
    batch.extentBytes[first] = bytes;
    batch.extentCount[batch.count] = 1;
    return foldSum(sumOctets(this.#octets, offset, offset + bytes));
  }
}
