/** Whether the threads of a run listen together, and who of them a packet is for. */
import { release } from 'node:os';
import { shardProgram } from '../../io/filter/reply-filter.ts';
import { hasReceiveGroups, ReceiveGroup } from '../../io/receive/receive-group.ts';
import type { NetworkWay } from '../plan/network-way.ts';
import { type RunPlan, shardingOf } from '../plan/run-plan.ts';

/** From so many threads on a group is cheaper than a filter each (bench/io/listeners.bench.mjs). */
const GROUP_THREADS_MIN = 3;

/** The threads' sockets. */
export interface Listeners {
  /** A descriptor a thread, in their order. */
  readonly sockets: readonly number[];
  /**
   * When every thread has bound its own.
   * @throws ReplayError ERR_IO_SOCKET, ERR_IO_FILTER, ERR_IO_FILTER_TOO_LONG
   */
  join(): void;
  /** When every thread has ended; harmless when called twice. */
  close(): void;
}

/**
 * Opens them; null where each thread opens its own, or none.
 * @throws ReplayError ERR_IO_NOT_PERMITTED, ERR_IO_SOCKET
 */
export function openListeners(plan: RunPlan, way: NetworkWay, threads: number): Listeners | null {
  if (way.channel !== null || threads < GROUP_THREADS_MIN) return null;
  const sharding = shardingOf(plan, 0, threads);
  // Where shards have blocks of places, a connection's number does not tell its shard.
  if ('blocks' in sharding || !hasReceiveGroups(release())) return null;
  const group = new ReceiveGroup(threads);
  const { targets, ports, clients } = plan;
  return {
    sockets: group.fds,
    join: () => group.join(shardProgram({ ranges: clients.ranges, targets, ports, sharding })),
    close: () => group.close(),
  };
}
