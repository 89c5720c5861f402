/** From an index of captures to a run's plan, and the memory that it takes. */
import { REWRITING_BYTES_PER_USER } from '../replay/state-bytes.ts';
import type { ProtocolModule } from '../rewrite/module.ts';
import type { Scripts } from '../session/script/scripts.ts';
import type { PlayedCaptures } from './captures/index-captures.ts';
import { draftPlan, mappedSessions, type PlanDraft } from './plan/draft-plan.ts';
import { requireMemory } from './plan/memory.ts';
import type { ModuleSpec } from './plan/modules.ts';
import {
  answersFor,
  findPath,
  type NetworkWay,
  surroundingsOf,
  wayOf,
} from './plan/network-way.ts';
import type { ReplayOptions, RunHost } from './plan/options.ts';
import { asksForOwn, planOwn } from './plan/own-clients.ts';
import { NO_SURROUNDINGS, planRun } from './plan/plan-run.ts';
import type { RunPlan } from './plan/run-plan.ts';

/** Of the free memory, for what is written during the run, unless somebody says how much. */
const REWRITE_MEMORY_SHARE = 0.25;
/** One thread's: more is no one piece of memory for JavaScript. */
const ARENA_BYTES_MAX = 2 ** 31;

/** Most runs write nothing, and do not load what can. */
const loadModules = async () => ({
  ...(await import('./plan/module-trial.ts')),
  ...(await import('./plan/watched-loading.ts')),
  ...(await import('./plan/http-rules.ts')),
  ...(await import('./plan/modules.ts')),
});

async function modulesFor(
  { tryModules, whileWatched, modulesOfPlan }: Awaited<ReturnType<typeof loadModules>>,
  specs: readonly ModuleSpec[],
  host: Pick<RunHost, 'onWarning' | 'interrupted'>,
): Promise<readonly ProtocolModule[]> {
  const triedMs = await tryModules(specs, host);
  return await whileWatched(specs, host, triedMs, (onMaking) => modulesOfPlan(specs, onMaking));
}

/**
 * The draft of the plan.
 * @param scripts of the captures; those that will be played say something
 * @param host is told of a module that does not come to its end while it is loaded
 * @throws ReplayError as tryModules, whileWatched, makeModules, draftPlan and requireMemory do
 */
export async function draftFor(
  index: PlayedCaptures,
  scripts: Scripts,
  options: ReplayOptions,
  host: Pick<RunHost, 'onWarning' | 'interrupted'>,
): Promise<PlanDraft> {
  const specs = options.modules ?? [];
  const rules = specs.length === 0 ? null : await loadModules();
  const modules = rules === null ? [] : await modulesFor(rules, specs, host);
  const draft = draftPlan(scripts, options, {
    isOwn: asksForOwn(options),
    readTimes: index.requestTimes,
    rewrites:
      modules.length === 0
        ? null
        : await index.rewrites(scripts, mappedSessions(scripts, options), modules),
  });
  rules?.requireRows(specs, draft.share.users, options.iterations ?? 1);
  const isChanged = (draft.rewrites?.facts.sessions.size ?? 0) > 0;
  const moreBytes = isChanged ? REWRITING_BYTES_PER_USER : 0;
  requireMemory(draft.rows, options.target.kind === 'embedded', moreBytes);
  return draft;
}

/**
 * The plan, and for real targets the way to them: its MTU bounds the segments, and addresses that
 * are in use on the way are left out of the pool.
 * @param asksLink whether the link is asked for the next hop's MAC, which takes privilege
 */
export function planWay(
  draft: PlanDraft,
  epochMs: number,
  asksLink = true,
): { readonly plan: RunPlan; readonly network: NetworkWay | null } {
  const { options } = draft;
  if (options.target.kind === 'embedded') {
    return { plan: planRun(draft, NO_SURROUNDINGS, epochMs), network: null };
  }
  if (draft.isOwn) return planOwn(draft, epochMs, asksLink);
  const path = findPath(draft, asksLink);
  const answers = answersFor(draft, path);
  const plan = planRun(draft, surroundingsOf(options, path, answers), epochMs);
  return { plan, network: wayOf(plan, options, path, answers) };
}

/** Octets that each of so many threads has for what is written during the run; 0 where nothing is. */
export function arenaBytesOf(
  { rewriting }: RunPlan,
  { rewriteMemoryBytes = null }: ReplayOptions,
  threads: number,
): number {
  if (rewriting === undefined) return 0;
  const bytes = rewriteMemoryBytes ?? process.availableMemory() * REWRITE_MEMORY_SHARE;
  return Math.min(ARENA_BYTES_MAX, Math.floor(bytes / threads));
}
