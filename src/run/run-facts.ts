/** What a run's record says besides what was measured: what was asked for, and of which captures. */

import { NS_PER_SECOND } from '../base/time.ts';
import type { RunIdentity, ShareFacts } from '../measure/run-record.ts';
import { stateBytesOf } from '../replay/state-bytes.ts';
import { planArrivals } from '../schedule/arrivals.ts';
import { wholeRun } from '../schedule/run-share.ts';
import type { PlayedCaptures } from './captures/index-captures.ts';
import { askedOf, captureDigest, planDigest } from './plan/digests.ts';
import type { ReplayOptions } from './plan/options.ts';
import { clientsText } from './plan/options.ts';
import { clientConnections, plannedLoad } from './plan/planned-load.ts';
import { type RunPlan, unplayedOf } from './plan/run-plan.ts';

/**
 * What all shares of the run have in common; it reads the captures' ends, so it is asked for before
 * the run, when they are sure to be there.
 */
export function runIdentity(
  options: ReplayOptions,
  index: PlayedCaptures,
  plan: RunPlan,
  version: string,
): RunIdentity {
  const isEmbedded = options.target.kind === 'embedded';
  const { total, replayable, skipped } = index.sessions;
  const { playsUntilNs } = plan;
  const capture = captureDigest(plan.scripts.files);
  const { share } = plan;
  const whole = { ...plan, share: wholeRun(share.users), users: share.users };
  const { plays, durationNs } = plannedLoad(whole);
  return {
    version,
    clock: isEmbedded && !options.realTime ? 'virtual' : 'real',
    captureDigest: capture,
    planDigest: planDigest(options, capture),
    asked: askedOf(options),
    sessions: {
      total,
      replayable: replayable - (plan.scripts.sessions - plan.played.length),
      skipped: { ...skipped, ...unplayedOf(plan) },
    },
    plan: {
      per: plan.perClient === undefined ? 'connection' : 'client',
      users: share.users,
      iterations: plan.iterations,
      accel: options.accel,
      pace: options.pace,
      clients: share.of === 1 ? plan.clients.text : clientsText(options.clients),
      target: isEmbedded ? 'embedded' : plan.targets.map(({ label }) => label).join(','),
      seed: options.seed,
      arrivals: planArrivals(plan.arrivals).description,
      untilSeconds: playsUntilNs === null ? null : playsUntilNs / NS_PER_SECOND,
    },
    recorded: { plays, durationNs },
    shares: share.of,
    stateBytesPerUser: stateBytesOf(plan),
  };
}

/**
 * What this process knows of the share that it has played.
 * @param mode of the intercepts; null without
 */
export function shareFacts(
  { command, captures, target }: ReplayOptions,
  plan: RunPlan,
  mode: string | null,
  known: Pick<
    ShareFacts,
    | 'startedAt'
    | 'wallSeconds'
    | 'isInterrupted'
    | 'failure'
    | 'failureKind'
    | 'stopped'
    | 'generator'
  >,
): ShareFacts {
  return {
    share: plan.share.index,
    users: plan.users,
    ...(plan.perClient === undefined ? {} : { connections: clientConnections(plan) }),
    command,
    files: captures,
    mode: target.kind === 'embedded' ? 'embedded' : (mode ?? 'local'),
    ...known,
  };
}
