/**
 * Pools whose addresses and ports are there once for each target: a connection is known by both of its
 * ends, so the same address and port may be open to several targets at once.
 *
 * Connections keep their numbers through all users and iterations; a target's connections, counted for
 * themselves, take the places of the pool in turn. Each thread has a block of places at each target, so
 * that the kernel's filter finds the thread by two comparisons (`io/filter/reply-filter.ts`).
 */
import { AddressPool, CONNECTIONS_MAX, type PoolShape } from './address-pool.ts';
import type { ClientPlan } from './client-connections.ts';
import { ClientPlaces } from './client-places.ts';
import type { ConnectionPool, PoolNumbering } from './connection-pool.ts';
import { connectionOf, type Sharing, usersOfShard } from './connections.ts';
import { type RunShare, runConnectionOf, usersOfShare } from './run-share.ts';
import { SessionCycles, TargetRanks, type TargetTurns } from './target-ranks.ts';

/** What the connections of a run's part are: who plays what how often. */
export interface TargetUsers {
  readonly turns: TargetTurns;
  readonly share: RunShare;
  readonly iterations: number;
}

/**
 * How often users can play until a target's connections are more than `places`.
 * @param playsMax not more often than this
 */
export function playsWithin(
  { turns, share }: Omit<TargetUsers, 'iterations'>,
  places: number,
  playsMax: number,
): number {
  const users = usersOfShare(share);
  const cycles = new SessionCycles(turns, share.of);
  const taken = new Float64Array(turns.targets);
  for (let plays = 0; plays < playsMax; plays++) {
    const session = sessionAt(turns, share, plays * users);
    for (let target = 0; target < turns.targets; target++) {
      taken[target] += cycles.countFrom(session, target, users);
      if (taken[target] > places) return plays;
    }
  }
  return playsMax;
}

/** How many connections go to each target. */
export function connectionsByTarget({ turns, share, iterations }: TargetUsers): number[] {
  const users = { users: usersOfShare(share), shard: 0, shards: 1 };
  const ranks = ranksOf({ turns, share, iterations }, users, new SessionCycles(turns, share.of));
  return Array.from({ length: turns.targets }, (_, target) => ranks.total(target));
}

/** For each target the place at which each thread's block begins, and behind the last where it ends. */
export function placesOfShards(
  plan: TargetUsers,
  shards: number,
  cycles = new SessionCycles(plan.turns, shards * plan.share.of),
): readonly Float64Array[] {
  const users = usersOfShare(plan.share);
  const starts = Array.from({ length: plan.turns.targets }, () => new Float64Array(shards + 1));
  for (let shard = 0; shard < shards; shard++) {
    const ranks = ranksOf(plan, { users, shard, shards }, cycles);
    for (const [target, places] of starts.entries()) {
      places[shard + 1] = places[shard] + ranks.total(target);
    }
  }
  return starts;
}

/** The thread whose block holds a place, as the kernel's filter finds it: behind all blocks the last one. */
export function shardAtPlace(starts: Float64Array, place: number): number {
  const last = starts.length - 2;
  for (let shard = 0; shard < last; shard++) if (place < starts[shard + 1]) return shard;
  return last;
}

/** @param cycles of the thread's users */
function ranksOf(plan: TargetUsers, sharing: Sharing, cycles: SessionCycles): TargetRanks {
  const { turns, share, iterations } = plan;
  return new TargetRanks(cycles, {
    users: usersOfShard(sharing),
    iterations,
    sessionAt: (iteration) =>
      sessionAt(turns, share, connectionOf(sharing.shard, iteration, sharing.users)),
  });
}

const sessionAt = ({ targetOf }: TargetTurns, share: RunShare, connection: number): number =>
  runConnectionOf(connection, share) % targetOf.length;

/** Of users that have one connection at a time: the part of the pool that one thread plays. */
export class UserTargetPool implements ConnectionPool {
  readonly isByTarget = true;
  readonly clients: PoolShape['clients'];
  readonly numbering: PoolNumbering;
  readonly #pool: AddressPool;
  readonly #sharing: Sharing;
  readonly #ranks: TargetRanks;
  /** For each target where the thread's block of places begins. */
  readonly #from: Float64Array;
  /** The connection that was asked for last, and its place: a frame asks for address and port. */
  #connection = -1;
  #place = -1;

  constructor(shape: PoolShape, plan: TargetUsers, sharing: Sharing) {
    const { shard, shards } = sharing;
    this.clients = shape.clients;
    this.#pool = new AddressPool(shape);
    this.numbering = this.#pool;
    this.#sharing = sharing;
    const cycles = new SessionCycles(plan.turns, shards * plan.share.of);
    this.#ranks = ranksOf(plan, sharing, cycles);
    const starts = placesOfShards(plan, shards, cycles);
    this.#from = Float64Array.from(starts, (places) => places[shard]);
  }

  lowBitsOf(connection: number): number {
    return this.#pool.lowBitsOf(this.#placeOf(connection));
  }

  portOf(connection: number): number {
    return this.#pool.portOf(this.#placeOf(connection));
  }

  connectionOf(low: number, port: number, target: number): number {
    const place = this.#pool.connectionOf(low, port);
    if (place < 0) return -1;
    const rank = place - this.#from[target];
    if (rank < 0 || rank >= this.#ranks.total(target)) return -1;
    const { users, shard, shards } = this.#sharing;
    const iteration = this.#ranks.iterationOf(target, rank);
    const user = this.#ranks.userOf(target, rank, iteration);
    return iteration * users + user * shards + shard;
  }

  #placeOf(connection: number): number {
    if (connection === this.#connection) return this.#place;
    const { users, shard, shards } = this.#sharing;
    const iteration = Math.floor(connection / users);
    const user = (connection - iteration * users - shard) / shards;
    const target = this.#ranks.targetOf(user, iteration);
    this.#connection = connection;
    this.#place = this.#from[target] + this.#ranks.rankOf(user, iteration);
    return this.#place;
  }
}

/** The most connections that a recorded client has to one target. */
export function connectionsToOneTarget(
  { targetOf, targets }: TargetTurns,
  firstOf: Uint32Array,
): number {
  let most = 0;
  for (let client = 0; client + 1 < firstOf.length; client++) {
    const counts = new Uint32Array(targets);
    for (let row = firstOf[client]; row < firstOf[client + 1]; row++) counts[targetOf[row]]++;
    most = Math.max(most, ...counts);
  }
  return most;
}

/**
 * Of clients that have several connections: a client has a block of ports, and of these its connections
 * to each target take the first, the second, and so on.
 */
export class ClientTargetPool implements ConnectionPool {
  readonly isByTarget = true;
  readonly clients: PoolShape['clients'];
  /** As if there were one address, with a port for each connection of each client. */
  readonly numbering: PoolNumbering = {
    order: 'port',
    addresses: 1,
    portsPerAddress: CONNECTIONS_MAX,
  };
  readonly #pool: AddressPool;
  readonly #places: ClientPlaces;
  readonly #plan: TargetUsers;
  readonly #perClient: ClientPlan;
  /** Ports of a play, and numbers of a play. */
  readonly #playPorts: number;
  readonly #playNumbers: number;
  /** A session, as played: how many before it its recorded client had to its target. */
  readonly #rank: Uint32Array;
  /** Each client's sessions by target, and of one target in their order. */
  readonly #byTarget: Uint32Array;

  constructor(shape: PoolShape, plan: TargetUsers, perClient: ClientPlan) {
    const { turns, share, iterations } = plan;
    const { firstOf, connectionsMax, portsEach } = perClient;
    this.clients = shape.clients;
    this.#pool = new AddressPool(shape);
    this.#places = new ClientPlaces(this.#pool, usersOfShare(share), portsEach);
    this.#plan = plan;
    this.#perClient = perClient;
    this.#playPorts = portsEach / iterations;
    this.#playNumbers = connectionsMax;
    const sessions = turns.targetOf.length;
    this.#rank = new Uint32Array(sessions);
    this.#byTarget = Uint32Array.from({ length: sessions }, (_, row) => row);
    for (let client = 0; client + 1 < firstOf.length; client++) {
      const rows = this.#byTarget.subarray(firstOf[client], firstOf[client + 1]);
      rows.sort((a, b) => turns.targetOf[a] - turns.targetOf[b] || a - b);
      for (let i = 1; i < rows.length; i++) {
        const isSame = turns.targetOf[rows[i]] === turns.targetOf[rows[i - 1]];
        this.#rank[rows[i]] = isSame ? this.#rank[rows[i - 1]] + 1 : 0;
      }
    }
  }

  lowBitsOf(connection: number): number {
    return this.#pool.lowBitsOf(this.#placeOf(connection));
  }

  portOf(connection: number): number {
    return this.#pool.portOf(this.#placeOf(connection));
  }

  connectionOf(low: number, port: number, target: number): number {
    const place = this.#pool.connectionOf(low, port);
    const client = place < 0 ? -1 : this.#places.userOf(place);
    if (client < 0) return -1;
    const index = this.#places.portOf(place);
    const iteration = Math.floor(index / this.#playPorts);
    const recorded = this.#recordedOf(client, iteration);
    const row = this.#rowOf(recorded, target, index - iteration * this.#playPorts);
    if (row < 0) return -1;
    const first = (client * this.#plan.iterations + iteration) * this.#playNumbers;
    return first + row - this.#perClient.firstOf[recorded];
  }

  #placeOf(connection: number): number {
    const play = Math.floor(connection / this.#playNumbers);
    const client = Math.floor(play / this.#plan.iterations);
    const iteration = play - client * this.#plan.iterations;
    const first = this.#perClient.firstOf[this.#recordedOf(client, iteration)];
    const rank = this.#rank[first + connection - play * this.#playNumbers];
    return this.#places.connectionOf(client, iteration * this.#playPorts + rank);
  }

  /** The recorded client that a client plays (`ClientRows.recordedOf`). */
  #recordedOf(client: number, iteration: number): number {
    const { share } = this.#plan;
    const play = runConnectionOf(iteration * usersOfShare(share) + client, share);
    return play % (this.#perClient.firstOf.length - 1);
  }

  /** A recorded client's session to the target with so many before it; -1 where it has none. */
  #rowOf(recorded: number, target: number, rank: number): number {
    const { firstOf } = this.#perClient;
    const { targetOf } = this.#plan.turns;
    const end = firstOf[recorded + 1];
    let low = firstOf[recorded];
    let high = end;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (targetOf[this.#byTarget[middle]] < target) low = middle + 1;
      else high = middle;
    }
    const at = low + rank;
    if (at >= end || targetOf[this.#byTarget[at]] !== target) return -1;
    return this.#byTarget[at];
  }
}
