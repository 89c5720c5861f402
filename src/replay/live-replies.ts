/** Pings that the live servers of a thread's WebSockets have sent, and nobody has answered yet. */
import { PingReader } from '../protocol/websocket-pings.ts';
import type { Delivery } from '../transport/transport.ts';

/** Follows the server's frames of users behind their upgrade. */
export class LiveReplies {
  readonly #readers = new Map<number, PingReader>();

  /** Whether the user's pings are heard. */
  follows(user: number): boolean {
    return this.#readers.has(user);
  }

  /** The user's server speaks in frames from here on. */
  begin(user: number): void {
    this.#readers.set(user, new PingReader());
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

  /** The payload of the ping that the user has to answer; null without any. */
  pending(user: number): Uint8Array | null {
    const reader = this.#readers.get(user);
    return reader === undefined || reader.pendingBytes < 0 ? null : reader.payload;
  }

  /** It has been answered. */
  onAnswered(user: number): void {
    const reader = this.#readers.get(user);
    if (reader !== undefined) reader.pendingBytes = -1;
  }

  /** The user has ended. */
  forget(user: number): void {
    this.#readers.delete(user);
  }
}
