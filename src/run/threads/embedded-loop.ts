/** The loop of a run against the embedded target, in virtual time or on the clock. */
import { NEVER_NS, NS_PER_MS } from '../../base/time.ts';
import type { EmbeddedTarget } from '../../embedded/embedded-target.ts';
import { Counter } from '../../measure/counters.ts';
import type { IntervalRecorder } from '../../measure/intervals.ts';
import type { Replay } from '../../replay/replay.ts';
import { DRAIN_NS, RESETS_PER_TURN } from './drain.ts';
import { Command, Control } from './thread-job.ts';

/** Packets handed over in one turn. */
const PACKETS_PER_TURN = 4_096;
/** On the clock: how long a wait may be before the control memory is looked at again. */
const WAIT_MS_MAX = 50;
/** In virtual time a turn costs no waiting; the control memory is still looked at now and then. */
const TURNS_PER_LOOK = 64;

/** What the loop without a kernel moves on. */
export interface EmbeddedLoop {
  readonly replay: Replay;
  readonly target: EmbeddedTarget;
  readonly intervals: IntervalRecorder;
  readonly control: Int32Array<SharedArrayBuffer>;
  /** The run's clock, or `null` for virtual time. */
  readonly nowNs: (() => number) | null;
}

/** Plays until every user has ended, a turn a step. @returns the run's time at the end, in whole ns */
export function* embeddedTurns(loop: EmbeddedLoop): Generator<void, number> {
  const { replay, target, intervals, control } = loop;
  let nowNs = 0;
  let resetNs = NEVER_NS;
  for (let turn = 0; !replay.isDone; turn++) {
    const dueNs = Math.min(replay.nextDueNs(), target.nextDueNs(), resetNs);
    nowNs = loop.nowNs === null ? Math.max(nowNs, dueNs) : loop.nowNs();
    // Nothing is due and nothing will be: whoever is still open waits for nothing (held open).
    if (nowNs === NEVER_NS || nowNs >= resetNs) {
      if (nowNs === NEVER_NS) nowNs = replay.counters[Counter.CLOCK_NS];
      replay.abortAll(nowNs, RESETS_PER_TURN);
      replay.flush();
      continue;
    }
    if (loop.nowNs !== null && dueNs > nowNs) {
      const waitMs = Math.min((dueNs - nowNs) / NS_PER_MS, WAIT_MS_MAX);
      Atomics.wait(control, Control.COMMAND, control[Control.COMMAND], waitMs);
      nowNs = loop.nowNs();
    }
    intervals.roll(nowNs);
    target.onTimeout(nowNs);
    target.receive(PACKETS_PER_TURN, replay);
    replay.onTimeout(nowNs);
    replay.flush();
    const looks = loop.nowNs !== null || turn % TURNS_PER_LOOK === 0;
    if (looks && resetNs === NEVER_NS && isDraining(control)) {
      replay.interrupt(nowNs);
      replay.flush();
      resetNs = nowNs + DRAIN_NS;
    }
    if (replay.isInterrupting) resetNs = nowNs + DRAIN_NS;
    yield;
  }
  return Math.floor(nowNs);
}

const isDraining = (control: Int32Array<SharedArrayBuffer>): boolean =>
  Atomics.load(control, Control.COMMAND) === Command.DRAIN;
