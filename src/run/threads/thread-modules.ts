/** The modules of one thread, and what is told of them when it has ended. */
import { formatCount } from '../../base/units.ts';
import { Counter } from '../../measure/counters.ts';
import type { ModuleParts } from '../../replay/module-parts.ts';
import type { Replay } from '../../replay/replay.ts';
import { NO_MODULE, watchedModules } from '../../replay/watched-modules.ts';
import type { ProtocolModule } from '../../rewrite/module.ts';
import { Control, type ThreadJob } from './thread-job.ts';

/** Different reasons that are told. */
const REASONS_MAX = 3;
/** A pong on its way takes 64 octets, or 256 where its ping's payload is as long as may be. */
const PONG_BYTES_MAX = 256;
const PONG_MEMORY_MIN = 1 << 16;
const PONG_MEMORY_MAX = 1 << 25;
const NO_FAILURES: ReadonlyMap<string, number> = new Map();

/**
 * The thread's own modules; none where nothing is written during the run.
 * @param change gives what is called instead of them
 * @throws ReplayError as makeModules does
 */
export async function modulesOf(
  { plan, modules, control, shard }: ThreadJob,
  change: (made: readonly ProtocolModule[]) => readonly ProtocolModule[] = (made) => made,
): Promise<readonly ProtocolModule[]> {
  if (plan.rewriting === undefined) return [];
  const { modulesOfThread } = await import('../plan/http-rules.ts');
  const at = Control.CALLED + shard;
  const made = await modulesOfThread(modules, (place) => {
    control[at] = place + 1;
  });
  control[at] = NO_MODULE;
  return watchedModules(change(made), control, at);
}

/** What the engine is given; null where nothing is written. */
export const modulePartsOf = (
  job: ThreadJob,
  modules: readonly ProtocolModule[],
  arena: Uint8Array,
): ModuleParts | null =>
  job.plan.rewriting === undefined && !answersPings(job)
    ? null
    : { modules, arena, nowMs: () => Date.now() };

/** Whether users answer pings of their own: the embedded target's are the recorded ones, and so are the answers to them. */
const answersPings = ({ prepared, network }: ThreadJob): boolean =>
  network !== null && prepared.exchanges.pushed !== undefined;

/** Octets of the thread's memory for what is written during the run: users of WebSockets answer pings, too. */
export function writtenBytesOf(job: ThreadJob): number {
  const { plan, arenaBytes, shards } = job;
  if (plan.rewriting !== undefined || !answersPings(job)) return arenaBytes;
  const rows = Math.ceil(plan.users / shards);
  return Math.min(PONG_MEMORY_MAX, Math.max(PONG_MEMORY_MIN, rows * PONG_BYTES_MAX));
}

/** Why modules have failed: goes on growing. */
export const failuresOf = ({ rewriting }: Replay): ReadonlyMap<string, number> =>
  rewriting?.host.failures ?? NO_FAILURES;

/**
 * A thread was ended: the users that it had are aborted.
 * @param counters the thread's
 * @param isByModule whether a module is to blame
 * @returns how many those are
 */
export function endLive(counters: Float64Array, isByModule: boolean): number {
  const live = counters[Counter.STARTED] - ENDED.reduce((sum, each) => sum + counters[each], 0);
  counters[Counter.ABORTED] += live;
  counters[isByModule ? Counter.ABORTED_MODULE : Counter.ABORTED_INTERRUPTED] += live;
  return live;
}

const ENDED = [
  ...[Counter.COMPLETED, Counter.REFUSED, Counter.RESET, Counter.TIMED_OUT, Counter.ABORTED],
] as const;

/** Adds another thread's failures. */
export function addFailures(all: Map<string, number>, more: ReadonlyMap<string, number>): void {
  for (const [reason, count] of more) all.set(reason, (all.get(reason) ?? 0) + count);
}

/** The first few of them as lines. */
export const failureLines = (failures: ReadonlyMap<string, number>): string[] =>
  [...failures]
    .slice(0, REASONS_MAX)
    .map(([reason, count]) => `module ${reason} (${formatCount(count)} times)`);
