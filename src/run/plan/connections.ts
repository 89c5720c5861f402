/** How many connections a plan has, and the addresses and ports that they need. */

import { ReplayError } from '../../base/errors.ts';
import { countPorts } from '../../base/port-range.ts';
import { formatCount } from '../../base/units.ts';
import { AddressPool, CONNECTIONS_MAX, type PoolShape } from '../../schedule/address-pool.ts';
import type { ClientAddresses } from '../../schedule/client-addresses.ts';
import { firstPortOf } from '../../schedule/client-ports.ts';
import type { ReplayOptions } from './options.ts';
import type { Surroundings } from './plan-run.ts';

/** The iteration column has 16 bits. */
const ITERATIONS_MAX = 0xffff;

/** Client ports where none were named: those that need no privilege elsewhere. */
const DEFAULT_PORTS = { first: 1_024, last: 65_535 } as const;

/** A pool for all of a run's connections. */
export interface PlannedConnections {
  readonly shape: PoolShape;
  /** How often each user plays; a limit only where time decides. */
  readonly iterations: number;
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
  room: Partial<Pick<Surroundings, 'addressesMax' | 'hintTooFew'>> = {},
): PlannedConnections {
  const { order, seed } = options;
  const ports = options.ports ?? DEFAULT_PORTS;
  const { addressesMax = Number.POSITIVE_INFINITY, hintTooFew } = room;
  const needed = Math.ceil((users * (options.iterations ?? 1)) / countPorts(ports));
  const clients = firstAddresses(whole, Math.max(needed, addressesMax));
  const shape = { clients, ports, order: order ?? 'ip', firstPort: firstPortOf(ports, seed) };
  const pool = new AddressPool(shape);
  const iterations = iterationsOf(options, users, pool);
  requireCountable(users * iterations);
  pool.requireCapacity(users * iterations, hintTooFew);
  return { shape, iterations };
}

function iterationsOf(options: ReplayOptions, users: number, pool: AddressPool): number {
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
  // Again and again until the time is up: as often as there are fresh addresses and ports.
  return Math.max(1, Math.min(ITERATIONS_MAX, Math.floor(pool.capacity / users)));
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
