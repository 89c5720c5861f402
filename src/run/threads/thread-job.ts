/** What is posted between a run and the threads that play: plain data and shared memory. */
import type { PostedFailure } from '../../base/posted-failure.ts';
import type { ExchangeFigures } from '../../measure/exchange-figures.ts';
import type { Timeline } from '../../measure/intervals.ts';
import type { PreparedSessions } from '../../replay/prepared-sessions.ts';
import type { ModuleSpec } from '../plan/modules.ts';
import type { NetworkWay } from '../plan/network-way.ts';
import type { RunPlan } from '../plan/run-plan.ts';

/** Words of the control memory (Int32Array). */
export const Control = {
  /** `Command` that holds from now on: written by the main thread, read by the others. */
  COMMAND: 0,
  /** From here on a word a thread, which that writes: the module that it is calling (`watchedModules`). */
  CALLED: 1,
} as const;
/** Besides a word a thread. */
export const CONTROL_WORDS = 1;

/** What the main thread says through shared memory. */
export const Command = { RUN: 0, DRAIN: 1 } as const;

/** What the main thread tells a replay thread at its start. */
export interface ThreadJob {
  readonly plan: RunPlan;
  /** What was made of the sessions' octets, for all threads. */
  readonly prepared: PreparedSessions;
  readonly shard: number;
  readonly shards: number;
  /** `null`: the embedded target. */
  readonly network: NetworkWay | null;
  /** The packet socket to receive by, of a group; null: the thread opens its own. */
  readonly socket: number | null;
  /** Of the embedded target: whether it lives on the clock. */
  readonly realTime: boolean;
  readonly counters: Float64Array<SharedArrayBuffer>;
  readonly figures: ExchangeFigures;
  readonly control: Int32Array<SharedArrayBuffer>;
  /** Who changes what is said, where the plan is rewriting; made in each thread. */
  readonly modules: readonly ModuleSpec[];
  /** Octets of memory for what is written during the run. */
  readonly arenaBytes: number;
}

/** To a thread that is ready: begin, at this start of the run's clock (`runStartsNow`). */
export interface MainMessage {
  readonly type: 'go';
  readonly start: string;
}

/** What a replay thread tells the main thread. */
export type ThreadMessage =
  | {
      /** The thread has everything it needs and begins to play. */
      readonly type: 'ready';
      /** Its histograms, which it goes on writing. */
      readonly latencies: Float64Array<SharedArrayBuffer>;
      /** Lines for the summary: the interface, the next hop, whether ARP is answered. */
      readonly notes: readonly string[];
    }
  | { readonly type: 'warning'; readonly text: string }
  | {
      readonly type: 'done';
      readonly timeline: Timeline;
      /** Why modules have failed, and how often. */
      readonly moduleFailures: ReadonlyMap<string, number>;
    }
  | { readonly type: 'failed'; readonly failure: PostedFailure };
