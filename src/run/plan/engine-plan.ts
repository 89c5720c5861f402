/** A thread's own objects of the plan that all threads were given. */
import { addressBytes } from '../../base/address.ts';
import type { ReplayPlan } from '../../replay/replay-plan.ts';
import { AddressPool } from '../../schedule/address-pool.ts';
import { arrivalsOf, type RunPlan } from './run-plan.ts';

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
    pool: new AddressPool(plan),
    arrivals: arrivalsOf(plan),
    targets: plan.targets.map(({ address, port }, row) => ({
      address: addressBytes(address),
      port,
      link: links[row],
    })),
  };
}
