/** How much memory users take: apart from the engine, so that whoever only reckons does not load it. */
import { CLIENT_CONNECTION_BYTES } from '../schedule/client-connections.ts';
import { CONNECTION_BYTES_PER_USER } from '../schedule/connections.ts';
import { TIMER_BYTES_PER_USER } from '../schedule/timing-wheel.ts';
import { RECORDED_STREAM_BYTES_PER_USER } from '../transport/recorded-stream.ts';
import { TRANSPORT_BYTES_PER_USER } from '../transport/transport-bytes.ts';
import { CLIENT_ROW_BYTES } from './client-starts.ts';
import { PLAY_BYTES_PER_USER } from './play-table.ts';

/** Octets that the engine keeps for each user. */
export const STATE_BYTES_PER_USER =
  TRANSPORT_BYTES_PER_USER +
  RECORDED_STREAM_BYTES_PER_USER +
  CONNECTION_BYTES_PER_USER +
  PLAY_BYTES_PER_USER +
  TIMER_BYTES_PER_USER;

/** The same for each connection that a client may have at a time, where users are clients. */
export const STATE_BYTES_PER_CLIENT_ROW =
  STATE_BYTES_PER_USER - CONNECTION_BYTES_PER_USER + CLIENT_CONNECTION_BYTES + CLIENT_ROW_BYTES;

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
