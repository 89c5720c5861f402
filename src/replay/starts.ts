/** Which user starts when. */
import { NEVER_NS, NS_PER_MS } from '../base/time.ts';
import { Counter } from '../measure/counters.ts';
import { LAG_MS_P99_BOUND } from '../measure/result.ts';
import { runUserOf, usersOfShard } from '../schedule/connections.ts';
import { OpeningPace } from '../schedule/opening-pace.ts';
import { UnansweredWindow } from '../schedule/unanswered-window.ts';
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

/**
 * Connections that a thread opens at most before anybody has answered at all: as many as a target's first
 * round (OpeningPace). Whoever sends more to a place that is silent floods it, or somebody else. Once the
 * first of so many has timed out, nobody else is started.
 */
const UNANSWERED_MAX = 1_024;

/** What starts are made of. */
export interface StartParts {
  readonly plays: PlayTable;
  readonly stream: ClientStream;
  readonly transport: Transport;
  readonly stages: Stages;
  readonly pacer: Pacer;
  readonly answers: Answers;
  readonly times: PlaySendTimes;
  readonly timers: UserTimers;
  readonly counters: Float64Array;
  /** Is told that a client with several connections has ended its play. */
  readonly onClientEnd?: (client: number) => void;
  /** Likewise that one of its connections has found no room. */
  readonly onRoomless?: (row: number) => void;
}

/**
 * The users of a thread in the order in which they start. What a user is, and what it plays, say
 * `UserStarts` (a connection) and `ClientStarts` (a client with all of its connections).
 */
export abstract class Starts {
  /** Users that are started and have no end state yet. */
  live = 0;
  /** Whether nothing is started any more. */
  isStopped = false;
  readonly #plan: ReplayPlan;
  readonly #plays: PlayTable;
  readonly #users: number;
  readonly #firstOf: (user: number) => number;
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
  readonly #windows: readonly UnansweredWindow[];
  /** A bit a row: the connection is open, and the target has said nothing on it. */
  readonly #isUnheard: Uint8Array;
  #begun = 0;
  #flights = 0;
  /** The next user's start, and the pace of its target's openings. */
  #nextNs = NEVER_NS;
  #nextPace: OpeningPace;
  #nextWindow: UnansweredWindow;
  /** The time of the last `onTimeout`. */
  #nowNs = -0;
  /** Whether the next start is late since the target was waited for, with nothing else to do. */
  #isTargetWaitedFor = false;
  readonly #isPaced: boolean;
  /** Whether any opening was ever answered, with a yes or a no. */
  #hasAnswer = false;

  /** @param firstOf the session that a user plays first */
  constructor(plan: ReplayPlan, parts: StartParts, firstOf: (user: number) => number) {
    this.#plan = plan;
    this.#firstOf = firstOf;
    this.#plays = parts.plays;
    this.#users = usersOfShard(plan);
    this.#stream = parts.stream;
    this.#transport = parts.transport;
    this.#stages = parts.stages;
    this.#pacer = parts.pacer;
    this.#answers = parts.answers;
    this.#times = parts.times;
    this.#timers = parts.timers;
    this.#counters = parts.counters;
    this.#paces = plan.targets.map(() => new OpeningPace());
    this.#windows = plan.targets.map(() => new UnansweredWindow());
    this.#isUnheard = new Uint8Array(Math.ceil(parts.plays.flags.length / 8));
    this.#nextPace = this.#paces[0];
    this.#nextWindow = this.#windows[0];
    this.#isPaced = plan.answersAll !== true;
    this.#findNext();
  }

  /** When what is brought about happens. */
  protected get nowNs(): number {
    return this.#plays.now.ns;
  }

  /** Users that have been started at least once: those below. */
  protected get begun(): number {
    return this.#begun;
  }

  /** When the next user is to start; NEVER_NS when all have. */
  nextDueNs(): number {
    if (this.isStopped) return NEVER_NS;
    if (!this.#isPaced) return this.#nextNs;
    if (!this.#hasAnswer && this.live >= UNANSWERED_MAX) return NEVER_NS;
    const pace = this.#nextPace;
    const dueNs = pace.isHolding ? Math.max(this.#nextNs, pace.nextDueNs()) : this.#nextNs;
    return this.#isKeptBack ? Math.max(dueNs, this.#nextWindow.nextDueNs()) : dueNs;
  }

  /** Whether the next start is late, and its target has enough to do. */
  get #isKeptBack(): boolean {
    const isLate = this.#nowNs - this.#nextNs > LATE_START_NS;
    return isLate && this.#isPaced && this.#nextWindow.isFull;
  }

  /**
   * Start users whose time has come; at most `limit`.
   * @param isIdle whether everything that has come in was taken
   */
  onTimeout(limit: number, isIdle: boolean): void {
    this.#nowNs = this.#plays.now.ns;
    if (this.#isInVain || this.#plays.now.ns > this.#plan.stopStartingNs) this.#nextNs = NEVER_NS;
    for (let started = 0; started < limit && this.nextDueNs() <= this.#plays.now.ns; started++) {
      if (this.#isKeptBack) break;
      const startNs = this.#nextNs;
      if (this.#plays.now.ns - startNs > LATE_START_NS) this.#countLate();
      else this.#nextWindow.onTime();
      const user = this.#begun++;
      this.begin(user, startNs);
      this.#findNext();
    }
    this.#isTargetWaitedFor = isIdle && this.#isKeptBack;
    if (this.#isKeptBack) this.#nextWindow.onLate(this.#plays.now.ns);
  }

  /** Nobody has answered, and the first of many has waited for it as long as it may. */
  get #isInVain(): boolean {
    const mayAnswer = this.#hasAnswer || !this.#isPaced || this.#begun < UNANSWERED_MAX;
    return !mayAnswer && this.#counters[Counter.TIMED_OUT_CONNECTING] > 0;
  }

  /** What was opened has left. */
  onFlushed(): void {
    this.#flights++;
  }

  /** The target has answered the user's opening, with a yes or a no. */
  onAnswered(user: number): void {
    const { session, sentNs } = this.#plays;
    this.#hasAnswer = true;
    this.#paces[this.#targetOf(session[user])].onAnswer(sentNs[user], this.#plays.now.ns);
  }

  /** It was a yes. */
  onConnected(user: number): void {
    this.#isUnheard[user >>> 3] |= 1 << (user & 7);
    this.#windows[this.#targetOf(this.#plays.session[user])].onConnected();
  }

  /** The target has said something to a connected user, or that user has ended. */
  onHeard(user: number): void {
    const bit = 1 << (user & 7);
    if (!(this.#isUnheard[user >>> 3] & bit)) return;
    this.#isUnheard[user >>> 3] &= ~bit;
    this.#windows[this.#targetOf(this.#plays.session[user])].onHeard(this.#plays.now.ns);
  }

  #findNext(): void {
    this.#nextNs = NEVER_NS;
    const user = this.#begun;
    if (user >= this.#users) return;
    const { arrivals, stopStartingNs } = this.#plan;
    const startNs = arrivals.startNs(runUserOf(user, this.#plan));
    if (startNs > stopStartingNs) return;
    this.#nextNs = startNs;
    if (this.#paces.length === 1) return;
    const target = this.#targetOf(this.#firstOf(user));
    this.#nextPace = this.#paces[target];
    this.#nextWindow = this.#windows[target];
  }

  #countLate(): void {
    this.#counters[Counter.STARTED_LATE]++;
    const isHeld = this.#isTargetWaitedFor || this.#nextPace.isHolding;
    if (this.#isPaced && isHeld) this.#counters[Counter.STARTED_HELD]++;
  }

  #targetOf(session: number): number {
    const { scripts, targetOf } = this.#plan;
    return targetOf[scripts.endpoint[session]];
  }

  /** Nothing is started any more. */
  stop(): void {
    this.isStopped = true;
  }

  /** Whether every user that will ever start has ended. */
  get isDone(): boolean {
    return this.live === 0 && this.nextDueNs() === NEVER_NS;
  }

  /** Rows of users that have been started at least once: those below. */
  abstract get rowsBegun(): number;

  /** A user's time has come. */
  protected abstract begin(user: number, startNs: number): void;

  /**
   * A row's play is over.
   * @param end the counter of how it has ended
   */
  abstract onEnded(row: number, end: Counter): void;

  /** A row's client has ended its stream: it is done with the connection. */
  abstract onLeft(row: number): void;

  /**
   * Whether none of a client's connections can go on: those that it has wait, and the others for these.
   * @param row one of them, @param waiting how many of its connections wait for what another may be told
   */
  isStuck(_row: number, _waiting: number): boolean {
    return false;
  }

  /** A row's timer is due, and nothing is played there. */
  abstract onDue(row: number): void;

  /**
   * A row plays a session from now on.
   * @returns false where there is no room for what it may have to say: that play is over, and counted
   */
  protected start(user: number, session: number, startNs: number): boolean {
    const plays = this.#plays;
    const counters = this.#counters;
    const { isSackLeftOut } = this.#plan;
    const target = this.#targetOf(session);
    plays.session[user] = session;
    plays.nextStep[user] = this.#stages.first(session);
    plays.intendedNs[user] = startNs;
    plays.sentNs[user] = plays.now.ns;
    const hasRoom = this.#stream.open(user, session);
    counters[Counter.STARTED]++;
    counters[Counter.EXCHANGES_PLANNED] += this.#stages.exchangesOf(session);
    counters[Counter.OCTETS_PLANNED] += this.#stream.endOf(user);
    if (!hasRoom) {
      counters[Counter.ABORTED]++;
      counters[Counter.ABORTED_NOT_STARTED]++;
      return false;
    }
    plays.flags[user] = PlayFlag.LIVE;
    this.#answers.onStart(user);
    this.#pacer.onStart(user, startNs);
    this.#timers.onProgress(user, plays.now);
    this.live++;
    const lagNs = plays.now.ns - startNs;
    if (lagNs > counters[Counter.START_LAG_NS_MAX]) counters[Counter.START_LAG_NS_MAX] = lagNs;
    this.#times.request(user);
    this.#paces[target].onOpen(plays.now.ns, this.#flights);
    const mayOfferSack = isSackLeftOut?.[session] !== 1;
    this.#transport.open(user, target, mayOfferSack);
    this.#timers.arm(user);
    return true;
  }
}
