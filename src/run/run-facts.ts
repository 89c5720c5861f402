/** What a run's result says besides what was measured: what was asked for, and of which captures. */
import { NS_PER_SECOND } from '../base/time.ts';
import { Counter } from '../measure/counters.ts';
import type { RunFacts } from '../measure/result.ts';
import { STATE_BYTES_PER_USER } from '../replay/replay.ts';
import { planArrivals } from '../schedule/arrivals.ts';
import type { CaptureIndex } from './captures/index-captures.ts';
import type { ReplayOptions } from './plan/options.ts';
import { recordedRate } from './plan/planned-load.ts';
import { type RunPlan, unmappedOf } from './plan/run-plan.ts';

/**
 * The facts of a run over these captures.
 * @param counters of all threads, when the run is over
 */
export function factsOf(
  options: ReplayOptions,
  index: CaptureIndex,
  plan: RunPlan,
  counters: Float64Array,
  known: Pick<
    RunFacts,
    'version' | 'startedAt' | 'wallSeconds' | 'isInterrupted' | 'failure' | 'generator'
  > & {
    /** Of the intercepts; null without. */
    readonly mode: string | null;
  },
): RunFacts {
  const unmapped = unmappedOf(plan);
  const isEmbedded = options.target.kind === 'embedded';
  const { total, replayable, skipped } = index.sessions;
  const plays = plan.users * plan.iterations;
  // Played again and again until the time was up: what was not begun was never planned.
  const { playsUntilNs } = plan;
  const started = counters[Counter.STARTED];
  const exchangesPerPlay = started > 0 ? counters[Counter.EXCHANGES_PLANNED] / started : 0;
  const { mode, ...facts } = known;
  return {
    ...facts,
    command: options.command,
    durationNs: counters[Counter.CLOCK_NS],
    clock: isEmbedded && !options.realTime ? 'virtual' : 'real',
    capture: {
      files: options.captures,
      sessions: {
        total,
        replayable: replayable - unmapped,
        skipped: unmapped === 0 ? skipped : { ...skipped, 'not-mapped': unmapped },
      },
    },
    plan: {
      users: plan.users,
      iterations: plan.iterations,
      accel: options.accel,
      pace: options.pace,
      clients: plan.clients.text,
      target: isEmbedded ? 'embedded' : plan.targets.map(({ label }) => label).join(','),
      mode: isEmbedded ? 'embedded' : (mode ?? 'local'),
      seed: options.seed,
      arrivals: planArrivals(plan.arrivals).description,
      untilSeconds: playsUntilNs === null ? null : playsUntilNs / NS_PER_SECOND,
    },
    plays: playsUntilNs === null ? plays : Math.max(plan.users, started),
    recordedPerSecond: recordedRate(plan, exchangesPerPlay),
    stateBytesPerUser: STATE_BYTES_PER_USER,
  };
}
