/** Users for a steady rate of requests (`--request-rate`). */

import { ReplayError } from '../../base/errors.ts';
import { formatCount, formatRate } from '../../base/units.ts';
import {
  planRequestRate,
  type RequestRatePlan,
  type RequestTimes,
} from '../../schedule/request-rate.ts';
import type { ReplayOptions } from './options.ts';

/** More starts than this are no plan that memory could hold. */
const USERS_MAX = 2 ** 24;
/** By how much the requests of a second may differ from the rate without a word. */
const STEADY = 0.02;

/** The starts of a run whose requests come at a rate. */
export interface SteadyRequests extends RequestRatePlan {
  /** What was asked for. */
  readonly asked: number;
}

/**
 * When users start; null where no rate of requests was asked for. As many of them as were asked for, else
 * until the run's duration is over, else each session once.
 * @param sessions that are played
 * @throws ReplayError usage: ERR_REQUEST_RATE_USERS, and as planRequestRate does
 */
export function startsByRequests(
  { requestsPerSecond, users, durationNs }: ReplayOptions,
  sessions: number,
  readTimes: () => RequestTimes,
): SteadyRequests | null {
  if (requestsPerSecond === null || requestsPerSecond === undefined) return null;
  const usersMax = users ?? (durationNs === null ? sessions : USERS_MAX + 1);
  const plan = planRequestRate({
    perSecond: requestsPerSecond,
    times: readTimes(),
    usersMax,
    untilNs: durationNs ?? Number.POSITIVE_INFINITY,
  });
  if (plan.startsNs.length > USERS_MAX) {
    throw new ReplayError({
      code: 'ERR_REQUEST_RATE_USERS',
      kind: 'usage',
      message: `--request-rate ${formatRate(requestsPerSecond)} would start more than ${formatCount(USERS_MAX)} users`,
      hint: 'give a lower rate, a shorter --duration or a limit by --users',
    });
  }
  return { ...plan, asked: requestsPerSecond };
}

/** What the sessions themselves make of the rate, where that is not steady. */
export function warnOfUnsteady({ asked, perSecond }: SteadyRequests): string[] {
  if (perSecond === null) return [];
  const { min, max } = perSecond;
  if (min >= asked * (1 - STEADY) && max <= asked * (1 + STEADY)) return [];
  return [
    `pauses within the sessions make ${formatCount(min)} to ${formatCount(max)} requests a second of ` +
      `--request-rate ${formatRate(asked)}; --max-gap shortens them`,
  ];
}
