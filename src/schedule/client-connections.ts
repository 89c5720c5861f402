/** Connections of clients that have several at a time: a row a connection. */
import { ClientPlaces } from './client-places.ts';
import { ClientRows } from './client-rows.ts';
import type { ConnectionPool } from './connection-pool.ts';
import { type Connections, NO_USER, type Sharing, usersOfShard } from './connections.ts';
import type { RunShare } from './run-share.ts';

/** Recorded clients, and the ports that each virtual client has for playing them. */
export interface ClientPlan {
  /** Connections of recorded client `g` are rows `firstOf[g] .. firstOf[g + 1]` of those below. */
  readonly firstOf: Uint32Array;
  /** When a connection began and when its client was done with it, from the client's first one, in recorded ns. */
  readonly beginNs: Float64Array;
  readonly leaveNs: Float64Array;
  /** How many connections of the same client had been left when it began. */
  readonly leftBefore: Uint32Array;
  /** For each client its connections, counted from its first, in the order in which it left them. */
  readonly leaveOrder: Uint32Array;
  /** From each client's first connection's start to its last one's end. */
  readonly durationNs: Float64Array;
  /** Connections of the recorded client that has most of them. */
  readonly connectionsMax: number;
  /** Ports of a virtual client: for all connections of all its plays. */
  readonly portsEach: number;
}

/** What decides which connections a thread's clients have. */
export interface ClientSharing extends Sharing {
  readonly share: RunShare;
  readonly iterations: number;
  readonly pool: ConnectionPool;
  readonly perClient: ClientPlan;
}

/** Octets that a row takes here. */
export const CLIENT_CONNECTION_BYTES = 4;

/** The rows of a thread's clients without their columns: arithmetic only. */
export const rowsOfShard = (sharing: Omit<ClientSharing, 'pool'>): ClientRows => {
  const { share, shard, shards, perClient } = sharing;
  return new ClientRows(perClient.firstOf, {
    clients: usersOfShard(sharing),
    first: shard * share.of + share.index,
    step: shards * share.of,
    runClients: share.users,
    repeats: sharing.iterations > 1,
  });
};

/** Which connection each row of one thread has now. */
export class ClientConnections implements Connections {
  readonly count: number;
  readonly rows: ClientRows;
  readonly #places: ClientPlaces;
  readonly #shard: number;
  readonly #shards: number;
  readonly #connectionsMax: number;
  /** A row: its present connection's number in the pool. */
  readonly #number: Uint32Array;

  constructor(sharing: ClientSharing) {
    const { pool, users, iterations, shard, shards, perClient } = sharing;
    this.rows = rowsOfShard(sharing);
    this.count = this.rows.count;
    this.#places = new ClientPlaces(pool.numbering, users, iterations * perClient.connectionsMax);
    this.#shard = shard;
    this.#shards = shards;
    this.#connectionsMax = perClient.connectionsMax;
    this.#number = new Uint32Array(this.count);
  }

  /**
   * A row has a new connection from now on.
   * @param client of this thread, whose row it is
   * @param iteration which play of the client it is for, from 0
   */
  connect(row: number, client: number, iteration: number): void {
    const runClient = client * this.#shards + this.#shard;
    const index = row - this.rows.firstRowOf(client);
    const port = iteration * this.#connectionsMax + index;
    this.#number[row] = this.#places.connectionOf(runClient, port);
  }

  numberOf(row: number): number {
    return this.#number[row];
  }

  userOf(connection: number): number {
    const runClient = this.#places.userOf(connection);
    if (runClient < 0 || runClient % this.#shards !== this.#shard) return NO_USER;
    const client = (runClient - this.#shard) / this.#shards;
    const index = this.#places.portOf(connection) % this.#connectionsMax;
    return index < this.rows.rowsOf(client) ? this.rows.firstRowOf(client) + index : NO_USER;
  }

  /** Which play of its client a connection is of, from 0. */
  iterationOf(connection: number): number {
    return Math.floor(this.#places.portOf(connection) / this.#connectionsMax);
  }
}
