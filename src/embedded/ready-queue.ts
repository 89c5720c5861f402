/** Connections with something to send, first come, first served; each stands in it at most once. */
import { type ConnectionTable, F64, Flag, U16 } from './connection-table.ts';

/** Connections that have something to send, each once, in the order in which they became ready. */
export class ReadyQueue {
  readonly #table: ConnectionTable;
  /** A ring with room for every user. */
  readonly #users: Uint32Array;
  #first = 0;
  #count = 0;

  constructor(users: number, table: ConnectionTable) {
    this.#table = table;
    this.#users = new Uint32Array(users);
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** The user whose turn it is; of no meaning when the queue is empty. */
  get first(): number {
    return this.#users[this.#first];
  }

  /** Adds a user that became ready at `readyNs`, or moves on the time of one that stands in it. */
  add(user: number, readyNs: number): void {
    const { flags, readyNs: readyAt } = this.#table;
    if (flags[user * U16] & Flag.QUEUED) {
      readyAt[user * F64] = Math.max(readyAt[user * F64], readyNs);
      return;
    }
    flags[user * U16] |= Flag.QUEUED;
    readyAt[user * F64] = readyNs;
    const last = this.#first + this.#count++;
    this.#users[last < this.#users.length ? last : last - this.#users.length] = user;
  }

  /** The first user has said all. */
  removeFirst(): void {
    this.#table.flags[this.first * U16] &= ~Flag.QUEUED;
    this.#first = this.#first + 1 === this.#users.length ? 0 : this.#first + 1;
    this.#count--;
  }
}
