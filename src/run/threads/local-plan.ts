/** What sockets of a run are opened with, those of the probe before it as well. */
import type { LocalPlan } from '../../io/open-local.ts';
import { runStartsNow } from '../../io/receive/run-clock.ts';
import type { NetworkWay } from '../plan/network-way.ts';
import { type RunPlan, shardingOf } from '../plan/run-plan.ts';

/** What follows from plan and way for one of `shards` threads; the rest is for whoever opens them. */
export const localPlanOf = (
  plan: RunPlan,
  way: NetworkWay,
  shard: number,
  shards: number,
): Omit<LocalPlan, 'answersNeighbours' | 'announcedAddresses' | 'captureBytes'> => ({
  path: way.path,
  sender: way.sender,
  queue: shard,
  files: plan.scripts.files,
  targets: plan.targets,
  ranges: plan.clients.ranges,
  ports: plan.ports,
  sharding: shardingOf(plan, shard, shards),
  runStart: runStartsNow(),
  ...(way.channel === null ? {} : { inbox: way.channel.inboxes[shard] }),
});
