/** When in-order data is acknowledged, and how often nonsense is (RFC 9293, 5961). */
import { NS_PER_MS, NS_PER_SECOND } from '../base/time.ts';
import { UserFlag, type UserTable } from './user-table.ts';

/** RFC 1122, 4.2.3.2 allows 500 ms; Linux waits 40. */
export const DELAYED_ACK_NS = 40 * NS_PER_MS;
/**
 * Challenge acknowledgements in a second, all users together (RFC 5961, section 7): without a limit
 * two confused ends could answer each other for ever.
 */
const CHALLENGE_ACKS_PER_SECOND = 10_000;

/**
 * In-order data may wait for its acknowledgement, but not two full segments of it (RFC 9293,
 * section 3.8.6.3); a pending acknowledgement makes the next one immediate.
 */
export function oweAck(users: UserTable, user: number, deliveredBytes: number): void {
  const flags = users.flags[user] & ~UserFlag.ACK_NOW;
  const isSecond = (flags & UserFlag.ACK_OWED) !== 0;
  const isLarge = deliveredBytes >= 2 * users.sendMss[user];
  users.flags[user] = flags | (isSecond || isLarge ? UserFlag.ACK_NOW : UserFlag.ACK_OWED);
}

/** Challenge acknowledgements of all users: each is owed at once, while the second has room for it. */
export class Challenges {
  readonly #users: UserTable;
  #second = -1;
  #count = 0;

  constructor(users: UserTable) {
    this.#users = users;
  }

  challenge(user: number, nowNs: number): void {
    if (this.mayAnswer(nowNs)) this.#users.flags[user] |= UserFlag.ACK_NOW;
  }

  /** Whether this second has room for one more answer to nonsense; it counts. */
  mayAnswer(nowNs: number): boolean {
    const second = Math.floor(nowNs / NS_PER_SECOND);
    if (second !== this.#second) {
      this.#second = second;
      this.#count = 0;
    }
    if (this.#count >= CHALLENGE_ACKS_PER_SECOND) return false;
    this.#count += 1;
    return true;
  }
}
