/** What a plan's users will do, were every answer as long in coming as recorded. */
import type { ArrivalPlan } from '../../schedule/arrivals.ts';
import { connectionOf, sessionOf } from '../../schedule/connections.ts';
import { runConnectionOf } from '../../schedule/run-share.ts';
import type { Scripts } from '../../session/script/scripts.ts';
import { arrivalsOf, type RunPlan } from './run-plan.ts';

/** Ethernet, IP and TCP headers with timestamps. */
const FRAME_HEADER_BYTES = 66;

/** Up to so many plays each one is looked at; with more of them an estimate does. */
const PLAYS_EXACT_MAX = 1_000_000;

/** How much a run is to play. */
export interface PlannedLoad {
  /** Of sessions by users; where the time decides how often they play, about as many. */
  readonly plays: number;
  readonly messages: number;
  readonly payloadBytes: number;
  /** With headers and acknowledgements; an estimate. */
  readonly wireBytes: number;
  /** From the first start to the last end. */
  readonly durationNs: number;
}

/** @returns what goes out if the target answers as recorded, divided by the acceleration */
export function plannedLoad(plan: RunPlan): PlannedLoad {
  const { scripts, played, playsUntilNs } = plan;
  const arrivals = arrivalsOf(plan);
  const { firstMessage, messageEnd } = scripts.client;
  const longestNs = longestOf(scripts, played);
  const plays =
    playsUntilNs === null
      ? plan.users * plan.iterations
      : playsUntil(plan.users, plan.arrivals.sessionDurationNs / plan.accel, playsUntilNs, {
          lastStartNs: arrivals.lastStartNs,
          playsMax: plan.users * plan.iterations,
        });
  let messages = 0;
  let payloadBytes = 0;
  for (const [session, times] of timesPlayed(plan, plays)) {
    const last = firstMessage[session + 1];
    messages += times * (last - firstMessage[session]);
    if (last > firstMessage[session]) payloadBytes += times * messageEnd[last - 1];
  }
  const segments = messages + payloadBytes / plan.tcp.mss + 3 * plays;
  return {
    plays,
    messages,
    payloadBytes,
    wireBytes: payloadBytes + segments * FRAME_HEADER_BYTES,
    durationNs: Math.min(endNs(plan, arrivals), plan.stopStartingNs + longestNs / plan.accel),
  };
}

/** The session that a connection of the plan's share plays. */
const playedBy = (connection: number, { share, played }: RunPlan): number =>
  sessionOf(runConnectionOf(connection, share), played);

/** Sessions with how often each is played; of very many plays as if they were dealt out evenly. */
function timesPlayed(plan: RunPlan, plays: number): ReadonlyMap<number, number> {
  const { played } = plan;
  if (plays > PLAYS_EXACT_MAX) {
    const each = Math.floor(plays / played.length);
    const more = plays % played.length;
    return new Map(Array.from(played, (session, i) => [session, each + (i < more ? 1 : 0)]));
  }
  const times = new Map<number, number>();
  for (let connection = 0; connection < plays; connection++) {
    const session = playedBy(connection, plan);
    times.set(session, (times.get(session) ?? 0) + 1);
  }
  return times;
}

/** When the last of the planned plays would end. */
function endNs(plan: RunPlan, arrivals: ArrivalPlan): number {
  const { scripts, played, users, iterations, accel } = plan;
  if (users * iterations > PLAYS_EXACT_MAX) {
    return arrivals.lastStartNs + (longestOf(scripts, played) / accel) * iterations;
  }
  let latestNs = 0;
  for (let user = 0; user < users; user++) {
    let playsNs = 0;
    for (let play = 0; play < iterations; play++) {
      playsNs += scripts.durationNs[playedBy(connectionOf(user, play, users), plan)];
    }
    latestNs = Math.max(latestNs, arrivals.startNs(user) + playsNs / accel);
  }
  return latestNs;
}

/** How often users that play one session after another until a time play in all. */
function playsUntil(
  users: number,
  playNs: number,
  untilNs: number,
  { lastStartNs, playsMax }: { readonly lastStartNs: number; readonly playsMax: number },
): number {
  // Users start evenly, as far as a mean can tell.
  const meanNs = Math.max(0, untilNs - Math.min(lastStartNs, untilNs) / 2);
  const each = playNs > 0 ? Math.ceil(meanNs / playNs) : Number.POSITIVE_INFINITY;
  return Math.min(users * Math.max(1, each), playsMax);
}

function longestOf({ durationNs }: Scripts, played: Uint32Array): number {
  let longestNs = 0;
  for (const session of played) longestNs = Math.max(longestNs, durationNs[session]);
  return longestNs;
}
