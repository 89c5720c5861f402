/**
 * Plays users' scripts, step by step.
 *
 * A user's event always runs the same way: the transport first, then the script (which stage is
 * complete, which step is due), then one `emit` that carries data and acknowledgement together, then
 * the user's timer is set to the earliest thing it waits for.
 */
import { Instant } from '../base/instant.ts';
import { NEVER_NS } from '../base/time.ts';
import { Counter } from '../measure/counters.ts';
import { Latency, type LatencyRecorder } from '../measure/histograms.ts';
import { StreamEnd } from '../session/script/scripts.ts';
import type { ClientStream } from '../transport/client-stream.ts';
import { type Transport, TransportEvent, type TransportListener } from '../transport/transport.ts';
import type { Answers } from './answers.ts';
import { NOT_BROKEN } from './broken-answers.ts';
import { EndlessAnswers } from './endless-answers.ts';
import type { Fates } from './fates.ts';
import type { Pacer } from './pacer.ts';
import { PlayFlag, type PlayTable } from './play-table.ts';
import { Close, type ReplayPlan } from './replay-plan.ts';
import type { PlaySendTimes } from './send-times.ts';
import type { Stages } from './stages.ts';
import type { Starts } from './starts.ts';
import type { UserTimers } from './user-timers.ts';

/** What a player is made of. */
export interface PlayerParts {
  readonly plays: PlayTable;
  readonly stream: ClientStream;
  readonly transport: Transport;
  readonly stages: Stages;
  readonly pacer: Pacer;
  readonly answers: Answers;
  readonly times: PlaySendTimes;
  readonly timers: UserTimers;
  readonly starts: Starts;
  readonly fates: Fates;
  readonly latency: LatencyRecorder;
  readonly counters: Float64Array;
}

/** Plays the scripts of all users of a thread over a transport. */
export class Player implements TransportListener {
  readonly #plan: ReplayPlan;
  readonly #plays: PlayTable;
  readonly #stream: ClientStream;
  readonly #transport: Transport;
  readonly #stages: Stages;
  readonly #pacer: Pacer;
  readonly #answers: Answers;
  readonly #endless: EndlessAnswers;
  readonly #times: PlaySendTimes;
  readonly #timers: UserTimers;
  readonly #starts: Starts;
  readonly #fates: Fates;
  readonly #latency: LatencyRecorder;
  readonly #counters: Float64Array;
  /** When the plan wants the message that is played. */
  readonly #due = new Instant();

  constructor(plan: ReplayPlan, parts: PlayerParts) {
    this.#plan = plan;
    this.#plays = parts.plays;
    this.#stream = parts.stream;
    this.#transport = parts.transport;
    this.#stages = parts.stages;
    this.#pacer = parts.pacer;
    this.#answers = parts.answers;
    this.#endless = new EndlessAnswers(plan, parts);
    this.#times = parts.times;
    this.#timers = parts.timers;
    this.#starts = parts.starts;
    this.#fates = parts.fates;
    this.#latency = parts.latency;
    this.#counters = parts.counters;
  }

  // ---- what comes in ----------------------------------------------------------------------

  onEvents(user: number, events: number): void {
    if (!this.#isLive(user)) {
      // Over, but a repeated end still wants its acknowledgement (TIME-WAIT).
      this.#transport.emit(user);
      return;
    }
    if (events & (TransportEvent.REFUSED | TransportEvent.RESET)) {
      this.#fates.onReset(user, events);
      return;
    }
    const { arrived } = this.#transport.delivery;
    const moved = TransportEvent.CONNECTED | TransportEvent.ACKED | TransportEvent.PEER_FIN;
    // A bare acknowledgement tells nothing of an answer that may be over.
    if (events & TransportEvent.DATA && !this.#isHeardOut(user)) {
      this.#plays.progressNs[user] = arrived.ns;
    } else if (events & moved) this.#timers.onProgress(user, arrived);
    if (events & TransportEvent.CONNECTED) this.onConnected(user, arrived);
    if (events & TransportEvent.DATA) {
      this.#starts.onHeard(user);
      this.onData(user);
    }
    if (!this.#isLive(user)) return;
    if (events & TransportEvent.PEER_FIN) this.onPeerFin(user, arrived);
    if (!(events & TransportEvent.CLOSED)) this.#playSteps(user);
    if (!this.#isLive(user)) return;
    this.#emit(user);
    if (events & TransportEvent.CLOSED) this.#fates.onClosed(user);
    else this.#timers.arm(user);
  }

  onDueChanged(user: number): void {
    if (this.#isLive(user)) this.#timers.arm(user);
  }

  #isLive(user: number): boolean {
    return (this.#plays.flags[user] & PlayFlag.LIVE) !== 0;
  }

  /** Whether nobody waits for more of what the server says: then it brings nobody on. */
  #isHeardOut(user: number): boolean {
    return (this.#plays.flags[user] & PlayFlag.ENDED) !== 0 && this.#answers.isAllAnswered(user);
  }

  /** The server has accepted the connection. */
  protected onConnected(user: number, arrived: Instant): void {
    const plays = this.#plays;
    const counters = this.#counters;
    this.#starts.onAnswered(user);
    this.#starts.onConnected(user);
    plays.flags[user] |= PlayFlag.CONNECTED;
    counters[Counter.CONNECTED]++;
    counters[Counter.ESTABLISHED]++;
    if (counters[Counter.ESTABLISHED] > counters[Counter.PEAK_ESTABLISHED]) {
      counters[Counter.PEAK_ESTABLISHED] = counters[Counter.ESTABLISHED];
    }
    this.#latency.record(Latency.CONNECT, Math.max(0, arrived.ns - plays.sentNs[user]));
    if (!this.#pacer.isOpenLoop) this.#pacer.onTrigger(user, arrived);
  }

  /** Octets have come, which the transport's delivery tells. */
  protected onData(user: number): void {
    const transport = this.#transport;
    do {
      this.#answers.onData(user, transport.delivery);
      const broken = this.#answers.broken.take();
      if (broken !== NOT_BROKEN) {
        this.#fates.breakOff(user, broken as Counter);
        return;
      }
    } while (transport.nextPiece());
    // Whoever was told that the connection is over does not ask on it.
    if (this.#answers.framing.takeLast()) this.#endEarly(user);
    if (this.#endless.isEndless(user, transport.delivery.arrived)) {
      this.#fates.onEndless(user);
      return;
    }
    if (this.#answers.isExpecting(user)) this.#transport.expectMore(user);
  }

  /** The server will answer nothing more, although more is to be asked. */
  #endEarly(user: number): void {
    const { flags } = this.#plays;
    if (flags[user] & PlayFlag.ENDED || this.#answers.isAllAnswered(user)) return;
    flags[user] |= PlayFlag.CLOSED_EARLY;
    this.endStream(user);
  }

  /** The server has ended its stream. */
  protected onPeerFin(user: number, arrived: Instant): void {
    const plays = this.#plays;
    plays.flags[user] |= PlayFlag.PEER_FIN;
    const hasHeardAll = this.#answers.onPeerFin(user, arrived);
    const session = plays.session[user];
    const end = this.#stages.end(session);
    // What needs no answer may still be said: a client's goodbye after the server's end. And what
    // the server would have said after our end was not waited for.
    if (!hasHeardAll) plays.flags[user] |= PlayFlag.CLOSED_EARLY;
    if (plays.flags[user] & PlayFlag.ENDED) return;
    const isSaid = plays.nextStep[user] >= end;
    if (
      plays.flags[user] & PlayFlag.CLOSED_EARLY ||
      (this.#plan.close === Close.SERVER && isSaid)
    ) {
      this.endStream(user);
    } else if (plays.nextStep[user] <= end) {
      const isAwaited =
        plays.nextStep[user] === end && this.#plan.scripts.client.endAfterPeer[session] === 1;
      if (isAwaited || plays.stepDueNs[user] === NEVER_NS) this.#pacer.onTrigger(user, arrived);
    }
  }

  // ---- time -------------------------------------------------------------------------------

  /**
   * Something of the user's is due.
   * @param heard what had arrived by then has been handed over: a later timer may wait
   */
  onDue(user: number, heard: Instant): void {
    if (!this.#isLive(user)) {
      this.#starts.onDue(user);
      return;
    }
    const transport = this.#transport;
    const events = transport.dueNs(user) <= heard.ns ? transport.onTimeout(user) : 0;
    if (events & TransportEvent.GAVE_UP) {
      this.#fates.onGivenUp(user);
      return;
    }
    if (this.#answers.silences.quietDueNs(user) <= heard.ns) this.#answers.onQuiet(user);
    if (this.#timers.timeoutDueNs(user) <= heard.ns) {
      this.#fates.onWaitedTooLong(user);
      return;
    }
    this.#playSteps(user);
    if (!this.#isLive(user)) return;
    this.#emit(user);
    this.#timers.arm(user);
  }

  // ---- steps ------------------------------------------------------------------------------

  /** Play every step that is due. */
  #playSteps(user: number): void {
    const plays = this.#plays;
    if (!(plays.flags[user] & PlayFlag.CONNECTED)) return;
    const end = this.#stages.end(plays.session[user]);
    while (plays.stepDueNs[user] <= plays.now.ns && !(plays.flags[user] & PlayFlag.ENDED)) {
      if (plays.nextStep[user] >= end) {
        // Everything is said; the end waits for the answers even in an open loop.
        if (plays.openStage[user] > end) this.endStream(user);
        return;
      }
      if (!this.playMessage(user)) return;
    }
  }

  /** The next message is due. @returns whether there may be more to play */
  protected playMessage(user: number): boolean {
    const plays = this.#plays;
    const step = plays.nextStep[user];
    const due = this.#due;
    due.ns = plays.stepDueNs[user];
    plays.nextStep[user] = step + 1;
    this.#stream.advance(user, step);
    if (this.#answers.onPlayed(user, step, due)) this.#times.request(user);
    this.#timers.onProgress(user, plays.now);
    this.#pacer.onPlayed(user, step, due);
    // The server may have said it all before it was asked (both sides talking).
    this.#answers.judgeAgain(user);
    if (plays.stepDueNs[user] === NEVER_NS) this.#pacer.onTrigger(user, due);
    return true;
  }

  /** Our stream ends as the script, or `--close`, wants it. */
  protected endStream(user: number): void {
    const plays = this.#plays;
    const { close, scripts } = this.#plan;
    const session = plays.session[user];
    const isEarly = (plays.flags[user] & PlayFlag.CLOSED_EARLY) !== 0;
    const isHeld = close === Close.SERVER && !(plays.flags[user] & PlayFlag.PEER_FIN);
    if (isHeld && plays.now.ns < this.#plan.stopStartingNs) {
      // The connection stays open for what the server pushes, until the run's time is up.
      plays.stepDueNs[user] = this.#plan.stopStartingNs;
      return;
    }
    // A half-closed client's answer is still to come.
    const isAwaited = !this.#answers.isAllAnswered(user);
    const isReset =
      (close === Close.RESET && !isAwaited) ||
      (close === Close.RECORDED && scripts.client.end[session] === StreamEnd.RST);
    plays.flags[user] |= PlayFlag.ENDED;
    plays.stepDueNs[user] = NEVER_NS;
    this.#timers.onProgress(user, plays.now);
    if (isReset && !isEarly) {
      // What was said a moment ago goes before the RST.
      this.#transport.emit(user);
      this.#transport.abort(user);
      this.#fates.complete(user);
      return;
    }
    this.#transport.finish(user);
    this.#starts.onLeft(user);
    if (isEarly) return;
    plays.nextStep[user] = this.#stages.end(session) + 1;
    this.#answers.judgeAgain(user);
  }

  #emit(user: number): void {
    this.#transport.emit(user);
    this.#times.onEmitted(user);
  }
}
