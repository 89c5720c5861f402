/** How much memory users take: apart from the engine, so that whoever only reckons does not load it. */
import { CLIENT_CONNECTION_BYTES } from '../schedule/client-connections.ts';
import { connectionBytesOf } from '../schedule/connections.ts';
import { TIMER_BYTES_PER_USER } from '../schedule/timer-rows.ts';
import { recordedStreamBytesOf } from '../transport/recorded-stream.ts';
import { transportBytesOf } from '../transport/transport-bytes.ts';
import { CLIENT_ROW_BYTES } from './client-starts.ts';
import { playBytesOf } from './play-table.ts';
import type { ReplayPlan } from './replay-plan.ts';

/** What decides how wide users' columns are. */
export type StateShape = Pick<ReplayPlan, 'scripts' | 'iterations' | 'perClient'> & {
  readonly targets: readonly unknown[];
};

/**
 * Octets that the engine keeps for each user; where users are clients, for each connection that a client may have at a
 * time.
 */
export function stateBytesOf({ scripts, targets, iterations, perClient }: StateShape): number {
  const connectionBytes =
    perClient === undefined
      ? connectionBytesOf(iterations)
      : CLIENT_CONNECTION_BYTES + CLIENT_ROW_BYTES;
  return (
    transportBytesOf(targets.length) +
    recordedStreamBytesOf(scripts) +
    connectionBytes +
    playBytesOf(scripts) +
    TIMER_BYTES_PER_USER
  );
}

/** At most, of a user that is one connection: with more than 65,535 sessions, and a longer stream. */
export const STATE_BYTES_MAX = 138;

/**
 * What a user takes besides whose session is changed, as it was measured: of the peak memory of a process
 * with 200,000 such users, without what they say. Some of it is what its module keeps.
 */
export const REWRITING_BYTES_PER_USER = 1_000;

/**
 * What a user takes besides who becomes a WebSocket: the changed stream, the last ping and its pong. As it was measured: of
 * the peak memory of a process with 220,000 such users that have all been pinged, and of one with 20,000.
 */
export const WEBSOCKET_BYTES_PER_USER = 1_300;
