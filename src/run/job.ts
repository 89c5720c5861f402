/** What is posted between the run and its threads: plain data and shared memory. */
import type { FailureKind } from '../base/errors.ts';
import type { ShardInbox } from '../io/channel/channel-receiver.ts';
import type { LocalPath, NeighbourAnswers } from '../io/way/local-path.ts';
import type { Timeline } from '../measure/intervals.ts';
import type { Close, Pace } from '../replay/replay-plan.ts';
import type { PoolShape } from '../schedule/address-pool.ts';
import type { ArrivalOptions } from '../schedule/arrivals.ts';
import type { Scripts } from '../session/script/scripts.ts';
import type { TcpSettings } from '../tcp/ports.ts';
import type { SynOptions } from '../wire/frame-writer.ts';
import type { InterceptAddress, SenderName } from './plan/options.ts';

/** Words of the control memory (Int32Array): written by the main thread, read by the others. */
export const Control = {
  /** `Command` that holds from now on. */
  COMMAND: 0,
} as const;
export const CONTROL_WORDS = 1;

export const Command = { RUN: 0, DRAIN: 1 } as const;

export interface TargetAddress {
  /** Text form. */
  readonly address: string;
  readonly port: number;
}

/** The same for all threads of a run. */
export interface RunPlan extends PoolShape {
  readonly scripts: Scripts;
  readonly played: Uint32Array;
  readonly targets: readonly TargetAddress[];
  readonly targetOf: Uint16Array;
  readonly arrivals: ArrivalOptions;
  readonly users: number;
  readonly iterations: number;
  readonly stopStartingNs: number;
  readonly accel: number;
  readonly pace: Pace;
  readonly close: Close;
  readonly timeoutNs: number;
  readonly seed: number;
  readonly epochMs: number;
  readonly tcp: TcpSettings;
  readonly syn: SynOptions;
}

/** How frames reach a real target, and how its replies come back. */
export interface NetworkWay {
  readonly path: LocalPath;
  readonly sender: SenderName;
  /** Whose questions for the clients' link-layer addresses (ARP, NDP) are answered. */
  readonly answersNeighbours: NeighbourAnswers;
  /** Who picks the replies up; none: this machine. */
  readonly intercepts: readonly InterceptAddress[];
  /** Where the intercepts' replies are found, once there is a connection to them. */
  readonly channel: ChannelEnd | null;
}

/** What the channel thread shares with the threads that play. */
export interface ChannelEnd {
  /** One a shard, in their order. */
  readonly inboxes: readonly ShardInbox[];
  /** `ChannelTotal` numbers. */
  readonly totals: Float64Array<SharedArrayBuffer>;
}

export interface ThreadJob {
  readonly plan: RunPlan;
  readonly shard: number;
  readonly shards: number;
  /** `null`: the embedded target. */
  readonly network: NetworkWay | null;
  /** Of the embedded target: whether it lives on the clock. */
  readonly realTime: boolean;
  readonly counters: Float64Array<SharedArrayBuffer>;
  readonly control: Int32Array<SharedArrayBuffer>;
}

/** A failure that crosses a thread's border: ReplayError does not survive structured cloning. */
export interface PostedFailure {
  readonly code: string;
  readonly kind: FailureKind;
  readonly message: string;
  readonly hint: string | null;
  readonly stack: string | null;
}

/** To a thread that is ready: begin, at this start of the run's clock (`runStartsNow`). */
export interface MainMessage {
  readonly type: 'go';
  readonly start: string;
}

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
  | { readonly type: 'done'; readonly timeline: Timeline }
  | { readonly type: 'failed'; readonly failure: PostedFailure };
