/** A user's one timer: set to the earliest thing that it waits for. */
import { Instant } from '../base/instant.ts';
import { NEVER_NS } from '../base/time.ts';
import type { TimingWheel } from '../schedule/timing-wheel.ts';
import type { Transport } from '../transport/transport.ts';
import type { Answers } from './answers.ts';
import { PlayFlag, type PlayTable } from './play-table.ts';
import type { ReplayPlan } from './replay-plan.ts';
import type { Stages } from './stages.ts';

/** One timer a user, in the thread's timing wheel. */
export class UserTimers {
  readonly #timeoutNs: number;
  readonly #plays: PlayTable;
  readonly #transport: Transport;
  readonly #stages: Stages;
  readonly #answers: Answers;
  readonly #wheel: TimingWheel;
  readonly #due = new Instant();
  /** What `#findTimeout` found: a number that is returned may be an object, one in a field is none. */
  #timeoutDueNs = NEVER_NS;

  constructor(
    { timeoutNs }: ReplayPlan,
    plays: PlayTable,
    transport: Transport,
    stages: Stages,
    answers: Answers,
    wheel: TimingWheel,
  ) {
    this.#timeoutNs = timeoutNs;
    this.#plays = plays;
    this.#transport = transport;
    this.#stages = stages;
    this.#answers = answers;
    this.#wheel = wheel;
  }

  /** Something has changed for a live user. */
  arm(user: number): void {
    const plays = this.#plays;
    let dueNs = this.#transport.dueNs(user);
    const isConnected = (plays.flags[user] & PlayFlag.CONNECTED) !== 0;
    if (isConnected && plays.stepDueNs[user] < dueNs && !this.#isEndBlocked(user)) {
      dueNs = plays.stepDueNs[user];
    }
    const quietNs = this.#answers.silences.quietDueNs(user);
    if (quietNs < dueNs) dueNs = quietNs;
    // Nobody waits for less than the timeout: what is due before is due first, which nearly always settles it.
    if (dueNs > plays.progressNs[user] + this.#timeoutNs) {
      this.#findTimeout(user);
      if (this.#timeoutDueNs < dueNs) dueNs = this.#timeoutDueNs;
    }
    this.#due.ns = Math.max(dueNs, plays.now.ns);
    this.#wheel.arm(user, this.#due);
  }

  /** A row that plays nothing is to be told at this time. */
  wake(row: number, dueNs: number): void {
    this.#due.ns = dueNs;
    this.#wheel.arm(row, this.#due);
  }

  /** The user has ended. */
  cancel(user: number): void {
    this.#wheel.cancel(user);
  }

  /** The server has brought the user on, or the user the server. */
  onProgress(user: number, at: Instant): void {
    // While an answer may be over, the time of its last octet is kept.
    if (!(this.#plays.flags[user] & PlayFlag.QUIET)) this.#plays.progressNs[user] = at.ns;
  }

  /** What was sent for the user since `sinceNs` may have left as late as `untilNs`. */
  onLeftLate(user: number, sinceNs: number, until: Instant): void {
    this.#transport.hasLeftLate(user, sinceNs, until.ns - sinceNs);
    if (this.#plays.progressNs[user] >= sinceNs) this.onProgress(user, until);
  }

  /** When the user has waited too long; NEVER_NS while it waits for nothing. */
  timeoutDueNs(user: number): number {
    this.#findTimeout(user);
    return this.#timeoutDueNs;
  }

  #findTimeout(user: number): void {
    const plays = this.#plays;
    const isExpecting =
      !(plays.flags[user] & PlayFlag.CONNECTED) ||
      (plays.flags[user] & PlayFlag.ENDED) !== 0 ||
      this.#answers.isExpecting(user) ||
      this.#transport.isOutstanding(user);
    this.#timeoutDueNs = isExpecting
      ? plays.progressNs[user] + this.#timeoutNs + this.#answers.silences.recordedWaitNs(user)
      : NEVER_NS;
  }

  /** Whether only answers are waited for before the stream ends. */
  #isEndBlocked(user: number): boolean {
    const plays = this.#plays;
    const end = this.#stages.end(plays.session[user]);
    return plays.nextStep[user] >= end && plays.openStage[user] <= end;
  }
}
