/** A run that is to end before its users have: they say goodbye, some at a time, or are cut off. */
import { NEVER_NS } from '../base/time.ts';
import type { Transport } from '../transport/transport.ts';
import type { Fates } from './fates.ts';
import { PlayFlag, type PlayTable } from './play-table.ts';
import type { Starts } from './starts.ts';
import type { UserTimers } from './user-timers.ts';

/** Users interrupted in one turn: a turn of the loop must stay short. */
const INTERRUPTS_PER_TURN = 512;

/** Ends the users that a run still has, a bounded number of them in each turn. */
export class Interruption {
  readonly #plays: PlayTable;
  readonly #transport: Transport;
  readonly #timers: UserTimers;
  readonly #starts: Starts;
  readonly #fates: Fates;
  /** How far it has got: users below are dealt with. */
  #interrupted = 0;
  #aborted = 0;

  constructor(
    plays: PlayTable,
    transport: Transport,
    timers: UserTimers,
    starts: Starts,
    fates: Fates,
  ) {
    this.#plays = plays;
    this.#transport = transport;
    this.#timers = timers;
    this.#starts = starts;
    this.#fates = fates;
  }

  /** Whether some users have not heard of it yet. */
  get isUnderWay(): boolean {
    const { isStopped, live } = this.#starts;
    return isStopped && live > 0 && this.#interrupted < this.#plays.flags.length;
  }

  /** Some more users close: FIN where a stream can end, RST where not. */
  goOn(): void {
    const { flags } = this.#plays;
    let interrupted = 0;
    while (this.#interrupted < flags.length && interrupted < INTERRUPTS_PER_TURN) {
      const user = this.#interrupted++;
      if (!(flags[user] & PlayFlag.LIVE)) continue;
      this.#interrupt(user);
      interrupted++;
    }
  }

  #interrupt(user: number): void {
    const plays = this.#plays;
    const transport = this.#transport;
    plays.flags[user] |= PlayFlag.INTERRUPTED;
    if (transport.isOpening(user)) {
      transport.abort(user);
      this.#fates.interrupt(user);
      return;
    }
    // What is written must go before the FIN; what is not written stays unsaid.
    plays.flags[user] |= PlayFlag.ENDED;
    plays.stepDueNs[user] = NEVER_NS;
    transport.finish(user);
    transport.emit(user);
    this.#timers.arm(user);
  }

  /** At most `limit` users more are cut off; afterwards no user is live, if it was enough. */
  abortSome(limit: number): void {
    const { flags } = this.#plays;
    let aborted = 0;
    while (this.#aborted < flags.length && aborted < limit) {
      const user = this.#aborted++;
      if (!(flags[user] & PlayFlag.LIVE)) continue;
      this.#transport.abort(user);
      this.#fates.interrupt(user);
      aborted++;
    }
  }
}
