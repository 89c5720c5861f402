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

/** Plays until every user has ended, some turns a step. @returns the run's time at the end, in whole ns */
export function* embeddedTurns(loop: EmbeddedLoop): Generator<void, number> {
  const turns = new EmbeddedTurns(loop);
  const atOnce = loop.nowNs === null ? TURNS_PER_LOOK : 1;
  while (!loop.replay.isDone) {
    turns.play(atOnce);
    turns.look();
    yield;
  }
  return Math.floor(turns.nowNs);
}

/**
 * The turns of one run. In virtual time there is one for each moment at which anything is due, so nearly as many
 * as packets: a turn asks each end when it is due, and leaves the one alone that is not.
 */
class EmbeddedTurns {
  /** The run's time. */
  nowNs = 0;
  readonly #loop: EmbeddedLoop;
  /** When what is still open then is reset. */
  #resetNs = NEVER_NS;

  constructor(loop: EmbeddedLoop) {
    this.#loop = loop;
  }

  /** Plays at most `limit` turns. */
  play(limit: number): void {
    const { replay, target, intervals } = this.#loop;
    let { nowNs } = this;
    for (let turn = 0; turn < limit && !replay.isDone; turn++) {
      let replayDueNs = replay.nextDueNs();
      const targetDueNs = target.nextDueNs();
      nowNs = this.#next(nowNs, Math.min(replayDueNs, targetDueNs, this.#resetNs));
      // Nothing is due and nothing will be: whoever is still open waits for nothing (held open).
      if (nowNs === NEVER_NS || nowNs >= this.#resetNs) {
        if (nowNs === NEVER_NS) nowNs = replay.counters[Counter.CLOCK_NS];
        replay.abortAll(nowNs, RESETS_PER_TURN);
        replay.flush();
        continue;
      }
      intervals.roll(nowNs);
      if (targetDueNs <= nowNs) {
        target.onTimeout(nowNs);
        target.receive(PACKETS_PER_TURN, replay);
        replayDueNs = replay.nextDueNs();
      } else {
        target.setNow(nowNs);
      }
      if (replayDueNs <= nowNs) replay.onTimeout(nowNs);
      else replay.pass(nowNs);
      replay.flush();
      if (replay.isInterrupting) this.#resetNs = nowNs + DRAIN_NS;
    }
    this.nowNs = nowNs;
  }

  /** Whether the run is to end: looked at now and then. */
  look(): void {
    const { replay, control } = this.#loop;
    if (this.#resetNs !== NEVER_NS || !isDraining(control)) return;
    replay.interrupt(this.nowNs);
    replay.flush();
    this.#resetNs = this.nowNs + DRAIN_NS;
  }

  /** The time of the next turn: when something is due, or, on the clock, that of now. */
  #next(nowNs: number, dueNs: number): number {
    const { nowNs: clockNs } = this.#loop;
    return clockNs === null ? Math.max(nowNs, dueNs) : this.#waited(clockNs, dueNs);
  }

  /** On the clock: waits until something is due, or the control memory is to be looked at. */
  #waited(clockNs: () => number, dueNs: number): number {
    const { control } = this.#loop;
    const nowNs = clockNs();
    if (dueNs <= nowNs || nowNs >= this.#resetNs) return nowNs;
    const waitMs = Math.min((dueNs - nowNs) / NS_PER_MS, WAIT_MS_MAX);
    Atomics.wait(control, Control.COMMAND, control[Control.COMMAND], waitMs);
    return clockNs();
  }
}

const isDraining = (control: Int32Array<SharedArrayBuffer>): boolean =>
  Atomics.load(control, Control.COMMAND) === Command.DRAIN;
