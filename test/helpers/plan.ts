/** Plans of runs against the embedded target, or with surroundings made by hand. */
import { draftPlan } from '../../src/run/plan/draft-plan.ts';
import type { ReplayOptions } from '../../src/run/plan/options.ts';
import { NO_SURROUNDINGS, planRun } from '../../src/run/plan/plan-run.ts';
import type { RunPlan } from '../../src/run/plan/run-plan.ts';
import type { Scripts } from '../../src/session/script/scripts.ts';

export const planOf = (
  scripts: Scripts,
  options: ReplayOptions,
  surroundings = NO_SURROUNDINGS,
): RunPlan => planRun(draftPlan(scripts, options), surroundings, 0);
