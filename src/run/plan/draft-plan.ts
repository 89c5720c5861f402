/**
 * The first half of a plan: what the capture and the options decide. The way to the targets is found
 * for it, and with what that way asks for it becomes the run's plan (`planRun`). What can be refused
 * without looking at the machine is refused here.
 */

import { type IpAddress, parseAddress } from '../../base/address.ts';
import { assert } from '../../base/assert.ts';
import { ReplayError } from '../../base/errors.ts';
import { formatCount, formatDuration } from '../../base/units.ts';
import type { RequestTimesPlan } from '../../replay/request-times.ts';
import type { RewritePlan } from '../../replay/rewrite-columns.ts';
import { type ArrivalOptions, planArrivals } from '../../schedule/arrivals.ts';
import {
  type ClientAddresses,
  DEFAULT_CLIENTS,
  withoutAddresses,
} from '../../schedule/client-addresses.ts';
import { rowsOfShard } from '../../schedule/client-connections.ts';
import type { RequestTimes } from '../../schedule/request-rate.ts';
import {
  addressesOfShare,
  type RunShare,
  usersOfShare,
  wholeRun,
} from '../../schedule/run-share.ts';
import { WHEEL_RANGE_NS } from '../../schedule/timing-wheel.ts';
import { capArrivals, capGaps } from '../../session/script/max-gap.ts';
import type { Scripts } from '../../session/script/scripts.ts';
import { planConnections } from './connections.ts';
import {
  clientsText,
  OWN_CLIENTS,
  type ReplayOptions,
  type ReplayTarget,
  saysRecorded,
} from './options.ts';
import { type RecordedClients, recordedClients } from './recorded-clients.ts';
import { warnOfRefused, withoutRefused } from './refused-sessions.ts';
import { type RunTarget, turnsOf } from './run-plan.ts';
import { startsByRequests, warnOfUnsteady } from './steady-requests.ts';
import { routeOf } from './wanted-sessions.ts';

/** What the embedded target is called; documentation addresses (RFC 5737, RFC 3849). */
const EMBEDDED_ADDRESS = { 4: '192.0.2.1', 6: '2001:db8::1' } as const;

/** A plan that does not know the way to its targets yet. */
export interface PlanDraft {
  readonly options: ReplayOptions;
  readonly scripts: Scripts;
  /** Rows of `scripts` that go to a target, in capture order or client by client; not empty. */
  readonly played: Uint32Array;
  /** Where users are clients: those of `played`. */
  readonly recorded: RecordedClients | null;
  readonly targets: readonly RunTarget[];
  /** For each of the scripts' endpoints its row in `targets`; 0xffff where no route matches. */
  readonly targetOf: Uint16Array;
  readonly share: RunShare;
  /** Whether clients are this machine's own addresses; the way to the targets tells which. */
  readonly isOwn: boolean;
  /** The whole pool, without the targets' addresses, or what stands for it in a run from own ones. */
  readonly clients: ClientAddresses;
  readonly arrivals: ArrivalOptions;
  /** What modules want with the sessions; null without modules. */
  readonly rewrites: RewritePlan | null;
  /** Connections that the share's users may have at a time. */
  readonly rows: number;
  /** What the user should know: one line each. */
  readonly warnings: readonly string[];
}

/** Reads when the requests of sessions are due: `requestTimes`. */
export type ReadRequestTimes = (plan: RequestTimesPlan) => RequestTimes;

/** What a draft is made of besides the scripts and the options. */
export interface DraftSources {
  /** Whether clients are this machine's own addresses. */
  readonly isOwn?: boolean;
  /** Asked only where requests are to come at a rate. */
  readonly readTimes?: ReadRequestTimes;
  /** What the modules of the run want with `mappedSessions`; null where it has none. */
  readonly rewrites?: RewritePlan | null;
}

const noTimes: ReadRequestTimes = () => {
  throw new Error('a rate of requests needs their times');
};

/**
 * @throws ReplayError usage: families that do not fit, a pool that is too small, times that cannot
 * be kept, nothing of the capture goes to a target
 */
export function draftPlan(
  recorded: Scripts,
  options: ReplayOptions,
  { isOwn = false, readTimes = noTimes, rewrites = null }: DraftSources = {},
): PlanDraft {
  requirePace(options);
  const scripts = options.maxGapNs === null ? recorded : capGaps(recorded, options.maxGapNs);
  const pool = poolOf(options);
  const { targets, targetOf } = mapEndpoints(scripts, options.target, pool);
  const mapped = playedSessions(scripts, targetOf);
  if (mapped.length === 0) throw nothingMapped(scripts);
  const sessions = rewrites === null ? mapped : withoutRefused(mapped, rewrites);
  const clientsOf = options.per === 'client' ? recordedClients : null;
  const recordedBy = clientsOf?.(recorded, scripts, sessions, options.maxGapNs) ?? null;
  const { played, startNs, durationNs } = recordedBy ?? playsOf(scripts, sessions);
  const isSteady = (options.requestsPerSecond ?? null) !== null;
  if (recordedBy !== null && isSteady) throw noSteadyClients;
  const steady = startsByRequests(options, played.length, () =>
    readTimes({
      ...{ scripts, played, accel: options.accel, protocols: options.protocols ?? [] },
      saysRecorded: saysRecorded(options),
      ...(rewrites === null ? {} : { rewriting: rewrites }),
    }),
  );
  const users = steady?.startsNs.length ?? options.users ?? startNs.length;
  const addresses = targets.map(({ address }) => address);
  // A machine may be its own target's client.
  const clients = withoutAddresses(pool, isOwn ? [] : addresses);
  checkFamilies(clients.family, addresses, clientsText(options.clients));
  const arrivals = {
    ...arrivalsOf(startNs, durationNs, users, options),
    ...(steady === null
      ? {}
      : { requestRate: { perSecond: steady.asked, startsNs: steady.startsNs } }),
  };
  checkDuration(durationNs, options.accel, planArrivals(arrivals).lastStartNs);
  const turns = turnsOf({ scripts, played, targetOf, targets });
  const whole = { recorded: recordedBy, turns, share: wholeRun(users) };
  const { iterations } = planConnections(clients, users, options, whole);
  const share = { ...wholeRun(users), ...options.share };
  // Each machine has its own, where it was not said which.
  requireShare(share, options.clients === OWN_CLIENTS ? null : clients);
  const rows = rowsOf(share, iterations, recordedBy);
  const warnings = [
    ...warnOfMixtures(scripts, options.target, targetOf, targets),
    ...warnOfRamp(options.ramp, users),
    ...(steady === null ? [] : warnOfUnsteady(steady)),
    ...(rewrites === null ? [] : warnOfRefused(rewrites)),
  ];
  const draft = { options, scripts, played, targets, targetOf, share, isOwn, clients, arrivals };
  return { ...draft, rewrites, recorded: recordedBy, rows, warnings };
}

/** The sessions of the scripts that go to a target; a row each. */
export const mappedSessions = (scripts: Scripts, options: ReplayOptions): Uint32Array =>
  playedSessions(scripts, mapEndpoints(scripts, options.target, poolOf(options)).targetOf);

const poolOf = ({ clients, target }: ReplayOptions): ClientAddresses =>
  clients === OWN_CLIENTS ? poolFor(target) : clients;

/** A pool that stands for own addresses until the way to the targets tells which they are. */
const poolFor = (target: ReplayTarget): ClientAddresses => {
  const isIpv6 =
    target.kind === 'network' && target.routes.some(({ address }) => address.includes(':'));
  return DEFAULT_CLIENTS[isIpv6 ? 6 : 4];
};

/** Every share has a user, and an address of the pool (if there is one) that no other share has. */
function requireShare(share: RunShare, clients: ClientAddresses | null): void {
  const { index, of, users } = share;
  const hasUsers = usersOfShare(share) > 0;
  if (hasUsers && (clients === null || addressesOfShare(clients, share).ranges.length > 0)) return;
  const what = hasUsers ? 'address of the pool' : `user: there are ${formatCount(users)}`;
  throw new ReplayError({
    code: 'ERR_RUN_SHARE',
    kind: 'usage',
    message: `share ${index + 1}/${of} has no ${what}`,
    hint: 'divide the run into fewer shares, or give more --users and a larger pool of --clients (own: the address of each machine)',
  });
}

/** `targetOf` of an endpoint that no route matches. */
const NO_TARGET = 0xffff;

function mapEndpoints(
  scripts: Scripts,
  target: ReplayTarget,
  { family }: ClientAddresses,
): Pick<PlanDraft, 'targets' | 'targetOf'> {
  const targets: RunTarget[] = [];
  const targetOf = new Uint16Array(scripts.endpoints.length).fill(NO_TARGET);
  // A capture of passive FTP has tens of thousands of ports: each is looked up, never searched for.
  const rows = new Map<string, number>();
  const rowOf = (address: string, port: number, label: string): number => {
    const known = rows.get(`${address} ${port}`);
    if (known !== undefined) return known;
    assert(targets.length < NO_TARGET, 'endpoints fit 16 bits');
    rows.set(`${address} ${port}`, targets.length);
    return targets.push({ address: addressOf(address), port, label }) - 1;
  };
  const embedded = EMBEDDED_ADDRESS[family];
  for (const [row, endpoint] of scripts.endpoints.entries()) {
    if (target.kind === 'embedded') {
      targetOf[row] = rowOf(embedded, endpoint.port, 'embedded');
      continue;
    }
    const route = routeOf(endpoint, target.routes);
    if (route !== undefined) targetOf[row] = rowOf(route.address, route.port, route.label);
  }
  return { targets, targetOf };
}

/** Several recorded services on one target is seldom meant: say which, and how to choose. */
function warnOfMixtures(
  scripts: Scripts,
  target: ReplayTarget,
  targetOf: Uint16Array,
  targets: readonly RunTarget[],
): string[] {
  if (target.kind === 'embedded') return [];
  const portsOf = targets.map(() => new Set<number>());
  for (const [i, { port }] of scripts.endpoints.entries()) portsOf.at(targetOf[i])?.add(port);
  return targets.flatMap(({ label }, row) => {
    const ports = portsOf.at(row);
    if (ports === undefined || ports.size < 2) return [];
    const list = [...ports].slice(0, 8).join(', ') + (ports.size > 8 ? ', …' : '');
    return [
      `sessions of ${ports.size} recorded ports (${list}) are all played to ${label}; ` +
        `choose with -x, for example -x ${[...ports][0]}-${label}`,
    ];
  });
}

function playedSessions(scripts: Scripts, targetOf: Uint16Array): Uint32Array {
  const { sessions, endpoint } = scripts;
  const rows = new Uint32Array(sessions);
  let count = 0;
  for (let row = 0; row < sessions; row++) {
    if (targetOf[endpoint[row]] !== NO_TARGET) rows[count++] = row;
  }
  return count === sessions ? rows : rows.slice(0, count);
}

function nothingMapped(scripts: Scripts): ReplayError {
  const seen = scripts.endpoints
    .slice(0, 8)
    .map(({ address, port }) =>
      address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`,
    );
  return new ReplayError({
    code: 'ERR_RUN_NOTHING_MAPPED',
    kind: 'usage',
    message: `no recorded server matches --map; the capture has ${seen.join(', ')}`,
    hint: 'name one of them: -x PORT-TARGET:PORT or -x ADDRESS:PORT-TARGET:PORT',
  });
}

/** Times faster or slower than recorded, and users a second: beyond it nothing has a time any more. */
const PACE_MAX = 1e9;

/** Refuses what would make times of nothing or of infinity. */
function requirePace({ accel, ratePerSecond, per, close, pace }: ReplayOptions): void {
  if (per === 'client' && close === 'server' && pace !== 'schedule') throw heldOpen;
  if (accel > PACE_MAX || accel < 1 / PACE_MAX) {
    throw outOfBounds('--accel', accel, `from ${1 / PACE_MAX} to ${formatCount(PACE_MAX)}`);
  }
  if (ratePerSecond !== null && ratePerSecond > PACE_MAX) {
    throw outOfBounds('--rate', ratePerSecond, `up to ${formatCount(PACE_MAX)} a second`);
  }
}

/** Connections that clients never leave keep those that follow them from starting. */
const heldOpen = new ReplayError({
  code: 'ERR_RUN_HELD_OPEN',
  kind: 'usage',
  message:
    '--per client starts a connection when those before it are closed, which --close server never does',
  hint: 'use --pace schedule, where connections start at their recorded times, or --per connection',
});

const noSteadyClients = new ReplayError({
  code: 'ERR_RUN_STEADY_CLIENTS',
  kind: 'usage',
  message:
    '--request-rate spreads the starts of single connections, which --per client keeps together',
  hint: 'use --rate, clients a second, or --per connection',
});

const outOfBounds = (option: string, value: number, bounds: string): ReplayError =>
  new ReplayError({
    code: 'ERR_RUN_PACE',
    kind: 'usage',
    message: `${option} ${value} is out of bounds; ${bounds} is possible`,
    hint: '--pace none plays as fast as answers come',
  });

/** A ramp that rises above the users that there are ends before its time. */
function warnOfRamp(ramp: ReplayOptions['ramp'], users: number): string[] {
  const last = ramp?.at(-1)?.users ?? 0;
  if (last <= users) return [];
  return [
    `the ramp rises to ${formatCount(last)} users, of which --users lets ${formatCount(users)} start`,
  ];
}

/** @param startsNs of what users play, sessions or clients; `durationsNs` likewise */
function arrivalsOf(
  startsNs: Float64Array,
  durationsNs: Float64Array,
  users: number,
  { maxGapNs, accel, ratePerSecond, ramp, per }: ReplayOptions,
): ArrivalOptions {
  return {
    sessionStartsNs: maxGapNs === null ? startsNs : capArrivals(startsNs, maxGapNs),
    sessionDurationNs: sumOf(durationsNs) / durationsNs.length,
    users,
    accel,
    ...(per === 'client' ? { per } : {}),
    ...(ratePerSecond === null ? {} : { rate: ratePerSecond }),
    ...(ramp === null ? {} : { ramp }),
  };
}

function checkFamilies(family: 4 | 6, targets: readonly IpAddress[], clients: string): void {
  const other = targets.find((target) => target.family !== family);
  if (other === undefined) return;
  throw new ReplayError({
    code: 'ERR_RUN_FAMILIES',
    kind: 'usage',
    message: `clients '${clients}' are IPv${family}, but a target is IPv${other.family}`,
    hint: 'give targets and clients of one IP version; run twice for both',
  });
}

// As loops: a million calls are 20 ms of a start.
function sumOf(values: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i];
  return sum;
}

function longestOf(values: Float64Array): number {
  let longest = 0;
  for (let i = 0; i < values.length; i++) longest = Math.max(longest, values[i]);
  return longest;
}

/** Timers reach so far and no further; nobody has waited for that long to be told so. */
function checkDuration(durationsNs: Float64Array, accel: number, lastStartNs: number): void {
  const longestNs = longestOf(durationsNs);
  const durationNs = lastStartNs + longestNs / accel;
  if (durationNs < WHEEL_RANGE_NS / 2) return;
  throw new ReplayError({
    code: 'ERR_RUN_TOO_LONG',
    kind: 'usage',
    message:
      `the plan would take ${Number.isFinite(durationNs) ? formatDuration(durationNs) : 'for ever'}; ` +
      `at most ${formatDuration(WHEEL_RANGE_NS / 2)} are possible`,
    hint: 'raise --accel or --rate, or cut recorded gaps with --max-gap',
  });
}

const addressOf = (text: string): IpAddress => {
  const address = parseAddress(text);
  assert(address !== null, 'targets are addresses by now');
  return address;
};

/** Connections that users have at a time, or clients may have. */
function rowsOf(share: RunShare, iterations: number, recorded: RecordedClients | null): number {
  const users = usersOfShare(share);
  if (recorded === null) return users;
  const perClient = { ...recorded, portsEach: 0 };
  return rowsOfShard({ users, shard: 0, shards: 1, share, iterations, perClient }).count;
}

/** Sessions as users play them, one by one. */
const playsOf = ({ startNs, durationNs, sessions }: Scripts, played: Uint32Array) => {
  const isAll = played.length === sessions;
  const pick = (column: Float64Array): Float64Array =>
    isAll ? column : Float64Array.from(played, (row) => column[row]);
  return { played, startNs: pick(startNs), durationNs: pick(durationNs) };
};
