/**
 * Where in a long list of users, kept in due order, a due time has its place. The list's span is cut into
 * 256 parts, and of each part the last user is known, so that only users of one part are walked over.
 *
 * It knows the list's users by number alone: who links and unlinks them says so.
 */

import { DUE_SHIFT, LINKS_SHIFT, NEXT, type TimerRows } from './timer-rows.ts';

/** Nobody lies before the place. */
const NOBODY = -1;

const PARTS = 256;
const PART_BITS_PER_WORD = 32;

/** The last users of the parts of one list. */
export class DueMarks {
  readonly #partsPerNs: number;
  readonly #lastOf = new Int32Array(PARTS);
  /** A bit a part: `#lastOf` holds somebody. */
  readonly #occupied = new Int32Array(PARTS / PART_BITS_PER_WORD);
  #startNs = 0;

  /** @param spanNs how far apart the dues of a list may lie; those outside are taken for its ends */
  constructor(spanNs: number) {
    this.#partsPerNs = PARTS / spanNs;
  }

  /**
   * Begins with a list.
   * @param head its first user; negative: it is empty
   * @param rows who follows whom; negative at the end
   * @param startNs where the list's span begins
   */
  build(head: number, { due, links }: TimerRows, startNs: number): void {
    this.#startNs = startNs;
    this.#occupied.fill(0);
    for (let user = head; user >= 0; user = links[(user << LINKS_SHIFT) | NEXT]) {
      this.#set(this.#partOf(due[user << DUE_SHIFT]), user);
    }
  }

  /** The last user of those whose part is not behind that of `dueNs`; negative: there is none. */
  placeOf(dueNs: number): number {
    const part = this.#partOf(dueNs);
    let word = part >>> 5;
    let bits = this.#occupied[word] & (-1 >>> (31 - (part & 31)));
    while (bits === 0) {
      if (word === 0) return NOBODY;
      bits = this.#occupied[--word];
    }
    return this.#lastOf[word * PART_BITS_PER_WORD + 31 - Math.clz32(bits)];
  }

  /** The user has come into the list; it is the last of its part where nobody of that part follows it. */
  onLinked(user: number, following: number, { due }: TimerRows): void {
    const part = this.#partOf(due[user << DUE_SHIFT]);
    if (following < 0 || this.#partOf(due[following << DUE_SHIFT]) !== part) this.#set(part, user);
  }

  /** A user has left a list, this one or another. @param before who was before it; negative: nobody */
  onUnlinked(user: number, before: number, { due }: TimerRows): void {
    const part = this.#partOf(due[user << DUE_SHIFT]);
    const word = part >>> 5;
    if (this.#lastOf[part] !== user || !(this.#occupied[word] & (1 << (part & 31)))) return;
    if (before >= 0 && this.#partOf(due[before << DUE_SHIFT]) === part) this.#lastOf[part] = before;
    else this.#occupied[word] &= ~(1 << (part & 31));
  }

  #set(part: number, user: number): void {
    this.#lastOf[part] = user;
    this.#occupied[part >>> 5] |= 1 << (part & 31);
  }

  #partOf(dueNs: number): number {
    const part = (dueNs - this.#startNs) * this.#partsPerNs;
    return part <= 0 ? 0 : part >= PARTS ? PARTS - 1 : part | 0;
  }
}
