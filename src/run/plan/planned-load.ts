/** What a plan's users will do, were every answer as long in coming as recorded. */
import { assert } from '../../base/assert.ts';
import { Close } from '../../replay/replay-plan.ts';
import type { ArrivalPlan } from '../../schedule/arrivals.ts';
import { connectionOf, plannedPlays, sessionOf } from '../../schedule/connections.ts';
import { runConnectionOf } from '../../schedule/run-share.ts';
import { StreamEnd } from '../../session/script/scripts.ts';
import { ETHERNET_HEADER_BYTES } from '../../wire/ethernet.ts';
import { TCP_IP_HEADER_BYTES } from '../../wire/header-bytes.ts';
import { PADDED_TIMESTAMPS_BYTES } from '../../wire/tcp-options.ts';
import { arrivalsOf, type RunPlan } from './run-plan.ts';

/** Up to so many plays each one is looked at; with more of them an estimate does. */
const PLAYS_EXACT_MAX = 1_000_000;

/** How much a run is to play. */
export interface PlannedLoad {
  /** Connections: sessions that users play; where the time decides how often, about as many. */
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
  const arrivals = arrivalsOf(plan);
  const { firstMessage, messageEnd } = plan.scripts.client;
  let plays = 0;
  let messages = 0;
  let payloadBytes = 0;
  for (const [session, times] of timesPlayed(plan, expectedPlays(plan, arrivals))) {
    plays += times;
    const last = firstMessage[session + 1];
    messages += times * (last - firstMessage[session]);
    if (last > firstMessage[session]) payloadBytes += times * messageEnd[last - 1];
  }
  const headerBytes =
    ETHERNET_HEADER_BYTES + TCP_IP_HEADER_BYTES[plan.clients.family] + PADDED_TIMESTAMPS_BYTES;
  const segments = messages + payloadBytes / plan.tcp.mss + 3 * plays;
  return {
    plays,
    messages,
    payloadBytes,
    wireBytes: payloadBytes + segments * headerBytes,
    durationNs: Math.min(endNs(plan, arrivals), latestEndNs(plan)),
  };
}

/** When the last of those ends who start until nobody starts any more. */
function latestEndNs(plan: RunPlan): number {
  const { stopStartingNs } = plan;
  // Of very many sessions it takes a while to find the longest.
  if (!Number.isFinite(stopStartingNs)) return stopStartingNs;
  // Connections that stay open are closed when the time is up.
  return stopStartingNs + (shareHeld(plan) === 1 ? 0 : longestOf(plan) / plan.accel);
}

/** How often users play in all; where the time decides, about as often. */
export const expectedPlays = (plan: RunPlan, { lastStartNs }: ArrivalPlan): number => {
  const { users, playsUntilNs, accel } = plan;
  const playsMax = plannedPlays(plan);
  if (playsUntilNs === null) return playsMax;
  const playNs = plan.arrivals.sessionDurationNs / accel;
  const plays = playsUntil(users, playNs, playsUntilNs, { lastStartNs, playsMax });
  // Whoever comes to a connection that stays open plays no other one.
  return Math.min(plays, Math.ceil(users / shareHeld(plan)));
};

/** Of the played sessions the share that only a server would end that never ended them: `--close server`. */
function shareHeld({ close, played, scripts }: RunPlan): number {
  if (close !== Close.SERVER) return 0;
  const { end, endAfterPeer } = scripts.server;
  const isHeld = (session: number): boolean =>
    end[session] === StreamEnd.OPEN || endAfterPeer[session] === 1;
  return played.filter(isHeld).length / played.length;
}

/** The session that a connection of the plan's share plays. */
const playedBy = (connection: number, { share, played }: RunPlan): number =>
  sessionOf(runConnectionOf(connection, share), played);

/** Sessions with how often each is played; of very many plays as if they were dealt out evenly. */
function timesPlayed(plan: RunPlan, plays: number): ReadonlyMap<number, number> {
  const { played, perClient } = plan;
  if (perClient !== undefined) return timesOfClients(played, perClient.firstOf, plays);
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

/** Sessions with how often each is played where clients play so many times in all. */
function timesOfClients(
  played: Uint32Array,
  firstOf: Uint32Array,
  clientPlays: number,
): ReadonlyMap<number, number> {
  const recorded = firstOf.length - 1;
  const times = new Map<number, number>();
  for (let client = 0; client < recorded; client++) {
    const each = Math.floor(clientPlays / recorded) + (client < clientPlays % recorded ? 1 : 0);
    for (const session of played.subarray(firstOf[client], firstOf[client + 1])) {
      if (each > 0) times.set(session, each);
    }
  }
  return times;
}

/** Connections of all plays of the plan's clients; of each one's first where time says how often they play. */
export function clientConnections(plan: RunPlan): number {
  const { perClient, users, share, playsUntilNs } = plan;
  assert(perClient !== undefined, 'users are clients');
  const { firstOf } = perClient;
  const recorded = firstOf.length - 1;
  const sumOf = (first: number, clients: number): number => {
    let sum = 0;
    for (let client = 0; client < clients; client++) {
      const each = (first + client * share.of) % recorded;
      sum += firstOf[each + 1] - firstOf[each];
    }
    return sum;
  };
  /** By the recorded client that the first one plays. */
  const known = new Map<number, number>();
  let connections = 0;
  const iterations = playsUntilNs === null ? plan.iterations : 1;
  for (let iteration = 0; iteration < iterations; iteration++) {
    const first = (iteration * share.users + share.index) % recorded;
    // Every `recorded` clients the same ones come again.
    const sum =
      known.get(first) ??
      Math.floor(users / recorded) * sumOf(first, recorded) + sumOf(first, users % recorded);
    known.set(first, sum);
    connections += sum;
  }
  return connections;
}

/** When the last of the planned plays would end. */
function endNs(plan: RunPlan, arrivals: ArrivalPlan): number {
  const { users, iterations, accel } = plan;
  if (plannedPlays(plan) > PLAYS_EXACT_MAX) {
    return arrivals.lastStartNs + (longestOf(plan) / accel) * iterations;
  }
  const durationOf = durationsOf(plan);
  let latestNs = 0;
  for (let user = 0; user < users; user++) {
    let playsNs = 0;
    for (let iteration = 0; iteration < iterations; iteration++) {
      const play = runConnectionOf(connectionOf(user, iteration, users), plan.share);
      playsNs += durationOf(play);
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

function longestOf(plan: RunPlan): number {
  const durationOf = durationsOf(plan);
  const count = plan.perClient?.durationNs.length ?? plan.played.length;
  let longest = 0;
  for (let play = 0; play < count; play++) longest = Math.max(longest, durationOf(play));
  return longest;
}

/** How long a play takes of what users play in turn: sessions, or clients. */
function durationsOf({ scripts, played, perClient }: RunPlan): (play: number) => number {
  const { durationNs } = scripts;
  if (perClient === undefined) return (play) => durationNs[sessionOf(play, played)];
  const ofClients = perClient.durationNs;
  return (play) => ofClients[play % ofClients.length];
}
