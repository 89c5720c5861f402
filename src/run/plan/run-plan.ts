/** What a run does, resolved to the last number: the same plain data for all of its threads. */
import type { Endpoint } from '../../base/address.ts';
import type { ReplayPlan } from '../../replay/replay-plan.ts';
import type { RewriteFacts } from '../../replay/rewrite-columns.ts';
import type { PoolShape } from '../../schedule/address-pool.ts';
import { type ArrivalOptions, type ArrivalPlan, planArrivals } from '../../schedule/arrivals.ts';
import { rowsOfShard } from '../../schedule/client-connections.ts';
import { type Sharing, usersOfShard } from '../../schedule/connections.ts';
import { arrivalsOfShare } from '../../schedule/run-share.ts';
import { placesOfShards, type TargetUsers } from '../../schedule/target-pools.ts';
import type { TargetTurns } from '../../schedule/target-ranks.ts';

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
  /** Whether addresses and ports are there once for each target (`schedule/target-pools.ts`). */
  readonly portsByTarget: boolean;
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

/** The target of each session that is played. */
export const turnsOf = ({
  scripts,
  played,
  targetOf,
  targets,
}: Pick<RunPlan, 'scripts' | 'played' | 'targetOf'> & {
  readonly targets: readonly unknown[];
}): TargetTurns => {
  const { endpoint } = scripts;
  const each = new Uint16Array(played.length);
  // Not by `Uint16Array.from`, whose calls cost 200 ns a session.
  for (let i = 0; i < each.length; i++) each[i] = targetOf[endpoint[played[i]]];
  return { targetOf: each, targets: targets.length };
};

/** What pools by target go by. */
export const targetUsersOf = (plan: RunPlan): TargetUsers => ({
  turns: turnsOf(plan),
  share: plan.share,
  iterations: plan.iterations,
});

/**
 * Where each thread's block of the pool begins at each target, and the last one ends; null where the
 * users' numbers tell the thread.
 */
export const targetBlocksOf = (plan: RunPlan, shards: number): readonly Float64Array[] | null =>
  plan.portsByTarget && plan.perClient === undefined
    ? placesOfShards(targetUsersOf(plan), shards)
    : null;

/** How the plan's connections are shared out among threads. */
export const shardingOf = (plan: RunPlan, shard: number, shards: number) => {
  const { order, firstPort, users } = plan;
  const sharing = { order, firstPort, users, portsEach: portsEachOf(plan), shards, shard };
  const blocks = shards === 1 ? null : targetBlocksOf(plan, shards);
  return blocks === null ? sharing : { ...sharing, blocks: blocks.map((of) => blockOf(of, shard)) };
};

/** Places that nobody has are the last thread's: what the probe asks comes from one of them. */
const blockOf = (starts: Float64Array, shard: number) => ({
  first: starts[shard],
  end: shard + 2 < starts.length ? starts[shard + 1] : Number.POSITIVE_INFINITY,
});
