/** Which user starts when, and what it plays. */
import { NEVER_NS, NS_PER_MS } from '../base/time.ts';
import { Counter } from '../measure/counters.ts';
import { LAG_MS_P99_BOUND } from '../measure/result.ts';
import { type Connections, runUserOf, sessionOf } from '../schedule/connections.ts';
import { OpeningPace } from '../schedule/opening-pace.ts';
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

/** A start so much after its intended time is late. */
const LATE_START_NS = LAG_MS_P99_BOUND * NS_PER_MS;

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
  /** For each of the plan's targets. */
  readonly #paces: readonly OpeningPace[];
  #begun = 0;
  #flights = 0;
  /** The next user's start, and the pace of its target's openings. */
  #nextNs = NEVER_NS;
  #nextPace: OpeningPace;
  readonly #isPaced: boolean;

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
    this.#paces = plan.targets.map(() => new OpeningPace());
    this.#nextPace = this.#paces[0];
    this.#isPaced = plan.answersAll !== true;
    this.#findNext();
  }

  /** Users that have been started at least once: those below. */
  get begun(): number {
    return this.#begun;
  }

  /** When the next user is to start; NEVER_NS when all have. */
  nextDueNs(): number {
    if (this.isStopped) return NEVER_NS;
    const pace = this.#nextPace;
    return this.#isPaced && pace.isHolding
      ? Math.max(this.#nextNs, pace.nextDueNs())
      : this.#nextNs;
  }

  /** Start users whose time has come; at most `limit`. */
  onTimeout(nowNs: number, limit: number): void {
    for (let started = 0; started < limit && this.nextDueNs() <= nowNs; started++) {
      if (nowNs > this.#plan.stopStartingNs) {
        this.#nextNs = NEVER_NS;
        return;
      }
      const startNs = this.#nextNs;
      if (nowNs - startNs > LATE_START_NS) this.#countLate();
      const user = this.#begun++;
      this.#start(user, startNs, nowNs);
      this.#findNext();
    }
  }

  /** What was opened has left. */
  onFlushed(): void {
    this.#flights++;
  }

  /** The target has answered the user's opening. */
  onAnswered(user: number, nowNs: number): void {
    const { session, sentNs } = this.#plays;
    this.#paceOf(session[user]).onAnswer(sentNs[user], nowNs);
  }

  #findNext(): void {
    this.#nextNs = NEVER_NS;
    const user = this.#begun;
    if (user >= this.#connections.count) return;
    const { arrivals, stopStartingNs } = this.#plan;
    const startNs = arrivals.startNs(runUserOf(user, this.#plan));
    if (startNs > stopStartingNs) return;
    this.#nextNs = startNs;
    if (this.#paces.length > 1) this.#nextPace = this.#paceOf(this.#sessionOf(user));
  }

  #countLate(): void {
    this.#counters[Counter.STARTED_LATE]++;
    if (this.#isPaced && this.#nextPace.isHolding) this.#counters[Counter.STARTED_HELD]++;
  }

  #paceOf(session: number): OpeningPace {
    const { scripts, targetOf } = this.#plan;
    return this.#paces[targetOf[scripts.endpoint[session]]];
  }

  /** What the user's present connection plays. */
  #sessionOf(user: number): number {
    const connection = runConnectionOf(this.#connections.numberOf(user), this.#plan.share);
    return sessionOf(connection, this.#plan.played);
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
    const { scripts, targetOf, isSackLeftOut } = this.#plan;
    const session = this.#sessionOf(user);
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
    this.#paceOf(session).onOpen(nowNs, this.#flights);
    const mayOfferSack = isSackLeftOut?.[session] !== 1;
    this.#transport.open(user, targetOf[scripts.endpoint[session]], nowNs, mayOfferSack);
    this.#timers.arm(user, nowNs);
  }
}
