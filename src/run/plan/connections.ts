/** How many connections a plan has, and the addresses and ports that they need. */

import { ReplayError } from '../../base/errors.ts';
import { countPorts } from '../../base/port-range.ts';
import { formatCount } from '../../base/units.ts';
import { AddressPool, CONNECTIONS_MAX, type PoolShape } from '../../schedule/address-pool.ts';
import type { ClientAddresses } from '../../schedule/client-addresses.ts';
import { blocksOf } from '../../schedule/client-places.ts';
import { firstPortOf } from '../../schedule/client-ports.ts';
import { plannedPlays } from '../../schedule/connections.ts';
import type { RunShare } from '../../schedule/run-share.ts';
import {
  connectionsByTarget,
  connectionsToOneTarget,
  playsWithin,
} from '../../schedule/target-pools.ts';
import type { TargetTurns } from '../../schedule/target-ranks.ts';
import type { ReplayOptions } from './options.ts';
import type { Surroundings } from './plan-run.ts';
import type { RecordedClients } from './recorded-clients.ts';

/** The iteration column has 16 bits. */
const ITERATIONS_MAX = 0xffff;

/** Client ports where none were named: those that need no privilege elsewhere. */
const DEFAULT_PORTS = { first: 1_024, last: 65_535 } as const;

/** A pool for all of a run's connections. */
export interface PlannedConnections {
  readonly shape: PoolShape;
  /** How often each user plays; a limit only where time decides. */
  readonly iterations: number;
  /** Ports of a client for all connections of all its plays; 0 where users are connections. */
  readonly portsEach: number;
  /** Whether an address and port are there once for each target: they would not suffice otherwise. */
  readonly portsByTarget: boolean;
}

/** What else decides which addresses and ports connections have. */
export interface ConnectionRoom extends Partial<Pick<Surroundings, 'addressesMax' | 'hintTooFew'>> {
  /** Where users are clients: those that they play. */
  readonly recorded?: RecordedClients | null;
  /** Which target each session goes to, and which part of the run the users are; absent: one target. */
  readonly turns?: TargetTurns;
  readonly share?: RunShare;
}

/**
 * @param whole addresses that clients may have
 * @param room as many of them as should be used unless the users need more, and what to do where
 * they are too few
 * @throws ReplayError usage: ERR_RUN_ITERATIONS, ERR_RUN_CONNECTIONS, ERR_POOL_TOO_SMALL
 */
export function planConnections(
  whole: ClientAddresses,
  users: number,
  options: ReplayOptions,
  room: ConnectionRoom = {},
): PlannedConnections {
  const { recorded = null } = room;
  if (recorded !== null) return planClients(whole, users, options, { ...room, recorded });
  const { order, seed } = options;
  const ports = options.ports ?? DEFAULT_PORTS;
  const { addressesMax = Number.POSITIVE_INFINITY, hintTooFew } = room;
  const needed = Math.ceil((users * (options.iterations ?? 1)) / countPorts(ports));
  const clients = firstAddresses(whole, Math.max(needed, addressesMax));
  const shape = { clients, ports, order: order ?? 'ip', firstPort: firstPortOf(ports, seed) };
  const pool = new AddressPool(shape);
  const iterations = playsOf(options, Math.floor(pool.capacity / users));
  const connections = plannedPlays({ users, iterations });
  requireCountable(connections);
  const byTarget = playsByTarget(pool, { users, iterations }, options, room);
  if (byTarget !== null) return { shape, iterations: byTarget, portsEach: 0, portsByTarget: true };
  pool.requireCapacity(connections, hintTooFew);
  return { shape, iterations, portsEach: 0, portsByTarget: false };
}

/**
 * How often users play where each target has all addresses and ports for itself.
 * @returns null where one pool for all of them is enough
 */
function playsByTarget(
  pool: AddressPool,
  planned: { readonly users: number; readonly iterations: number },
  options: ReplayOptions,
  { turns, share, hintTooFew }: ConnectionRoom,
): number | null {
  if (turns === undefined || share === undefined || turns.targets === 1) return null;
  const isTooSmall = plannedPlays(planned) > pool.capacity;
  const playsMax = Math.min(ITERATIONS_MAX, Math.floor(CONNECTIONS_MAX / planned.users));
  const iterations = playsUntilTime(options)
    ? Math.max(1, playsWithin({ turns, share }, pool.capacity, playsMax))
    : planned.iterations;
  if (!isTooSmall && iterations <= planned.iterations) return null;
  const most = Math.max(...connectionsByTarget({ turns, share, iterations }));
  pool.requireCapacity(most, hintTooFew, ' to one target');
  return iterations;
}

const playsUntilTime = ({ iterations, durationNs }: ReplayOptions): boolean =>
  iterations === null && durationNs !== null;

/** Clients have an address each as long as there are enough, and a block of its ports. */
function planClients(
  whole: ClientAddresses,
  clients: number,
  options: ReplayOptions,
  { hintTooFew, recorded, turns }: ConnectionRoom & { readonly recorded: RecordedClients },
): PlannedConnections {
  const { order, seed } = options;
  const ports = options.ports ?? DEFAULT_PORTS;
  const shape: PoolShape = {
    clients: firstAddresses(whole, clients),
    ports,
    order: order ?? 'ip',
    firstPort: firstPortOf(ports, seed),
  };
  const pool = new AddressPool(shape);
  const { addresses, portsPerAddress } = pool;
  // Of many addresses fewer ports are used: connection numbers have 32 bits.
  const usable = Math.min(portsPerAddress, Math.floor(CONNECTIONS_MAX / addresses));
  const blockPorts = Math.floor(usable / Math.ceil(clients / addresses));
  const planned = (playPorts: number) => {
    const iterations = playsOf(options, Math.floor(blockPorts / playPorts));
    const portsEach = iterations * playPorts;
    const blocks = blocksOf(portsPerAddress, portsEach);
    return { iterations, portsEach, blocks, isEnough: addresses * blocks >= clients };
  };
  const { connectionsMax, firstOf } = recorded;
  const forAll = planned(connectionsMax);
  const portsOfOne = turns === undefined ? connectionsMax : connectionsToOneTarget(turns, firstOf);
  const forEach = planned(portsOfOne);
  const portsByTarget = !forAll.isEnough || forEach.iterations > forAll.iterations;
  const { iterations, portsEach, blocks, isEnough } = portsByTarget ? forEach : forAll;
  if (!isEnough) throw tooFewPorts(pool, clients, portsEach, hintTooFew);
  requireCountable(
    shape.order === 'ip'
      ? addresses * Math.ceil(clients / addresses) * portsEach
      : Math.ceil(clients / blocks) * portsPerAddress,
  );
  if (portsByTarget) requireCountable(clients * iterations * connectionsMax);
  return { shape, iterations, portsEach, portsByTarget };
}

const tooFewPorts = (
  pool: AddressPool,
  clients: number,
  portsEach: number,
  hintTooFew: string | undefined,
): ReplayError => {
  const each = blocksOf(pool.portsPerAddress, portsEach);
  const has =
    `'${pool.clients.text}' has ${formatCount(pool.addresses)} ` +
    `with ${formatCount(pool.portsPerAddress)} ports`;
  return new ReplayError({
    code: 'ERR_POOL_TOO_SMALL',
    kind: 'usage',
    message:
      each === 0
        ? `a client needs ${formatCount(portsEach)} ports of one address for the connections of its ` +
          `plays; there are ${formatCount(pool.portsPerAddress)}`
        : `${formatCount(clients)} clients with ${formatCount(portsEach)} ports each need ` +
          `${formatCount(Math.ceil(clients / each))} addresses; ${has}`,
    hint:
      hintTooFew ??
      (each === 0
        ? 'give more --ports, fewer --iterations, or --per connection'
        : 'give a larger pool of --clients, more --ports, or fewer --users'),
  });
};

/** @param playsMax as often as there are fresh addresses and ports for */
function playsOf(options: ReplayOptions, playsMax: number): number {
  if (options.iterations !== null) {
    if (options.iterations <= ITERATIONS_MAX) return options.iterations;
    throw new ReplayError({
      code: 'ERR_RUN_ITERATIONS',
      kind: 'usage',
      message: `--iterations ${options.iterations} is above ${formatCount(ITERATIONS_MAX)}`,
      hint: 'use more users, or --duration',
    });
  }
  if (options.durationNs === null) return 1;
  // Again and again until the time is up.
  return Math.max(1, Math.min(ITERATIONS_MAX, playsMax));
}

/** The kernel's filter counts connections in 32 bits. */
function requireCountable(connections: number): void {
  if (connections <= CONNECTIONS_MAX) return;
  throw new ReplayError({
    code: 'ERR_RUN_CONNECTIONS',
    kind: 'usage',
    message:
      `${formatCount(connections)} connections are planned (users × iterations), ` +
      `at most ${formatCount(CONNECTIONS_MAX)} are possible`,
    hint: 'give fewer --users or --iterations',
  });
}

/** The pool's first addresses, at most `count` of them. */
function firstAddresses(clients: ClientAddresses, count: number): ClientAddresses {
  let left = count;
  const ranges = clients.ranges.flatMap((range) => {
    const taken = Math.min(range.count, left);
    left -= taken;
    return taken > 0 ? [{ ...range, count: taken }] : [];
  });
  return { ...clients, ranges };
}
