/**
 * The loop of a run against a real target, in a thread that may block: replies first, then timers,
 * then what they made us send, then wait. Every part is bounded, so that a turn stays short and no
 * part starves another. While replies wait, fewer users are started: each brings more of them.
 *
 * While replies wait in the ring, timers see the time at which the last one that was taken had
 * arrived: what they would fire for (an acknowledgement, the rest of an answer) may lie behind it.
 * Otherwise a process that was stopped, or had no processor, for longer than a retransmission
 * timeout would send again what had long been acknowledged. So it would where it stands still within
 * a turn, since what that turn sends leaves after the time that its timers count from: they are put
 * off. And whoever brings the replies (the kernel's own threads, the channel's) may have stood still
 * as well, and gets a moment.
 */
import { Instant } from '../../base/instant.ts';
import { NEVER_NS, NS_PER_MS } from '../../base/time.ts';
import type { IntervalRecorder } from '../../measure/intervals.ts';
import { Backlog } from '../../replay/conversations.ts';
import type { Replay } from '../../replay/replay.ts';
import type { QueueingReceiver } from '../../transport/ports.ts';
import { DRAIN_NS, lingerNs, RESETS_PER_TURN } from './drain.ts';
import { Command, Control } from './thread-job.ts';

/** Replies taken in one turn: some tens of microseconds of work. */
const REPLIES_PER_TURN = 256;
/** Where a turn takes fewer, its system calls are a large part of what it costs: `wakeupNs`. */
const REPLIES_WORTH_A_TURN = 16;
/** How long a wait may be before the control memory is looked at again. */
const WAIT_NS_MAX = 20 * NS_PER_MS;
/** A turn that lasts so long, or comes so much later than it should: the process stood still. */
const STALL_NS_MIN = 50 * NS_PER_MS;
/** How long afterwards replies may take to the receiver although they have come to the machine. */
const SETTLE_NS = 10 * NS_PER_MS;
/** How often kernel counters (ring drops, refused frames) are read. */
const COUNTS_EVERY_NS = 100 * NS_PER_MS;
/**
 * How often neighbours and the control memory are looked at while the loop does not wait. Each look at the former is a
 * system call, and under load a turn takes three replies: with one a turn each request would pay a fifth of a microsecond.
 */
const LOOK_EVERY_NS = NS_PER_MS;

/** What the loop needs of the run's clock. */
export interface LoopClock {
  readonly now: Instant;
  read(): void;
}

/** What the loop over the network moves on. */
export interface NetworkLoop {
  readonly replay: Replay;
  readonly receiver: QueueingReceiver;
  readonly intervals: IntervalRecorder;
  readonly control: Int32Array<SharedArrayBuffer>;
  /** The run's: `now` says what was read last. */
  readonly clock: LoopClock;
  /** Block until something can be received, at most this long; neighbours that ask meanwhile are answered. */
  wait(timeoutNs: number): void;
  /** How long replies may lie until more of them have come; 0: not at all. */
  readonly wakeupNs: number;
  /** Block so long, whatever arrives. */
  pause(ns: number): void;
  /** Answer neighbours that ask for the clients' addresses. */
  answerNeighbours(): void;
  /** Copy the kernel's counters into the run's. */
  readCounts(): void;
}

/**
 * Plays until every user has ended, a turn a step. Between turns the caller may do something else,
 * briefly: what is due meanwhile is late.
 * @returns the run's time at the end, in whole ns
 */
export function* networkTurns(loop: NetworkLoop): Generator<void, number> {
  const turns = new Turns(loop);
  while (!loop.replay.isDone) {
    turns.play();
    yield;
  }
  linger(loop, turns.beganNs + lingerNs(loop.replay));
  loop.readCounts();
  return Math.floor(turns.beganNs);
}

/** Its times are fields: those of a generator's variables that live from step to step are objects. */
class Turns {
  readonly #loop: NetworkLoop;
  readonly #begins = new Instant();
  readonly #heard = new Instant();
  #settledNs = -0;
  #resetNs = NEVER_NS;
  #countsNs = -0;
  #lookNs = -0;
  #received = 0;

  constructor(loop: NetworkLoop) {
    const { clock } = loop;
    this.#loop = loop;
    clock.read();
    this.#begins.ns = clock.now.ns;
    this.#heard.ns = clock.now.ns;
    this.#settledNs = clock.now.ns;
  }

  /** When the turn began. */
  get beganNs(): number {
    return this.#begins.ns;
  }

  play(): void {
    const { replay, receiver, intervals, clock, wakeupNs } = this.#loop;
    const begins = this.#begins;
    const heard = this.#heard;
    const lastTurnNs = begins.ns;
    clock.read();
    const nowNs = clock.now.ns;
    begins.ns = nowNs;
    if (nowNs - lastTurnNs >= STALL_NS_MIN) {
      // Where stalls follow each other timers go on nevertheless, by what was settled before this one.
      if (this.#received < REPLIES_PER_TURN) heard.ns = Math.max(heard.ns, lastTurnNs);
      this.#settledNs = nowNs + SETTLE_NS;
    }
    // Before anything is recorded: what happens now belongs to this second.
    if (nowNs >= intervals.closesNs) intervals.roll(nowNs);
    replay.beginTurn(begins);
    const received = receiver.receive(REPLIES_PER_TURN, replay);
    this.#received = received;
    if (received === REPLIES_PER_TURN) {
      heard.ns = Math.min(nowNs, Math.max(heard.ns, receiver.arrived.ns));
    } else if (nowNs >= this.#settledNs) {
      heard.ns = nowNs;
    }
    replay.onTurn(heard, backlogOf(receiver, received));
    replay.flush();
    clock.read();
    const leftNs = clock.now.ns;
    if (leftNs - nowNs >= STALL_NS_MIN) replay.onStandstill(nowNs, clock.now);
    if (nowNs >= this.#countsNs) {
      this.#loop.readCounts();
      this.#countsNs = nowNs + COUNTS_EVERY_NS;
    }
    if (nowNs >= this.#lookNs) this.#look(nowNs);
    // Servers get their time from when the last user has said goodbye.
    if (replay.isInterrupting) this.#resetNs = nowNs + DRAIN_NS;
    if (nowNs >= this.#resetNs) {
      replay.abortAll(nowNs, RESETS_PER_TURN);
      replay.flush();
    }
    // What has come meanwhile tells that a wait would be none: a system call that is saved.
    const mayWait = received < REPLIES_PER_TURN && !receiver.isWaiting;
    const mayPause = received < REPLIES_WORTH_A_TURN && wakeupNs > 0;
    if (mayWait || mayPause) {
      const dueNs = Math.max(replay.nextDueNs(), this.#settledNs);
      const waitNs = Math.min(dueNs, this.#resetNs) - leftNs;
      if (waitNs > 0 && mayWait) this.#loop.wait(Math.min(waitNs, WAIT_NS_MAX));
      // What waits already has come since the turn took what there was: soon there is more.
      else if (waitNs > 0) this.#loop.pause(Math.min(waitNs, wakeupNs));
    }
  }

  #look(nowNs: number): void {
    const { replay, control } = this.#loop;
    this.#lookNs = nowNs + LOOK_EVERY_NS;
    this.#loop.answerNeighbours();
    const isDrained = Atomics.load(control, Control.COMMAND) === Command.DRAIN;
    if (this.#resetNs !== NEVER_NS || !isDrained) return;
    replay.interrupt(nowNs);
    replay.flush();
    this.#resetNs = nowNs + DRAIN_NS;
  }
}

function backlogOf(receiver: QueueingReceiver, received: number): Backlog {
  if (received < REPLIES_PER_TURN) return Backlog.NONE;
  return receiver.isCrowded ? Backlog.CROWDED : Backlog.SOME;
}

/** Ended users still acknowledge what their servers repeat. */
function linger(loop: NetworkLoop, untilNs: number): void {
  const { clock } = loop;
  for (clock.read(); clock.now.ns < untilNs; clock.read()) {
    loop.wait(untilNs - clock.now.ns);
    loop.receiver.receive(REPLIES_PER_TURN, loop.replay);
    loop.replay.flush();
    loop.answerNeighbours();
  }
}
