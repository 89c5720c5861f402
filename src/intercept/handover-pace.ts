/**
 * How often a capture thread hands over what it has taken: at once where nothing was for a while,
 * then no more often than the other thread's wake-up is worth (a message, a record of TLS, two
 * system calls: five times the CPU at 50,000 replies a second, if each reply had its own).
 *
 * Where packets come thick, the source is left alone between two hand-overs: nothing could be handed
 * over meanwhile, and a thread that waits for packets is woken by each, at the cost of whoever sends
 * it, which on a target is the server.
 */
import { NS_PER_MS } from '../base/time.ts';

const EVERY_NS = 0.1 * NS_PER_MS;
/** So many packets at once (80,000 a second) are handed over half as often. */
const MANY = 16;

/** When to hand over, and how long to leave the source alone. */
export class HandoverPace {
  #handedOverNs = Number.NEGATIVE_INFINITY;
  #everyNs = EVERY_NS;
  /** Packets since the last hand-over. */
  #taken = 0;
  #takenBefore = 0;

  onTaken(packets: number): void {
    this.#taken += packets;
  }

  /** Whether what waits is to be handed over now; true counts as done. */
  isDue(nowNs: number): boolean {
    if (nowNs - this.#handedOverNs < this.#everyNs) return false;
    this.#handedOverNs = nowNs;
    this.#everyNs = this.#taken < MANY ? EVERY_NS : 2 * EVERY_NS;
    this.#takenBefore = this.#taken;
    this.#taken = 0;
    return true;
  }

  /**
   * For how long nothing that comes could be handed over, so that nobody need look; 0 where packets
   * come one by one, and the next is to be seen when it comes. To be asked behind `isDue`.
   */
  restNs(nowNs: number): number {
    const isThick = this.#taken > 0 || this.#takenBefore > 1;
    return isThick ? Math.max(0, this.#handedOverNs + this.#everyNs - nowNs) : 0;
  }
}
