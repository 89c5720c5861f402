/** What a run does, resolved to the last number: the same plain data for all of its threads. */
import type { Endpoint } from '../../base/address.ts';
import type { ReplayPlan } from '../../replay/replay-plan.ts';
import type { RewriteFacts } from '../../replay/rewrite-columns.ts';
import type { PoolShape } from '../../schedule/address-pool.ts';
import { type ArrivalOptions, type ArrivalPlan, planArrivals } from '../../schedule/arrivals.ts';
import { rowsOfShard } from '../../schedule/client-connections.ts';
import { type Sharing, usersOfShard } from '../../schedule/connections.ts';
import { arrivalsOfShare } from '../../schedule/run-share.ts';

/** Where sessions are played. */
export interface RunTarget extends Endpoint {
  /** As the user wrote it. */
  readonly label: string;
}

/** An engine's plan before it has objects of its own (`enginePlan`); it can be posted to threads. */
export interface RunPlan
  extends PoolShape,
    Omit<ReplayPlan, 'targets' | 'pool' | 'arrivals' | 'shard' | 'shards'> {
  readonly targets: readonly RunTarget[];
  /** Of the whole run (`arrivalsOf`). */
  readonly arrivals: ArrivalOptions;
  /** Where users play again and again until a time: that time. Then `iterations` is a limit only. */
  readonly playsUntilNs: number | null;
  /** What modules want with the sessions; absent without modules. */
  readonly rewrites?: RewriteFacts;
  /** How many sessions modules have refused, by reason. */
  readonly refused?: ReadonlyMap<string, number>;
}

/** Sessions that could be replayed, but that no route leads to a target: they are not played. */
const unmappedOf = ({ scripts, played, refused = new Map() }: RunPlan): number =>
  [...refused.values()].reduce((rest, count) => rest - count, scripts.sessions - played.length);

/** Sessions that could be replayed and are not, by reason. */
export const unplayedOf = (plan: RunPlan): Readonly<Record<string, number>> => {
  const unmapped = unmappedOf(plan);
  return {
    ...(unmapped === 0 ? {} : { 'not-mapped': unmapped }),
    ...Object.fromEntries(plan.refused ?? []),
  };
};

/** When the plan's users start. */
export const arrivalsOf = ({ arrivals, share }: RunPlan): ArrivalPlan =>
  arrivalsOfShare(planArrivals(arrivals), share);

/** Ports of a user that is a client with several connections; 0 where users are connections. */
export const portsEachOf = ({ perClient }: RunPlan): number => perClient?.portsEach ?? 0;

/** Connections that a thread's users may have at a time: users, or rows of clients. */
export const rowsOf = (
  plan: RunPlan,
  sharing: Sharing = { users: plan.users, shard: 0, shards: 1 },
): number => {
  const { perClient } = plan;
  return perClient === undefined
    ? usersOfShard(sharing)
    : rowsOfShard({ ...plan, ...sharing, perClient }).count;
};

/** How the plan's connections are shared out among threads. */
export const shardingOf = (plan: RunPlan, shard: number, shards: number) => {
  const { order, firstPort, users } = plan;
  return { order, firstPort, users, portsEach: portsEachOf(plan), shards, shard };
};
