/**
 * Users in the middle of an answer that lies in several packets: how far its framer has come, what it
 * said, and how long it is. Only they are in this table; most answers lie in one packet.
 */
import { FRAMER_WORDS, type Framer } from '../protocol/framer.ts';

const ROWS_MIN = 64;
/** Behind the framer's words: the answer's whole length, 64 bits. */
const ROW_WORDS = FRAMER_WORDS + 2;
const TWO_32 = 0x1_0000_0000;

/** A row for each such user. */
export class OpenAnswers {
  readonly #rowOf = new Map<number, number>();
  /** `ROW_WORDS` a row; rows that are free again lie in `#free`. */
  #words = new Uint32Array(ROWS_MIN * ROW_WORDS);
  readonly #free: number[] = [];
  #rows = 0;

  has(user: number): boolean {
    return this.#rowOf.size > 0 && this.#rowOf.has(user);
  }

  /**
   * The framer is in the middle of the user's answer.
   * @param bytes the answer's whole length, where it is known; else 0
   */
  keep(user: number, framer: Framer, bytes: number): void {
    const row = this.#rowOf.get(user) ?? this.#free.pop() ?? this.#rows++;
    const at = row * ROW_WORDS;
    if (at + ROW_WORDS > this.#words.length) {
      const grown = new Uint32Array(2 * this.#words.length);
      grown.set(this.#words);
      this.#words = grown;
    }
    this.#rowOf.set(user, row);
    framer.save(this.#words, at);
    this.#words[at + FRAMER_WORDS] = bytes % TWO_32;
    this.#words[at + FRAMER_WORDS + 1] = bytes / TWO_32;
  }

  /**
   * The framer goes on with the answer of a user that is in the table.
   * @returns the answer's whole length; 0 while that is not known
   */
  resume(user: number, framer: Framer): number {
    const at = (this.#rowOf.get(user) ?? 0) * ROW_WORDS;
    framer.load(this.#words, at);
    return this.#words[at + FRAMER_WORDS + 1] * TWO_32 + this.#words[at + FRAMER_WORDS];
  }

  /** The user's answer is over. */
  forget(user: number): void {
    if (this.#rowOf.size === 0) return;
    const row = this.#rowOf.get(user);
    if (row === undefined) return;
    this.#rowOf.delete(user);
    this.#free.push(row);
  }
}
