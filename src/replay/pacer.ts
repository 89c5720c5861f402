/**
 * When a user's next step is due (`--pace`).
 *
 * Closed loop: from what the step waited for, after its think time. Open loop: at its recorded
 * offset from the user's start, whatever the server does. Both are divided by the acceleration.
 */
import type { Instant } from '../base/instant.ts';
import { NEVER_NS, NS_PER_MS } from '../base/time.ts';
import type { PlayTable } from './play-table.ts';
import { PlayFlag } from './play-table.ts';
import { Close, Pace, type ReplayPlan } from './replay-plan.ts';
import type { Stages } from './stages.ts';

/** How long after its recorded time we wait for the server to close before we do. */
const SERVER_CLOSE_GRACE_NS = 1_000 * NS_PER_MS;

/** Says when a user's next step is due. */
export class Pacer {
  readonly isOpenLoop: boolean;
  readonly #plan: ReplayPlan;
  readonly #stages: Stages;
  readonly #plays: PlayTable;

  constructor(plan: ReplayPlan, stages: Stages, plays: PlayTable) {
    this.isOpenLoop = plan.pace === Pace.SCHEDULE;
    this.#plan = plan;
    this.#stages = stages;
    this.#plays = plays;
  }

  /** The user starts: in an open loop its first step's time is known from now on. */
  onStart(user: number, startNs: number): void {
    const session = this.#plays.session[user];
    const offsetNs = this.#stages.offsetNs(session, this.#stages.first(session));
    this.#plays.stepDueNs[user] = this.isOpenLoop
      ? startNs + offsetNs / this.#plan.accel
      : NEVER_NS;
  }

  /** A message was played: in an open loop the next step's time follows from its own. */
  onPlayed(user: number, step: number, due: Instant): void {
    this.#plays.stepDueNs[user] = this.isOpenLoop
      ? due.ns + this.#gapNs(user, step) / this.#plan.accel
      : NEVER_NS;
  }

  /**
   * Closed loop: the next step waits no longer, unless a stage before it is still open.
   * @param trigger when what it waited for happened
   */
  onTrigger(user: number, trigger: Instant): void {
    const plays = this.#plays;
    const session = plays.session[user];
    const step = plays.nextStep[user];
    const end = this.#stages.end(session);
    if (plays.flags[user] & PlayFlag.ENDED || plays.openStage[user] <= step || step > end) return;
    const { pace, accel, scripts } = this.#plan;
    const isAtOnce = pace === Pace.NONE;
    const thinkNs = isAtOnce ? 0 : this.#stages.thinkNs(session, step);
    let dueNs = trigger.ns + thinkNs / accel;
    if (step === end && this.#waitsForServerClose(user)) {
      const closeNs = isAtOnce ? 0 : scripts.server.endThinkNs[session];
      dueNs += closeNs / accel + SERVER_CLOSE_GRACE_NS;
    }
    plays.stepDueNs[user] = dueNs;
  }

  /** Open loop: recorded time from a step to the next one. */
  #gapNs(user: number, step: number): number {
    const session = this.#plays.session[user];
    const gapNs = this.#stages.offsetNs(session, step + 1) - this.#stages.offsetNs(session, step);
    const isBeforeEnd = step + 1 === this.#stages.end(session);
    // The accelerated gap must still leave the grace whole.
    const graceNs = isBeforeEnd && this.#waitsForServerClose(user) ? SERVER_CLOSE_GRACE_NS : 0;
    return Math.max(0, gapNs) + graceNs * this.#plan.accel;
  }

  /** Open loop: how many more exchanges the plan has wanted by now than the user could play. */
  countMissedExchanges(user: number): number {
    const plays = this.#plays;
    const session = plays.session[user];
    let dueNs = plays.stepDueNs[user];
    let exchanges = 0;
    for (let step = plays.nextStep[user]; step < this.#stages.end(session); step++) {
      if (dueNs > plays.now.ns) break;
      exchanges += this.#stages.exchangesOfMessage(step);
      dueNs += this.#gapNs(user, step) / this.#plan.accel;
    }
    return exchanges;
  }

  #waitsForServerClose(user: number): boolean {
    const { close, scripts } = this.#plan;
    if (close !== Close.RECORDED || this.#plays.flags[user] & PlayFlag.PEER_FIN) return false;
    return scripts.client.endAfterPeer[this.#plays.session[user]] === 1;
  }
}
