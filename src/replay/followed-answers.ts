/**
 * Users in the middle of an answer whose end its framer cannot tell yet: its header goes on, or its
 * body comes in chunks. Only they are in this table; most answers say in their first packet where
 * they end.
 */
import { FRAMER_WORDS, type Framer } from '../protocol/framer.ts';

const ROWS_MIN = 64;

/** Where the answers of users end that are read octet by octet, over any number of packets. */
export class FollowedAnswers {
  readonly #rowOf = new Map<number, number>();
  /** `FRAMER_WORDS` a row; rows that are free again lie in `#free`. */
  #words = new Uint32Array(ROWS_MIN * FRAMER_WORDS);
  readonly #free: number[] = [];
  #rows = 0;

  has(user: number): boolean {
    return this.#rowOf.size > 0 && this.#rowOf.has(user);
  }

  /** The framer is in the middle of the user's answer. */
  keep(user: number, framer: Framer): void {
    const row = this.#rowOf.get(user) ?? this.#free.pop() ?? this.#rows++;
    if ((row + 1) * FRAMER_WORDS > this.#words.length) {
      const grown = new Uint32Array(2 * this.#words.length);
      grown.set(this.#words);
      this.#words = grown;
    }
    this.#rowOf.set(user, row);
    framer.save(this.#words, row * FRAMER_WORDS);
  }

  /** The framer goes on with the answer of a user that is in the table. */
  resume(user: number, framer: Framer): void {
    framer.load(this.#words, (this.#rowOf.get(user) ?? 0) * FRAMER_WORDS);
  }

  /** The user's answer is over, or is followed no longer. */
  forget(user: number): void {
    if (this.#rowOf.size === 0) return;
    const row = this.#rowOf.get(user);
    if (row === undefined) return;
    this.#rowOf.delete(user);
    this.#free.push(row);
  }
}
