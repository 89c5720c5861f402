/** A thread that plays against the embedded target. */
import { type ClientDirectory, EmbeddedTarget } from '../../embedded/embedded-target.ts';
import { openRunClock } from '../../io/receive/run-clock.ts';
import { Counter } from '../../measure/counters.ts';
import { LatencyRecorder } from '../../measure/histograms.ts';
import { IntervalRecorder } from '../../measure/intervals.ts';
import { octetsNeeded } from '../../replay/octets-needed.ts';
import { Replay } from '../../replay/replay.ts';
import type { ProtocolModule } from '../../rewrite/module.ts';
import { ClientConnections, type ClientPlan } from '../../schedule/client-connections.ts';
import {
  NO_USER,
  plannedPlays,
  type Sharing,
  sessionOf,
  UserConnections,
} from '../../schedule/connections.ts';
import { runConnectionOf } from '../../schedule/run-share.ts';
import { type CaptureBytes, withArena } from '../../transport/ports.ts';
import { enginePlan, poolOf } from '../plan/engine-plan.ts';
import { type RunPlan, rowsOf } from '../plan/run-plan.ts';
import { embeddedTurns } from './embedded-loop.ts';
import type { ThreadJob } from './thread-job.ts';
import { failuresOf, modulePartsOf, writtenBytesOf } from './thread-modules.ts';
import type { ThreadRun } from './thread-run.ts';

/** Prepares the thread's users and their target. */
export function openEmbeddedThread(
  job: ThreadJob,
  capture: CaptureBytes,
  modules: readonly ProtocolModule[],
): ThreadRun {
  const { plan, shard, shards, counters, control } = job;
  const sharing = { users: plan.users, shard, shards };
  const link = new Uint8Array(0);
  const links = plan.targets.map(() => link);
  const latency = new LatencyRecorder();
  const arena = new Uint8Array(writtenBytesOf(job));
  const target = new EmbeddedTarget({
    scripts: plan.scripts,
    capture: withArena(capture, arena),
    clients: clientDirectory(plan, sharing),
    users: rowsOf(plan, sharing),
    accel: plan.accel,
    seed: plan.seed,
    counters,
    prefixBytes: octetsNeeded(job.prepared.exchanges, plan.rewriting?.readsAnswers),
  });
  const replay = new Replay(
    { ...enginePlan(plan, shard, shards, links), answersAll: true },
    target,
    target,
    capture,
    latency,
    counters,
    job.prepared,
    job.figures,
    modulePartsOf(job, modules, arena),
  );
  if (replay.rewriting !== null) target.followTexts(replay.rewriting.stream);
  return {
    latency,
    notes: [],
    moduleFailures: failuresOf(replay),
    *turns(start) {
      const clock = job.realTime ? openRunClock(start) : null;
      const nowNs = clock === null ? null : () => clock.nowNs();
      const intervals = new IntervalRecorder(latency, counters);
      const endNs = yield* embeddedTurns({ replay, target, intervals, control, nowNs });
      counters[Counter.CLOCK_NS] = endNs;
      return intervals.finish(endNs);
    },
    close: () => undefined,
  };
}

/**
 * Whose connection an address and port are: the plan's own arithmetic.
 * @param sharing the thread whose users they are, counted within it; without it all are
 */
export function clientDirectory(
  plan: RunPlan,
  sharing: Sharing = { users: plan.users, shard: 0, shards: 1 },
): ClientDirectory {
  const { perClient } = plan;
  return perClient === undefined
    ? userDirectory(plan, sharing)
    : rowDirectory(plan, sharing, perClient);
}

/** The embedded targets are one machine: their ports tell them apart. A port that is nobody's is the first's. */
function targetRowOf({ targets }: RunPlan): (port: number) => number {
  const rows = new Map(targets.map(({ port }, row) => [port, row]));
  return (port) => rows.get(port) ?? 0;
}

/** Of clients with several connections. */
function rowDirectory(plan: RunPlan, sharing: Sharing, perClient: ClientPlan): ClientDirectory {
  const pool = poolOf(plan, sharing.shard, sharing.shards);
  const rowAt = targetRowOf(plan);
  const connections = new ClientConnections({ ...plan, ...sharing, pool, perClient });
  const { rows } = connections;
  const rowOf = (connection: number): number =>
    connection < 0 ? -1 : connections.userOf(connection);
  return {
    userOf: (low, port, targetPort) => rowOf(pool.connectionOf(low, port, rowAt(targetPort))),
    sessionOf: (low, port, targetPort) => {
      const connection = pool.connectionOf(low, port, rowAt(targetPort));
      const row = rowOf(connection);
      if (row < 0) return -1;
      const client = rows.clientOf(row);
      const iteration = connections.iterationOf(connection);
      const recorded = rows.recordedOf(client, iteration);
      const index = perClient.firstOf[recorded] + row - rows.firstRowOf(client);
      return index < perClient.firstOf[recorded + 1] ? plan.played[index] : -1;
    },
  };
}

function userDirectory(plan: RunPlan, sharing: Sharing): ClientDirectory {
  const pool = poolOf(plan, sharing.shard, sharing.shards);
  const rowAt = targetRowOf(plan);
  const users = new UserConnections(sharing, plan.iterations);
  const connections = plannedPlays(plan);
  const connectionOf = (low: number, port: number, targetPort: number): number => {
    const connection = pool.connectionOf(low, port, rowAt(targetPort));
    return connection < connections ? connection : -1;
  };
  return {
    userOf: (low, port, targetPort) => {
      const connection = connectionOf(low, port, targetPort);
      return connection < 0 ? NO_USER : users.userOf(connection);
    },
    sessionOf: (low, port, targetPort) => {
      const connection = connectionOf(low, port, targetPort);
      return connection < 0 ? -1 : sessionOf(runConnectionOf(connection, plan.share), plan.played);
    },
  };
}
