/** How many connections a plan has, and the addresses and ports that they need. */

import { ReplayError } from '../../base/errors.ts';
import { countPorts } from '../../base/port-range.ts';
import { formatCount } from '../../base/units.ts';
import { AddressPool, CONNECTIONS_MAX, type PoolShape } from '../../schedule/address-pool.ts';
import type { ClientAddresses } from '../../schedule/client-addresses.ts';
import { blocksOf } from '../../schedule/client-places.ts';
import { firstPortOf } from '../../schedule/client-ports.ts';
import { plannedPlays } from '../../schedule/connections.ts';
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
}

/** What else decides which addresses and ports connections have. */
export interface ConnectionRoom extends Partial<Pick<Surroundings, 'addressesMax' | 'hintTooFew'>> {
  /** Where users are clients: those that they play. */
  readonly recorded?: RecordedClients | null;
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
  const iterations = iterationsOf(options, users, pool);
  const connections = plannedPlays({ users, iterations });
  requireCountable(connections);
  pool.requireCapacity(connections, hintTooFew);
  return { shape, iterations, portsEach: 0 };
}

/** Clients have an address each as long as there are enough, and a block of its ports. */
function planClients(
  whole: ClientAddresses,
  clients: number,
  options: ReplayOptions,
  { hintTooFew, recorded }: ConnectionRoom & { readonly recorded: RecordedClients },
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
  const { connectionsMax } = recorded;
  const blockPorts = Math.floor(usable / Math.ceil(clients / addresses));
  const iterations = playsOf(options, Math.floor(blockPorts / connectionsMax));
  const portsEach = iterations * connectionsMax;
  const blocks = blocksOf(portsPerAddress, portsEach);
  if (addresses * blocks < clients) throw tooFewPorts(pool, clients, portsEach, hintTooFew);
  requireCountable(
    shape.order === 'ip'
      ? addresses * Math.ceil(clients / addresses) * portsEach
      : Math.ceil(clients / blocks) * portsPerAddress,
  );
  return { shape, iterations, portsEach };
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

function iterationsOf(options: ReplayOptions, users: number, pool: AddressPool): number {
  return playsOf(options, Math.floor(pool.capacity / users));
}

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
