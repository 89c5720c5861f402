/** How users end: each of them in one counter, under a reason where that says more. */
import { Counter } from '../measure/counters.ts';
import { StreamEnd } from '../session/script/scripts.ts';
import type { ClientStream } from '../transport/client-stream.ts';
import { type Transport, TransportEvent } from '../transport/transport.ts';
import type { Answers } from './answers.ts';
import type { Pacer } from './pacer.ts';
import { PlayFlag, type PlayTable } from './play-table.ts';
import type { ReplayPlan } from './replay-plan.ts';
import type { Stages } from './stages.ts';
import type { Starts } from './starts.ts';
import type { UserTimers } from './user-timers.ts';

const NO_REASON = -1;

/** Counts how users end, and lets those start again that have plays left. */
export class Fates {
  readonly #plan: ReplayPlan;
  readonly #plays: PlayTable;
  readonly #stream: ClientStream;
  readonly #transport: Transport;
  readonly #stages: Stages;
  readonly #pacer: Pacer;
  readonly #answers: Answers;
  readonly #timers: UserTimers;
  readonly #starts: Starts;
  readonly #counters: Float64Array;

  constructor(
    plan: ReplayPlan,
    parts: {
      readonly plays: PlayTable;
      readonly stream: ClientStream;
      readonly transport: Transport;
      readonly stages: Stages;
      readonly pacer: Pacer;
      readonly answers: Answers;
      readonly timers: UserTimers;
      readonly starts: Starts;
      readonly counters: Float64Array;
    },
  ) {
    this.#plan = plan;
    this.#plays = parts.plays;
    this.#stream = parts.stream;
    this.#transport = parts.transport;
    this.#stages = parts.stages;
    this.#pacer = parts.pacer;
    this.#answers = parts.answers;
    this.#timers = parts.timers;
    this.#starts = parts.starts;
    this.#counters = parts.counters;
  }

  /** Every exchange of the user's play was answered, and the connection ended as it should. */
  complete(user: number): void {
    const counters = this.#counters;
    const plays = this.#plays;
    const exchanges = this.#stages.exchangesOf(plays.session[user]);
    counters[Counter.EXCHANGES_OF_COMPLETED] += exchanges - this.#answers.leftOut(user);
    // Beyond the stream lies its end; a reset may have overtaken the last acknowledgements.
    const ackedBytes = Math.min(this.#transport.ackedBytes(user), this.#stream.endOf(user));
    counters[Counter.OCTETS_OF_COMPLETED] += ackedBytes;
    if (plays.flags[user] & PlayFlag.FAILED) counters[Counter.COMPLETED_WITH_FAILURES]++;
    this.#finish(user, Counter.COMPLETED, NO_REASON);
  }

  /** The run was interrupted before the user's play was over. */
  interrupt(user: number): void {
    this.#finish(user, Counter.ABORTED, Counter.ABORTED_INTERRUPTED);
  }

  /**
   * The user's play cannot go on: a module has ended it, or an answer is broken.
   * @param reason the counter of why
   */
  breakOff(user: number, reason: Counter): void {
    this.#transport.abort(user);
    if (this.#plays.flags[user] & PlayFlag.INTERRUPTED) this.interrupt(user);
    else this.#finish(user, Counter.ABORTED, reason);
  }

  /** The server has refused the connection, or has broken it off. */
  onReset(user: number, events: number): void {
    const flags = this.#plays.flags[user];
    if (events & TransportEvent.REFUSED) {
      this.#starts.onAnswered(user);
      this.#finish(user, Counter.REFUSED, NO_REASON);
      return;
    }
    if (flags & PlayFlag.INTERRUPTED) {
      this.interrupt(user);
      return;
    }
    const session = this.#plays.session[user];
    const isOver = this.#answers.isAllAnswered(user);
    const isSaid = this.#plays.nextStep[user] >= this.#stages.end(session);
    const { server } = this.#plan.scripts;
    const hasPeerEnded = (flags & PlayFlag.PEER_FIN) !== 0;
    // Where our end came in the middle of an answer, nobody reads the rest.
    const hasLeft = (flags & PlayFlag.ENDED) !== 0 && this.#stages.isEndWithin(session);
    const isExpected = hasPeerEnded || hasLeft || (isSaid && server.end[session] === StreamEnd.RST);
    if (flags & PlayFlag.CLOSED_EARLY) {
      this.#finish(user, Counter.ABORTED, Counter.ABORTED_CLOSED_EARLY);
    } else if (isOver && isExpected) {
      // It had said all; or the recorded server ended the same way.
      this.complete(user);
    } else if (isOver && isSaid) {
      this.#finish(user, Counter.RESET, Counter.RESET_AFTER_ANSWER);
    } else if (flags & PlayFlag.FIRST_BYTE) {
      this.#finish(user, Counter.RESET, Counter.RESET_DURING_ANSWER);
    } else {
      this.#finish(user, Counter.RESET, Counter.RESET_BEFORE_ANSWER);
    }
  }

  /** Both streams are ended. */
  onClosed(user: number): void {
    const flags = this.#plays.flags[user];
    if (flags & PlayFlag.INTERRUPTED) {
      this.interrupt(user);
    } else if (flags & PlayFlag.CLOSED_EARLY) {
      this.#finish(user, Counter.ABORTED, Counter.ABORTED_CLOSED_EARLY);
    } else {
      this.complete(user);
    }
  }

  /** Nothing comes back, however often the transport tries. */
  onGivenUp(user: number): void {
    const isOpening = this.#transport.isOpening(user);
    this.#timeOut(
      user,
      isOpening ? Counter.TIMED_OUT_CONNECTING : Counter.TIMED_OUT_RETRANSMITTING,
    );
  }

  /** What the user waits for has not come in time. */
  onWaitedTooLong(user: number): void {
    const flags = this.#plays.flags[user];
    const transport = this.#transport;
    if (transport.isOpening(user)) {
      this.#timeOut(user, Counter.TIMED_OUT_CONNECTING);
      return;
    }
    const isOver = this.#answers.isAllAnswered(user) || (flags & PlayFlag.CLOSED_EARLY) !== 0;
    const isAnswered = (flags & PlayFlag.ENDED) !== 0 && isOver;
    const isRead = transport.ackedBytes(user) >= this.#stream.endOf(user);
    if (!isAnswered || !isRead) {
      this.#timeOut(user, reasonOfWaiting(flags, transport.isRepeating(user)));
    } else if (!transport.isOutstanding(user)) {
      // Only the server's end is missing, which may never come: all that was asked is answered.
      transport.abort(user);
      this.onClosed(user);
    } else if (flags & PlayFlag.PEER_FIN) {
      // It has closed, and has forgotten the connection before our end came.
      if (!(flags & (PlayFlag.INTERRUPTED | PlayFlag.CLOSED_EARLY))) {
        this.#counters[Counter.COMPLETED_UNACKED_FIN]++;
      }
      transport.abort(user);
      this.onClosed(user);
    } else this.#timeOut(user, Counter.TIMED_OUT_CLOSING);
  }

  /** Octets come and come, and what the user waits for does not begin, or does not end. */
  onEndless(user: number): void {
    this.#timeOut(user, reasonOfWaiting(this.#plays.flags[user], false));
  }

  #timeOut(user: number, reason: number): void {
    this.#transport.abort(user);
    if (this.#plays.flags[user] & PlayFlag.INTERRUPTED) this.interrupt(user);
    else this.#finish(user, Counter.TIMED_OUT, reason);
  }

  /** The row's play is over. */
  #finish(user: number, end: Counter, reason: number): void {
    const plays = this.#plays;
    const counters = this.#counters;
    if (plays.flags[user] & PlayFlag.CONNECTED) {
      counters[Counter.ESTABLISHED]--;
      this.#starts.onHeard(user);
    }
    if (this.#pacer.isOpenLoop) {
      counters[Counter.EXCHANGES_INTENDED] += this.#pacer.countMissedExchanges(user);
    }
    plays.flags[user] = 0;
    this.#answers.forget(user);
    counters[end]++;
    if (reason !== NO_REASON) counters[reason]++;
    this.#timers.cancel(user);
    this.#starts.onEnded(user, end);
  }
}

/** Why a user has waited in vain for what the server was to say, or to read. */
function reasonOfWaiting(flags: number, isRepeating: boolean): Counter {
  if (isRepeating) return Counter.TIMED_OUT_RETRANSMITTING;
  const hasBegun = (flags & PlayFlag.FIRST_BYTE) !== 0;
  return hasBegun ? Counter.TIMED_OUT_DURING_ANSWER : Counter.TIMED_OUT_WAITING;
}
