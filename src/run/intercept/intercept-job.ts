/** What is posted between an intercept's threads: plain data and shared memory. */

import type { PostedFailure } from '../../base/posted-failure.ts';
import type { Registration } from '../../intercept/ports.ts';
import type { PacketSourceOptions, SourceMode } from '../../io/intercept/intercept-source.ts';

/** Words by which an intercept's threads tell each other that there is something to look at. */
export const Wake = {
  /** The main thread has been woken and has not looked yet. */
  MAIN: 0,
  /** There are commands that the capture thread has not looked at yet. */
  COMMANDS: 1,
} as const;
export const WAKE_WORDS = 2;

/** A registered replay as the capture thread sees it. */
export interface PostedOwner {
  readonly registration: Registration;
  /** `createRecordRing`: what was captured for it. */
  readonly outbox: SharedArrayBuffer;
  /** One number: records forwarded to it. */
  readonly forwarded: Float64Array<SharedArrayBuffer>;
}

/** What the intercept's main thread tells its capturing thread at its start. */
export interface CaptureJob {
  readonly mode: SourceMode;
  readonly source: PacketSourceOptions;
  /** `TALLIES` numbers. */
  readonly tally: Float64Array<SharedArrayBuffer>;
  /** `Wake` words. */
  readonly wake: Int32Array<SharedArrayBuffer>;
  /** An eventfd that tells of messages. */
  readonly fd: number;
}

/** To the capture thread; the eventfd is raised behind each. */
export type CaptureCommand =
  | { readonly type: 'owners'; readonly owners: readonly PostedOwner[] }
  | { readonly type: 'close' };

/** What the capturing thread tells the main thread. */
export type CaptureMessage =
  | { readonly type: 'opened'; readonly lines: readonly string[] }
  /** The answer to `owners`, in their order: `failure` where the former ones stay in force. */
  | {
      readonly type: 'owners';
      readonly failure: PostedFailure | null;
      readonly lines: readonly string[];
    }
  /** Records lie in an outbox. */
  | { readonly type: 'wake' }
  | { readonly type: 'closed' }
  | { readonly type: 'failed'; readonly failure: PostedFailure };
