/** Which user starts when, and what it plays. */
import { NEVER_NS } from '../base/time.ts';
import { Counter } from '../measure/counters.ts';
import { type Connections, runUserOf, sessionOf } from '../schedule/connections.ts';
import { runConnectionOf } from '../schedule/run-share.ts';
import type { ClientStream } from '../transport/client-stream.ts';
import type { Transport } from '../transport/transport.ts';
import type { Answers } from './answers.ts';
import type { Pacer } from './pacer.ts';
import { PlayFlag, type PlayTable } from './play-table.ts';
import type { ReplayPlan } from './replay-plan.ts';
import type { PlaySendTimes } from './send-times.ts';
import type { Stages } from './stages.ts';
import type { UserTimers } from './user-timers.ts';

/** Users started in one turn: a turn of the loop must stay short. */
const STARTS_PER_TURN = 256;

/** The users of a thread in the order in which they start, and what each plays. */
export class Starts {
  /** Users that are started and have no end state yet. */
  live = 0;
  /** Whether nothing is started any more. */
  isStopped = false;
  readonly #plan: ReplayPlan;
  readonly #plays: PlayTable;
  readonly #connections: Connections;
  readonly #stream: ClientStream;
  readonly #transport: Transport;
  readonly #stages: Stages;
  readonly #pacer: Pacer;
  readonly #answers: Answers;
  readonly #times: PlaySendTimes;
  readonly #timers: UserTimers;
  readonly #counters: Float64Array;
  #begun = 0;

  constructor(
    plan: ReplayPlan,
    parts: {
      readonly plays: PlayTable;
      readonly connections: Connections;
      readonly stream: ClientStream;
      readonly transport: Transport;
      readonly stages: Stages;
      readonly pacer: Pacer;
      readonly answers: Answers;
      readonly times: PlaySendTimes;
      readonly timers: UserTimers;
      readonly counters: Float64Array;
    },
  ) {
    this.#plan = plan;
    this.#plays = parts.plays;
    this.#connections = parts.connections;
    this.#stream = parts.stream;
    this.#transport = parts.transport;
    this.#stages = parts.stages;
    this.#pacer = parts.pacer;
    this.#answers = parts.answers;
    this.#times = parts.times;
    this.#timers = parts.timers;
    this.#counters = parts.counters;
  }

  /** Users that have been started at least once: those below. */
  get begun(): number {
    return this.#begun;
  }

  /** When the next user is to start; NEVER_NS when all have. */
  nextDueNs(): number {
    if (this.#begun >= this.#connections.count || this.isStopped) return NEVER_NS;
    const { arrivals, stopStartingNs } = this.#plan;
    const startNs = arrivals.startNs(runUserOf(this.#begun, this.#plan));
    return startNs > stopStartingNs ? NEVER_NS : startNs;
  }

  /** Start users whose time has come; at most some hundreds a call. */
  onTimeout(nowNs: number): void {
    for (let started = 0; started < STARTS_PER_TURN; started++) {
      const startNs = this.nextDueNs();
      if (startNs > nowNs) return;
      this.#start(this.#begun++, startNs, nowNs);
    }
  }

  /** The user has ended: it plays again where iterations are left. */
  again(user: number, nowNs: number): void {
    const { iteration } = this.#connections;
    const next = iteration[user] + 1;
    if (next >= this.#plan.iterations || this.isStopped) return;
    if (nowNs > this.#plan.stopStartingNs) return;
    iteration[user] = next;
    this.#start(user, nowNs, nowNs);
  }

  #start(user: number, startNs: number, nowNs: number): void {
    const plays = this.#plays;
    const counters = this.#counters;
    const { played, scripts, targetOf, share, isSackLeftOut } = this.#plan;
    const connection = runConnectionOf(this.#connections.numberOf(user), share);
    const session = sessionOf(connection, played);
    plays.session[user] = session;
    plays.nextStep[user] = this.#stages.first(session);
    plays.flags[user] = PlayFlag.LIVE;
    plays.intendedNs[user] = startNs;
    plays.sentNs[user] = nowNs;
    this.#stream.open(user, session);
    this.#answers.onStart(user);
    this.#pacer.onStart(user, startNs);
    this.#timers.onProgress(user, nowNs);
    this.live++;
    counters[Counter.STARTED]++;
    counters[Counter.EXCHANGES_PLANNED] += this.#stages.exchangesOf(session);
    counters[Counter.OCTETS_PLANNED] += this.#stream.endOf(user);
    const lagNs = nowNs - startNs;
    if (lagNs > counters[Counter.START_LAG_NS_MAX]) counters[Counter.START_LAG_NS_MAX] = lagNs;
    this.#times.request(user);
    const mayOfferSack = isSackLeftOut?.[session] !== 1;
    this.#transport.open(user, targetOf[scripts.endpoint[session]], nowNs, mayOfferSack);
    this.#timers.arm(user, nowNs);
  }
}
