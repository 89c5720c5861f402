/** What a plan's users will do, were every answer as long in coming as recorded. */
import { assert } from '../../base/assert.ts';
import { Close } from '../../replay/replay-plan.ts';
import type { ArrivalPlan } from '../../schedule/arrivals.ts';
import { connectionOf, plannedPlays } from '../../schedule/connections.ts';
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
  const walked = walkPlays(plan, arrivals);
  let plays = 0;
  let messages = 0;
  let payloadBytes = 0;
  for (const [session, times] of walked?.times ??
    timesPlayed(plan, estimatedPlays(plan, arrivals))) {
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
    durationNs: walked?.endNs ?? estimatedEndNs(plan, arrivals),
  };
}

/** How often users were told to play in all; where the time decides, how often it lets them. */
export const expectedPlays = (plan: RunPlan, arrivals: ArrivalPlan): number =>
  plan.playsUntilNs === null
    ? plannedPlays(plan)
    : (walkPlays(plan, arrivals)?.plays ?? estimatedPlays(plan, arrivals));

/** Each play of a plan, one after another. */
interface Walk {
  /** Of users: of a session, or of a client with all of its connections. */
  readonly plays: number;
  /** Sessions with how often each is played. */
  readonly times: ReadonlyMap<number, number>;
  /** When the last one ends. */
  readonly endNs: number;
}

/** @returns null where there are too many to look at each */
function walkPlays(plan: RunPlan, arrivals: ArrivalPlan): Walk | null {
  if (estimatedPlays(plan, arrivals) > PLAYS_EXACT_MAX) return null;
  const { users, iterations, accel, share, stopStartingNs, playsUntilNs } = plan;
  const durationOf = durationsOf(plan);
  const isHeld = playsUntilNs === null ? () => false : heldBy(plan);
  const count = countInTurn(plan);
  const times = new Map<number, number>();
  let plays = 0;
  let endNs = 0;
  for (let user = 0; user < users; user++) {
    let atNs = arrivals.startNs(user);
    // Just when the time is up nothing is begun: some of it has passed until then.
    for (let iteration = 0; iteration < iterations && atNs < stopStartingNs; iteration++) {
      if (++plays > PLAYS_EXACT_MAX) return null;
      const play = runConnectionOf(connectionOf(user, iteration, users), share) % count;
      times.set(play, (times.get(play) ?? 0) + 1);
      atNs += durationOf(play) / accel;
      endNs = Math.max(endNs, atNs);
      // Whoever comes to a connection that stays open plays no other one, and is closed when the time is up.
      if (!isHeld(play)) continue;
      endNs = Math.max(endNs, stopStartingNs);
      break;
    }
  }
  return { plays, times: timesOfSessions(plan, times), endNs };
}

/** By session, from how often each of what users play in turn is played. */
function timesOfSessions(
  { played, perClient }: RunPlan,
  times: ReadonlyMap<number, number>,
): ReadonlyMap<number, number> {
  const bySession = new Map<number, number>();
  for (const [play, count] of times) {
    const first = perClient?.firstOf[play] ?? play;
    const end = perClient?.firstOf[play + 1] ?? play + 1;
    for (let row = first; row < end; row++) bySession.set(played[row], count);
  }
  return bySession;
}

/** By the time that there is, and how long a play takes in the mean. */
function estimatedPlays(plan: RunPlan, { lastStartNs }: ArrivalPlan): number {
  const { users, playsUntilNs, accel } = plan;
  const playsMax = plannedPlays(plan);
  if (playsUntilNs === null) return playsMax;
  const playNs = plan.arrivals.sessionDurationNs / accel;
  const plays = playsUntil(users, playNs, playsUntilNs, { lastStartNs, playsMax });
  return Math.min(plays, Math.ceil(users / shareHeld(plan)));
}

/** Whether only a server would end it that never ended it (`--close server`), of what users play in turn. */
function heldBy({ close, played, perClient, scripts }: RunPlan): (play: number) => boolean {
  if (close !== Close.SERVER) return () => false;
  const { end, endAfterPeer } = scripts.server;
  const isHeld = (session: number): boolean =>
    end[session] === StreamEnd.OPEN || endAfterPeer[session] === 1;
  const { firstOf } = perClient ?? {};
  if (firstOf === undefined) return (play) => isHeld(played[play]);
  return (play) => played.subarray(firstOf[play], firstOf[play + 1]).some(isHeld);
}

/** Of what users play in turn the share that stays open. */
function shareHeld(plan: RunPlan): number {
  if (plan.close !== Close.SERVER) return 0;
  const isHeld = heldBy(plan);
  const count = countInTurn(plan);
  let held = 0;
  for (let play = 0; play < count; play++) held += isHeld(play) ? 1 : 0;
  return held / count;
}

/** Sessions with how often each is played, as if very many plays were dealt out evenly. */
function timesPlayed({ played, perClient }: RunPlan, plays: number): ReadonlyMap<number, number> {
  if (perClient !== undefined) return timesOfClients(played, perClient.firstOf, plays);
  const each = Math.floor(plays / played.length);
  const more = plays % played.length;
  return new Map(Array.from(played, (session, i) => [session, each + (i < more ? 1 : 0)]));
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

/** When the last of the planned plays would end, at the latest. */
function estimatedEndNs(plan: RunPlan, { lastStartNs }: ArrivalPlan): number {
  const longestNs = longestOf(plan) / plan.accel;
  // Connections that stay open are closed when the time is up.
  const lastNs = shareHeld(plan) === 1 ? 0 : longestNs;
  return Math.min(lastStartNs + longestNs * plan.iterations, plan.stopStartingNs + lastNs);
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
  const count = countInTurn(plan);
  let longest = 0;
  for (let play = 0; play < count; play++) longest = Math.max(longest, durationOf(play));
  return longest;
}

/** How many sessions, or clients, users play in turn. */
const countInTurn = ({ played, perClient }: RunPlan): number =>
  perClient?.durationNs.length ?? played.length;

/** How long a play takes of each of them. */
function durationsOf({ scripts, played, perClient }: RunPlan): (play: number) => number {
  const { durationNs } = scripts;
  if (perClient === undefined) return (play) => durationNs[played[play]];
  return (play) => perClient.durationNs[play];
}
