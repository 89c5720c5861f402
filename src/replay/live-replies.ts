/** What the live servers of a thread have said of their own accord that their users have to answer, and have not yet. */
import type { Prng } from '../base/prng.ts';
import type { ReplyReader } from '../protocol/reply-reader.ts';
import type { Delivery } from '../transport/transport.ts';

/** Follows the server's stream of users whose servers are answered. */
export class LiveReplies {
  readonly #readers = new Map<number, ReplyReader>();

  /** Whether the user's server is heard. */
  follows(user: number): boolean {
    return this.#readers.has(user);
  }

  /** What the user's server says from here on is for the reader. */
  begin(user: number, reader: ReplyReader): void {
    this.#readers.set(user, reader);
  }

  /** Octets of the delivery from `at` on. */
  feed(user: number, delivery: Delivery, at: number): void {
    const reader = this.#readers.get(user);
    if (reader === undefined) return;
    const atHand = Math.max(0, delivery.atHandBytes - at);
    const start = delivery.dataStart + at;
    // Of who has lost count nothing is heard any more.
    if (!reader.feed(delivery.data, start, atHand, delivery.bytes - at)) this.forget(user);
  }

  /** What the user has to answer now; null where that is nothing. */
  replyOf(user: number, chance: Prng): Uint8Array | null {
    return this.#readers.get(user)?.reply(chance) ?? null;
  }

  /** Whether the user's replies answer pings. */
  answersPings(user: number): boolean {
    return this.#readers.get(user)?.answersPings === true;
  }

  /** It has been said. @returns how many of the server's messages that has answered */
  onSaid(user: number): number {
    return this.#readers.get(user)?.onSaid() ?? 0;
  }

  /** The user has ended. */
  forget(user: number): void {
    this.#readers.delete(user);
  }
}
