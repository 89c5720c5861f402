/**
 * Connections are numbered through all users and iterations: `iteration × users + user`. From the
 * number follow the user, the thread that plays it, and (AddressPool) its address and port.
 *
 * The kernel's filter computes the same with its own instructions (`io/filter/reply-filter.ts`).
 */
import { type NarrowColumn, narrowBytes, narrowColumn } from '../base/narrow-column.ts';

/** How the users of a run are shared out among threads: user `u` belongs to thread `u % shards`. */
export interface Sharing {
  /** Users of the whole run. */
  readonly users: number;
  /** This thread, and how many there are. */
  readonly shard: number;
  readonly shards: number;
}

/** A user of one thread, counted through the whole run. */
export const runUserOf = (user: number, { shard, shards }: Sharing): number =>
  user * shards + shard;

/** How many users one thread has. */
export const usersOfShard = ({ users, shard, shards }: Sharing): number =>
  Math.max(0, Math.ceil((users - shard) / shards));

/** The connection that a user has in one of its plays, from 0: `userOf` is the opposite. */
export const connectionOf = (user: number, iteration: number, users: number): number =>
  iteration * users + user;

/** How many connections that comes to; of users who are clients, how many plays of a client. */
export const plannedPlays = ({
  users,
  iterations,
}: {
  readonly users: number;
  readonly iterations: number;
}): number => users * iterations;

/**
 * The session that a connection plays: by connection and not by user, so that few users with many
 * iterations still play all sessions in turn.
 */
export const sessionOf = (connection: number, played: Uint32Array): number =>
  played[connection % played.length];

/** Octets that one user takes in UserConnections. */
export const connectionBytesOf = (iterations: number): number => narrowBytes(iterations);

/** Of no user of this thread. */
export const NO_USER = -1;

/**
 * Which connection each row of one thread has now. A row is a user, or, where users are clients with
 * several connections, one connection of such a client (`ClientConnections`).
 */
export interface Connections {
  /** How many rows this thread has. */
  readonly count: number;
  /** The number in the pool of the row's present connection. */
  numberOf(row: number): number;
  /** The row of this thread whose connection this is or was; NO_USER where it is another thread's. */
  userOf(connection: number): number;
}

/** Connections of users that have one at a time. */
export class UserConnections implements Connections {
  readonly count: number;
  /** Which play of the user this is, from 0. */
  readonly iteration: NarrowColumn;
  readonly #users: number;
  readonly #shard: number;
  readonly #shards: number;

  constructor(sharing: Sharing, iterations: number) {
    this.count = usersOfShard(sharing);
    this.iteration = narrowColumn(this.count, iterations);
    this.#users = sharing.users;
    this.#shard = sharing.shard;
    this.#shards = sharing.shards;
  }

  numberOf(user: number): number {
    return user * this.#shards + this.#shard + this.iteration[user] * this.#users;
  }

  userOf(connection: number): number {
    const runUser = connection % this.#users;
    if (runUser % this.#shards !== this.#shard) return NO_USER;
    return Math.floor(runUser / this.#shards);
  }
}
