/** A thread's own objects of the plan that all threads were given. */
import { addressBytes } from '../../base/address.ts';
import type { ReplayPlan } from '../../replay/replay-plan.ts';
import { AddressPool } from '../../schedule/address-pool.ts';
import type { ConnectionPool } from '../../schedule/connection-pool.ts';
import { ClientTargetPool, UserTargetPool } from '../../schedule/target-pools.ts';
import { arrivalsOf, type RunPlan, targetUsersOf } from './run-plan.ts';

/** @param links what stands before the IP header of frames to each of the plan's targets */
export function enginePlan(
  plan: RunPlan,
  shard: number,
  shards: number,
  links: readonly Uint8Array[],
): ReplayPlan {
  return {
    ...plan,
    shard,
    shards,
    pool: poolOf(plan, shard, shards),
    arrivals: arrivalsOf(plan),
    targets: plan.targets.map(({ address, port }, row) => ({
      address: addressBytes(address),
      port,
      link: links[row],
    })),
  };
}

/** The addresses and ports of a thread's connections. */
export function poolOf(plan: RunPlan, shard: number, shards: number): ConnectionPool {
  if (!plan.portsByTarget) return new AddressPool(plan);
  const users = targetUsersOf(plan);
  return plan.perClient === undefined
    ? new UserTargetPool(plan, users, { users: plan.users, shard, shards })
    : new ClientTargetPool(plan, users, plan.perClient);
}
