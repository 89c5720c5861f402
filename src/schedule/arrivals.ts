/**
 * When each user starts.
 *
 * As recorded: the capture's arrivals ÷ accel. When users outnumber sessions, each recorded arrival
 * stands for its share of users, which start evenly from it up to the next arrival: the curve of
 * arrivals keeps its shape and grows in height. After the last arrival there is no next one; its
 * share is spread over the mean gap between arrivals, or, where one session is all there is, over
 * that session's duration.
 *
 * `rate`, `ramp` and `requestRate` replace the recorded curve and are not accelerated.
 */
import { assert } from '../base/assert.ts';
import { ReplayError } from '../base/errors.ts';
import { NS_PER_SECOND } from '../base/time.ts';
import { formatCount, formatDuration, formatRate } from '../base/units.ts';

/** From here on so many users shall have been started. */
export interface RampStage {
  readonly atNs: number;
  readonly users: number;
}

/** Plain data: a worker thread gets a copy and makes its own plan of it. */
export interface ArrivalOptions {
  /** When the replayable sessions began, ascending, in recorded ns (not accelerated); not empty. */
  readonly sessionStartsNs: Float64Array;
  /** The mean recorded duration of a session, not accelerated. */
  readonly sessionDurationNs: number;
  readonly users: number;
  readonly accel: number;
  /** What the times above are of; sessions when not given. */
  readonly per?: 'client';
  /** New users per second, instead of the recorded arrivals. */
  readonly rate?: number;
  /** Users over time, instead of the recorded arrivals. */
  readonly ramp?: readonly RampStage[];
  /** Requests per second, and when each user starts for their sake, instead of the recorded arrivals. */
  readonly requestRate?: { readonly perSecond: number; readonly startsNs: Float64Array };
}

/** When users start. */
export interface ArrivalPlan {
  readonly users: number;
  /** When the user is to start, in ns from the start of the run; never decreases from user to user. */
  startNs(user: number): number;
  readonly lastStartNs: number;
  /** New users per second over the time in which users start; 0 when all start at once. */
  readonly meanRate: number;
  /** One line for the summary. */
  readonly description: string;
}

/**
 * The plan of arrivals; of `requestRate`, `ramp`, `rate` and the recorded arrivals the first that is given counts.
 * @throws ReplayError ERR_ARRIVALS_RAMP (usage) when a ramp ends below `users`
 */
export function planArrivals(options: ArrivalOptions): ArrivalPlan {
  const { users, rate, ramp, requestRate, sessionStartsNs } = options;
  assert(users >= 1, 'a plan has a user');
  assert(options.accel > 0, 'acceleration is above 0');
  if (requestRate !== undefined) {
    const { startsNs, perSecond } = requestRate;
    const how = `users start so that ${formatRate(perSecond)} requests come due`;
    return describe(users, (user) => startsNs[user], how);
  }
  if (ramp !== undefined) {
    const startNs = rampStarts(ramp, users);
    return describe(users, startNs, `users start by a ramp of ${stagesText(ramp)}`);
  }
  if (rate !== undefined) {
    const startNs = (user: number): number => (user / rate) * NS_PER_SECOND;
    return describe(users, startNs, `users start at ${formatRate(rate)}`);
  }
  const sessions = sessionStartsNs.length;
  assert(sessions >= 1, 'a plan has a session');
  const startNs = recordedStarts(options);
  const speed = options.accel === 1 ? 'as recorded' : `as recorded ÷ ${options.accel}`;
  if (users <= sessions) {
    const each = options.per ?? 'session';
    const which = users === sessions ? `every ${each}` : `the first ${formatCount(users)} ${each}s`;
    return describe(users, startNs, `users start ${speed}, ${which} once`);
  }
  const share = formatCount(users / sessions);
  const text = `${speed}, about ${share} users for each recorded one`;
  return describe(users, startNs, text);
}

function recordedStarts(options: ArrivalOptions): (user: number) => number {
  const { sessionStartsNs, users, accel } = options;
  const sessions = sessionStartsNs.length;
  const firstNs = sessionStartsNs[0];
  if (users <= sessions) return (user) => (sessionStartsNs[user] - firstNs) / accel;
  const lastNs = sessionStartsNs[sessions - 1];
  const tailNs = sessions === 1 ? options.sessionDurationNs : (lastNs - firstNs) / (sessions - 1);
  return (user) => {
    // In whole numbers, so that a user on a recorded arrival starts at it exactly.
    const session = Math.floor((user * sessions) / users);
    const share = (user * sessions - session * users) / users;
    const fromNs = sessionStartsNs[session];
    const toNs = session + 1 < sessions ? sessionStartsNs[session + 1] : fromNs + tailNs;
    return (fromNs - firstNs + share * (toNs - fromNs)) / accel;
  };
}

/** What lies between two points of a ramp is a stage; two points at one place are one. */
function stagesText(points: readonly RampStage[]): string {
  const stages = points.filter((point, i) => {
    const before = points[Math.max(0, i - 1)];
    return point.atNs > before.atNs || point.users > before.users;
  }).length;
  return stages === 1 ? '1 stage' : `${stages} stages`;
}

function rampStarts(stages: readonly RampStage[], users: number): (user: number) => number {
  const last = stages[stages.length - 1].users;
  if (last < users) {
    throw new ReplayError({
      code: 'ERR_ARRIVALS_RAMP',
      kind: 'usage',
      message: `the ramp ends with ${formatCount(last)} users, ${formatCount(users)} are planned`,
      hint: 'let its last stage have all of them, or plan fewer',
    });
  }
  const times = Float64Array.from(stages, (stage) => stage.atNs);
  const counts = Float64Array.from(stages, (stage) => stage.users);
  return (user) => {
    let stage = 0;
    while (counts[stage + 1] <= user) stage++;
    const share = (user - counts[stage]) / (counts[stage + 1] - counts[stage]);
    return times[stage] + share * (times[stage + 1] - times[stage]);
  };
}

function describe(users: number, startNs: (user: number) => number, how: string): ArrivalPlan {
  const lastStartNs = startNs(users - 1);
  const meanRate = lastStartNs > 0 ? ((users - 1) / lastStartNs) * NS_PER_SECOND : 0;
  const over = lastStartNs > 0 ? `, over ${formatDuration(lastStartNs)}` : ', all at once';
  return { users, startNs, lastStartNs, meanRate, description: how + over };
}
