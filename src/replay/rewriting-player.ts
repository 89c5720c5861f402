/**
 * A player of users some of whose messages are written by modules: it asks for a message when that is due,
 * lets it wait for what is not known yet, leaves it out, or ends the user; and lets a module talk to the
 * server itself before the recording is taken up.
 */
import { Instant } from '../base/instant.ts';
import { NEVER_NS, NS_PER_MS } from '../base/time.ts';
import { Counter } from '../measure/counters.ts';
import { Latency } from '../measure/histograms.ts';
import type { RewrittenStream } from '../transport/rewritten-stream.ts';
import { TransportEvent } from '../transport/transport.ts';
import type { AnswerOctets } from './answer-octets.ts';
import type { CheckedStep } from './dialogue-step.ts';
import { type Engagement, type ModuleHost, Written } from './module-host.ts';
import { PlayFlag } from './play-table.ts';
import { Player, type PlayerParts } from './player.ts';
import type { ReadAnswers } from './read-answers.ts';
import type { ReplayPlan } from './replay-plan.ts';

/** A message for which there is no room is tried again after so long. */
const ROOM_RETRY_NS = 5 * NS_PER_MS;

/** What a player of rewritten sessions is made of besides. */
export interface RewritingParts extends PlayerParts {
  readonly answers: ReadAnswers;
  readonly stream: RewrittenStream;
  readonly host: ModuleHost;
  readonly octets: AnswerOctets;
  /** How long a message may wait for what its module does not know yet. */
  readonly bindTimeoutNs: number;
}

/** Plays the scripts of users, as modules change them. */
export class RewritingPlayer extends Player {
  readonly #parts: RewritingParts;
  readonly #accel: number;
  readonly #due = new Instant();

  constructor(plan: ReplayPlan, parts: RewritingParts) {
    super(plan, parts);
    this.#parts = parts;
    this.#accel = plan.accel;
    parts.answers.onRead = (user) => this.#onRead(user);
    parts.answers.onOver = (waiting) => this.#wake(waiting, -1);
  }

  override onEvents(user: number, events: number): void {
    // Before anything is written: there is room again.
    if (events & TransportEvent.ACKED) {
      this.#parts.stream.release(user, this.#parts.transport.ackedBytes(user));
    }
    super.onEvents(user, events);
    this.#endFailed(user);
  }

  override onDue(user: number, heard: Instant): void {
    super.onDue(user, heard);
    this.#endFailed(user);
  }

  /** A module that fails when it is told of an answer ends the user as well. */
  #endFailed(user: number): void {
    const { host, fates } = this.#parts;
    if (!host.hasFailed(user)) return;
    const isRoomless = !Number.isNaN(host.engagementOf(user)?.roomlessSinceNs ?? Number.NaN);
    const reason = isRoomless ? Counter.ABORTED_REWRITE_MEMORY : Counter.ABORTED_MODULE;
    fates.breakOff(user, reason);
  }

  // ---- messages ---------------------------------------------------------------------------

  protected override playMessage(user: number): boolean {
    const { plays, host, fates, counters, bindTimeoutNs } = this.#parts;
    const message = plays.nextStep[user];
    if (!host.isWritten(user, message)) return super.playMessage(user);
    const engaged = host.engagementOf(user);
    const sinceNs = engaged?.waitsSinceNs ?? Number.NaN;
    const roomlessSinceNs = engaged?.roomlessSinceNs ?? Number.NaN;
    const isLate = plays.now.ns >= sinceNs + bindTimeoutNs || engaged?.isInVain === true;
    const written = host.write(user, message, isLate);
    if (isLate && Number.isNaN(roomlessSinceNs)) counters[Counter.MESSAGES_UNBOUND]++;
    switch (written) {
      case Written.READY:
        if (engaged !== undefined) this.#stopWaiting(user, engaged);
        this.#ownLag(user);
        super.playMessage(user);
        this.#catchUp(user, plays.now.ns - sinceNs);
        return true;
      case Written.SKIP:
        if (engaged !== undefined) this.#stopWaiting(user, engaged);
        this.leaveOut(user, message);
        this.#catchUp(user, plays.now.ns - sinceNs);
        return true;
      case Written.WAIT:
        this.#wait(user);
        return false;
      case Written.NO_ROOM:
        this.#waitForRoom(user);
        return false;
      default:
        fates.breakOff(user, Counter.ABORTED_MODULE);
        return false;
    }
  }

  /**
   * In an open loop what comes next is due as if the message had not waited.
   * @param waitedNs NaN where it has not
   */
  #catchUp(user: number, waitedNs: number): void {
    const { plays, pacer } = this.#parts;
    if (Number.isNaN(waitedNs) || !pacer.isOpenLoop) return;
    if (plays.stepDueNs[user] !== NEVER_NS) plays.stepDueNs[user] -= waitedNs;
  }

  /** What others have written is acknowledged before long; as long as a value may be waited for, so may that. */
  #waitForRoom(user: number): void {
    const { plays, host, fates, bindTimeoutNs } = this.#parts;
    const engaged = host.engagementOf(user);
    if (engaged === undefined) return;
    if (Number.isNaN(engaged.roomlessSinceNs)) engaged.roomlessSinceNs = plays.stepDueNs[user];
    if (plays.now.ns >= engaged.roomlessSinceNs + bindTimeoutNs) {
      fates.breakOff(user, Counter.ABORTED_REWRITE_MEMORY);
    } else plays.stepDueNs[user] = plays.now.ns + ROOM_RETRY_NS;
  }

  /** Waiting for room is this generator's lag, unlike waiting for a value that the server has to tell. */
  #ownLag(user: number): void {
    const { plays, host } = this.#parts;
    const engaged = host.engagementOf(user);
    if (engaged === undefined || Number.isNaN(engaged.roomlessSinceNs)) return;
    plays.stepDueNs[user] = engaged.roomlessSinceNs;
    engaged.roomlessSinceNs = Number.NaN;
  }

  #wait(user: number): void {
    const { plays, host, starts, bindTimeoutNs } = this.#parts;
    const engaged = host.engagementOf(user);
    if (engaged === undefined) return;
    if (Number.isNaN(engaged.waitsSinceNs)) engaged.waitsSinceNs = plays.stepDueNs[user];
    engaged.client.waiting ??= new Set();
    engaged.client.waiting.add(user);
    plays.stepDueNs[user] = Math.max(plays.now.ns, engaged.waitsSinceNs + bindTimeoutNs);
    if (starts.isStuck(user, engaged.client.waiting.size)) this.#giveUp(engaged.client.waiting);
  }

  /** All of a client's connections wait, and for each other: the one that has waited longest goes on without. */
  #giveUp(waiting: ReadonlySet<number>): void {
    const { plays, host } = this.#parts;
    // An answer that is still to come may tell it.
    for (const row of waiting) if (plays.openStage[row] <= plays.nextStep[row]) return;
    for (const row of waiting) {
      const engaged = host.engagementOf(row);
      if (engaged === undefined) continue;
      engaged.isInVain = true;
      this.#askAgain(row);
      return;
    }
  }

  #stopWaiting(user: number, engaged: Engagement): void {
    if (Number.isNaN(engaged.waitsSinceNs)) return;
    engaged.waitsSinceNs = Number.NaN;
    engaged.isInVain = false;
    engaged.client.waiting?.delete(user);
  }

  /** Messages of the same client that wait are asked for again. */
  #onRead(user: number): void {
    const waiting = this.#parts.host.engagementOf(user)?.client.waiting;
    if (waiting !== undefined && waiting !== null) this.#wake(waiting, user);
  }

  /** @param present the user whose turn it is anyway */
  #wake(waiting: ReadonlySet<number>, present: number): void {
    for (const row of waiting) this.#askAgain(row, present);
  }

  #askAgain(row: number, present = -1): void {
    const { plays, timers } = this.#parts;
    // Nothing is said behind the end of a stream.
    if (plays.flags[row] & PlayFlag.ENDED) return;
    plays.stepDueNs[row] = plays.now.ns;
    if (row !== present) timers.wake(row, plays.now.ns);
  }

  /** The next message is left out, with its answer. */
  protected leaveOut(user: number, message: number): void {
    const { plays, stream, answers, timers, pacer, host, counters } = this.#parts;
    const due = this.#due;
    due.ns = plays.stepDueNs[user];
    plays.nextStep[user] = message + 1;
    stream.advance(user, message);
    timers.onProgress(user, plays.now);
    pacer.onPlayed(user, message, due);
    const exchanges = answers.onLeftOut(user, message);
    counters[Counter.EXCHANGES_SKIPPED] += exchanges;
    const engaged = host.engagementOf(user);
    if (engaged !== undefined) engaged.leftOut += exchanges;
    if (plays.stepDueNs[user] === NEVER_NS) pacer.onTrigger(user, due);
    // What its answer would have told nobody needs to wait for.
    this.#onRead(user);
  }

  // ---- dialogues --------------------------------------------------------------------------

  protected override onConnected(user: number, arrived: Instant): void {
    super.onConnected(user, arrived);
    const { plays, host } = this.#parts;
    if (!host.hasDialogue(user)) return;
    plays.flags[user] |= PlayFlag.DIALOGUE;
    plays.stepDueNs[user] = NEVER_NS;
    const engaged = host.engage(user);
    if (engaged === null) return;
    engaged.connectedNs = arrived.ns;
    this.#talk(user);
  }

  protected override onData(user: number): void {
    const { plays, transport, octets, host } = this.#parts;
    if (!(plays.flags[user] & PlayFlag.DIALOGUE)) {
      super.onData(user);
      return;
    }
    // Whoever has ended its stream, at an interrupt, has no more to say.
    if (plays.flags[user] & PlayFlag.ENDED) return;
    const { delivery } = transport;
    do octets.add(user, delivery, 0, delivery.bytes);
    while (transport.nextPiece());
    if (octets.isWhole(user)) this.#talk(user);
    else host.failDialogue(user, 'the server has said more than can be kept, or is at hand');
    transport.expectMore(user);
  }

  protected override onPeerFin(user: number, arrived: Instant): void {
    const { plays } = this.#parts;
    if (!(plays.flags[user] & PlayFlag.DIALOGUE)) {
      super.onPeerFin(user, arrived);
      return;
    }
    plays.flags[user] |= PlayFlag.PEER_FIN | PlayFlag.CLOSED_EARLY;
    this.endStream(user);
  }

  /** The module has its turn as long as it takes something of what the server has said. */
  #talk(user: number): void {
    const { plays, host, octets } = this.#parts;
    for (;;) {
      const said = octets.of(user);
      const step = host.dialogue(user, said);
      if (step === null) return;
      const rest = said.length - step.taken;
      octets.drop(user, step.taken);
      if (step.send !== null && !this.#say(user, step.send)) return;
      if (step.resumeAt >= 0) this.#resume(user, step, rest);
      if (step.taken === 0 || rest === 0 || !(plays.flags[user] & PlayFlag.DIALOGUE)) return;
    }
  }

  #say(user: number, octets: Uint8Array): boolean {
    const { stream, host, counters } = this.#parts;
    if (stream.say(user, octets)) {
      counters[Counter.OCTETS_PLANNED] += octets.length;
      return true;
    }
    host.runOutOfRoom(user, this.#parts.plays.now.ns);
    return false;
  }

  /** The recording is taken up. @param restBytes of the server's, which nobody has taken */
  #resume(user: number, { resumeAt }: CheckedStep, restBytes: number): void {
    const { plays, stages, stream, answers, pacer, octets, host, latency, counters, transport } =
      this.#parts;
    const session = plays.session[user];
    const first = stages.first(session);
    const message = first + resumeAt;
    const recordedBytes = stream.recordedStart(user, message);
    octets.forget(user);
    plays.flags[user] &= ~PlayFlag.DIALOGUE;
    if (restBytes > 0) counters[Counter.EXCHANGES_UNSOLICITED]++;
    stream.resume(user, message);
    plays.nextStep[user] = message;
    const exchanges = answers.passTo(user, message);
    counters[Counter.EXCHANGES_PLANNED] -= exchanges;
    counters[Counter.OCTETS_PLANNED] -= recordedBytes;
    const engaged = host.engagementOf(user);
    if (engaged !== undefined) {
      engaged.leftOut += exchanges;
      latency.record(
        Latency.LOGIN,
        Math.max(0, transport.delivery.arrived.ns - engaged.connectedNs),
      );
    }
    // What the dialogue has told may be what others wait for.
    this.#onRead(user);
    if (!pacer.isOpenLoop) {
      pacer.onTrigger(user, plays.now);
      return;
    }
    const offsetNs = stages.offsetNs(session, message) - stages.offsetNs(session, first);
    plays.stepDueNs[user] = Math.max(plays.now.ns, plays.intendedNs[user] + offsetNs / this.#accel);
  }
}
