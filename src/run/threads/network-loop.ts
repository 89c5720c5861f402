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

/** What the loop over the network moves on. */
export interface NetworkLoop {
  readonly replay: Replay;
  readonly receiver: QueueingReceiver;
  readonly intervals: IntervalRecorder;
  readonly control: Int32Array<SharedArrayBuffer>;
  nowNs(): number;
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
  const { replay, receiver, intervals, control, wakeupNs } = loop;
  let nowNs = loop.nowNs();
  let heardNs = nowNs;
  let settledNs = nowNs;
  let resetNs = NEVER_NS;
  let countsNs = 0;
  let lookNs = 0;
  let received = 0;
  while (!replay.isDone) {
    const lastTurnNs = nowNs;
    nowNs = loop.nowNs();
    if (nowNs - lastTurnNs >= STALL_NS_MIN) {
      // Where stalls follow each other timers go on nevertheless, by what was settled before this one.
      if (received < REPLIES_PER_TURN) heardNs = Math.max(heardNs, lastTurnNs);
      settledNs = nowNs + SETTLE_NS;
    }
    // Before anything is recorded: what happens now belongs to this second.
    intervals.roll(nowNs);
    replay.beginTurn(nowNs);
    received = receiver.receive(REPLIES_PER_TURN, replay);
    if (received === REPLIES_PER_TURN) {
      heardNs = Math.min(nowNs, Math.max(heardNs, receiver.lastArrivedNs));
    } else if (nowNs >= settledNs) {
      heardNs = nowNs;
    }
    replay.onTimeout(nowNs, heardNs, backlogOf(receiver, received));
    replay.flush();
    const leftNs = loop.nowNs();
    if (leftNs - nowNs >= STALL_NS_MIN) replay.onStandstill(nowNs, leftNs);
    if (nowNs >= countsNs) {
      loop.readCounts();
      countsNs = nowNs + COUNTS_EVERY_NS;
    }
    if (nowNs >= lookNs) {
      lookNs = nowNs + LOOK_EVERY_NS;
      loop.answerNeighbours();
      if (resetNs === NEVER_NS && Atomics.load(control, Control.COMMAND) === Command.DRAIN) {
        replay.interrupt(nowNs);
        replay.flush();
        resetNs = nowNs + DRAIN_NS;
      }
    }
    // Servers get their time from when the last user has said goodbye.
    if (replay.isInterrupting) resetNs = nowNs + DRAIN_NS;
    if (nowNs >= resetNs) {
      replay.abortAll(nowNs, RESETS_PER_TURN);
      replay.flush();
    }
    // What has come meanwhile tells that a wait would be none: a system call that is saved.
    const mayWait = received < REPLIES_PER_TURN && !receiver.isWaiting;
    const mayPause = received < REPLIES_WORTH_A_TURN && wakeupNs > 0;
    if (mayWait || mayPause) {
      const waitNs = Math.min(Math.max(replay.nextDueNs(), settledNs), resetNs) - leftNs;
      if (waitNs > 0 && mayWait) loop.wait(Math.min(waitNs, WAIT_NS_MAX));
      // What waits already has come since the turn took what there was: soon there is more.
      else if (waitNs > 0) loop.pause(Math.min(waitNs, wakeupNs));
    }
    yield;
  }
  linger(loop, nowNs + lingerNs(replay));
  loop.readCounts();
  return Math.floor(nowNs);
}

function backlogOf(receiver: QueueingReceiver, received: number): Backlog {
  if (received < REPLIES_PER_TURN) return Backlog.NONE;
  return receiver.isCrowded ? Backlog.CROWDED : Backlog.SOME;
}

/** Ended users still acknowledge what their servers repeat. */
function linger(loop: NetworkLoop, untilNs: number): void {
  for (let nowNs = loop.nowNs(); nowNs < untilNs; nowNs = loop.nowNs()) {
    loop.wait(untilNs - nowNs);
    loop.receiver.receive(REPLIES_PER_TURN, loop.replay);
    loop.replay.flush();
    loop.answerNeighbours();
  }
}
