/** When in-order data is acknowledged, and how often nonsense is (RFC 9293, 5961). */
import { NS_PER_MS, NS_PER_SECOND } from '../base/time.ts';
import { UserFlag, type UserTable } from './user-table.ts';

/**
 * RFC 1122, 4.2.3.2 allows 500 ms; a Linux client's answer comes after 40 and more. Ours leaves a little
 * before, so that with what timers and the way take the server has it within 40 ms.
 */
export const DELAYED_ACK_NS = 30 * NS_PER_MS;
/**
 * Challenge acknowledgements in a second, all users together (RFC 5961, section 7): without a limit
 * two confused ends could answer each other for ever.
 */
const CHALLENGE_ACKS_PER_SECOND = 10_000;
/**
 * To segments without text an answer so often (Linux' tcp_invalid_ratelimit): where the peer has another
 * connection in mind, an old SYN's perhaps, each answers the other's acknowledgement by its own. What
 * bears text is answered each time, for it comes again only by the peer's own timer.
 */
const CHALLENGE_EMPTY_EVERY_NS = 500 * NS_PER_MS;
/** Users that were answered last, by the last bits of their number: no column for what is so seldom. */
const ANSWERED_USERS = 1_024;

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
  readonly #answered = new Int32Array(ANSWERED_USERS).fill(-1);
  readonly #answeredNs = new Float64Array(ANSWERED_USERS);
  #second = -1;
  #count = 0;

  constructor(users: UserTable) {
    this.#users = users;
  }

  /** @param bearsText whether the segment at hand has payload or a FIN, and no SYN */
  challenge(user: number, bearsText: boolean): void {
    if (!bearsText && this.#hasJustAnswered(user)) return;
    if (this.mayAnswer()) this.#users.flags[user] |= UserFlag.ACK_NOW;
  }

  /** Whether the user was answered a moment ago; if not, it is now. */
  #hasJustAnswered(user: number): boolean {
    const slot = user % ANSWERED_USERS;
    const isAgain = this.#answered[slot] === user;
    if (isAgain && this.#users.now.ns - this.#answeredNs[slot] < CHALLENGE_EMPTY_EVERY_NS)
      return true;
    this.#answered[slot] = user;
    this.#answeredNs[slot] = this.#users.now.ns;
    return false;
  }

  /** Whether this second has room for one more answer to nonsense; it counts. */
  mayAnswer(): boolean {
    const second = Math.floor(this.#users.now.ns / NS_PER_SECOND);
    if (second !== this.#second) {
      this.#second = second;
      this.#count = 0;
    }
    if (this.#count >= CHALLENGE_ACKS_PER_SECOND) return false;
    this.#count += 1;
    return true;
  }
}
