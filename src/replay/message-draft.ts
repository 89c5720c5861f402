/** A message while a module writes it (`MessageWriter`): one for a whole thread. */
import type { MessageWriter } from '../rewrite/module.ts';

const CAPACITY_MIN = 4096;
/** A loop over no more than these costs less than a view of them. */
const FEW_OCTETS = 64;

/** What has been written so far, in memory that is used again for the next message. */
export class MessageDraft implements MessageWriter {
  recorded = new Uint8Array(0);
  isLate = false;
  /** Octets that were written: the first `bytes` of `octets`. */
  octets = new Uint8Array(CAPACITY_MIN);
  bytes = 0;
  /** Why the module has failed, where it said so. */
  reason = '';
  readonly #bytesMax: number;

  /** @param bytesMax octets of the longest message: what is longer is never placed */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Another message is to be written. */
  begin(recorded: Uint8Array<ArrayBuffer>, isLate: boolean): void {
    this.recorded = recorded;
    this.isLate = isLate;
    this.bytes = 0;
    this.reason = '';
  }

  /** @throws RangeError where the message has no such octets */
  copy(from: number, to: number): void {
    const { recorded } = this;
    const isWithin = Number.isInteger(from) && Number.isInteger(to) && from >= 0 && from <= to;
    if (!isWithin || to > recorded.length) {
      throw new RangeError(`copy(${from}, ${to}) of a message of ${recorded.length} octets`);
    }
    if (to - from > FEW_OCTETS) {
      this.#append(from === 0 && to === recorded.length ? recorded : recorded.subarray(from, to));
      return;
    }
    this.#reserve(to - from);
    const { octets } = this;
    let at = this.bytes;
    for (let i = from; i < to; i++) octets[at++] = recorded[i];
    this.bytes = at;
  }

  /** @throws TypeError where it is given no octets, RangeError where that is more than anything has room for */
  put(octets: Uint8Array): void {
    if (!(octets instanceof Uint8Array)) throw new TypeError('put is given no Uint8Array');
    this.#append(octets);
  }

  fail(reason: string): void {
    this.reason = reason;
  }

  #append(octets: Uint8Array): void {
    this.#reserve(octets.length);
    this.octets.set(octets, this.bytes);
    this.bytes += octets.length;
  }

  #reserve(bytes: number): void {
    const end = this.bytes + bytes;
    if (end <= this.octets.length) return;
    if (end > this.#bytesMax) {
      throw new RangeError(`writes ${end} octets, and more, of which ${this.#bytesMax} have room`);
    }
    const grown = new Uint8Array(Math.min(this.#bytesMax, Math.max(end, 2 * this.octets.length)));
    grown.set(this.octets.subarray(0, this.bytes));
    this.octets = grown;
  }
}
