/** Starts where a user is one connection at a time. */
import type { Counter } from '../measure/counters.ts';
import { sessionOf, type UserConnections } from '../schedule/connections.ts';
import { runConnectionOf } from '../schedule/run-share.ts';
import type { ReplayPlan } from './replay-plan.ts';
import { type StartParts, Starts } from './starts.ts';

/** Every user plays one session after another, each on a connection of its own. */
export class UserStarts extends Starts {
  readonly #plan: ReplayPlan;
  readonly #connections: UserConnections;

  constructor(plan: ReplayPlan, connections: UserConnections, parts: StartParts) {
    super(plan, parts, (user) => playedBy(user, plan, connections));
    this.#plan = plan;
    this.#connections = connections;
  }

  get rowsBegun(): number {
    return this.begun;
  }

  protected begin(user: number, startNs: number): void {
    // A user that finds no room does not play again either.
    this.start(user, playedBy(user, this.#plan, this.#connections), startNs);
  }

  onLeft(): void {
    // Nothing waits for that: a user's next connection starts when this one has ended.
  }

  onDue(): void {
    // Users without a play have no timer.
  }

  onEnded(user: number, _end: Counter): void {
    this.live--;
    const { iteration } = this.#connections;
    const next = iteration[user] + 1;
    if (next >= this.#plan.iterations || this.isStopped) return;
    if (this.nowNs > this.#plan.stopStartingNs) return;
    iteration[user] = next;
    this.begin(user, this.nowNs);
  }
}

/** What the user's present connection plays. */
function playedBy(user: number, plan: ReplayPlan, connections: UserConnections): number {
  const connection = runConnectionOf(connections.numberOf(user), plan.share);
  return sessionOf(connection, plan.played);
}
