/** What is posted between a replay and its channel thread. */

import type { PostedFailure } from '../../base/posted-failure.ts';
import type { ChannelClock } from '../../doctor/observations.ts';
import type { RegistrationAnswer, RegistrationRequest } from '../../intercept/registration.ts';
import type { ShardInbox } from '../../io/channel/channel-receiver.ts';
import type { PoolShape } from '../../schedule/address-pool.ts';
import type { InterceptAddress } from '../plan/options.ts';

/** Numbers of the shared totals, of all intercepts together. */
export const ChannelTotal = {
  /** Dropped by an intercept, because this replay or its link was too slow. */
  DROPPED: 0,
  /** Dropped by an intercept's kernel, for whomever they were. */
  KERNEL_DROPPED: 1,
  /**
   * Nanoseconds in which nothing was heard of an intercept, over all pauses of more than a second
   * (losses among them); of several intercepts the one that was silent longest. What a replay was
   * late in that time is not the replay's fault.
   */
  SILENT_NS: 2,
} as const;
export const CHANNEL_TOTALS = 3;

/** What the main thread tells the channel's thread at its start. */
export interface ChannelJob {
  readonly intercepts: readonly InterceptAddress[];
  readonly key: Uint8Array | null;
  readonly version: string;
  readonly request: RegistrationRequest;
  /** Protocols whose answers the run follows, for people; empty where it follows none. */
  readonly followed: string;
  /** One a shard, in their order. */
  readonly inboxes: readonly ShardInbox[];
  readonly pool: PoolShape;
  /** As `targetBlocksOf` has them. */
  readonly blocks: readonly Float64Array[] | null;
  readonly users: number;
  /** Ports of each, where they are clients with several connections; else 0. */
  readonly portsEach: number;
  readonly totals: Float64Array<SharedArrayBuffer>;
}

/** To the channel thread: say goodbye and report. */
export interface ChannelCommand {
  readonly type: 'close';
}

/** What the channel's thread tells the main thread. */
export type ChannelMessage =
  /** All intercepts capture, and their clocks are known. In the order of the job. */
  | {
      readonly type: 'ready';
      readonly answers: readonly RegistrationAnswer[];
      readonly clocks: readonly ChannelClock[];
    }
  | { readonly type: 'warning'; readonly text: string }
  | { readonly type: 'failed'; readonly failure: PostedFailure }
  /** In mid-run: an intercept will not come back. */
  | { readonly type: 'gone'; readonly failure: PostedFailure }
  /** Lines for the summary. */
  | { readonly type: 'closed'; readonly notes: readonly string[] };
