/** The port of what reads a live server's stream for what wants an answer of its own: pings, and publications. */
import type { Prng } from '../base/prng.ts';

/** Of one connection. */
export interface ReplyReader {
  /** Whether those are pings. */
  readonly answersPings: boolean;
  /**
   * The stream's next octets.
   * @param atHand how many of them, the first ones, lie in `data` from `start` on
   * @returns false where nobody can say any more where messages begin: nothing is to be fed after that
   */
  feed(data: DataView, start: number, atHand: number, bytes: number): boolean;
  /** What the client has to say now, as it is sent; null: nothing. @param chance for what nobody may know beforehand */
  reply(chance: Prng): Uint8Array | null;
  /** It has been said. @returns how many of the server's messages that has answered */
  onSaid(): number;
}
