/** From a capture's sessions and what was asked for to what every thread of the run is given. */
import { addressBytes, type IpAddress, parseAddress } from '../../base/address.ts';
import { assert } from '../../base/assert.ts';
import { ReplayError } from '../../base/errors.ts';
import { countPorts } from '../../base/port-range.ts';
import { NEVER_NS, NS_PER_SECOND } from '../../base/time.ts';
import { formatCount, formatDuration } from '../../base/units.ts';
import { Close, Pace } from '../../replay/replay-plan.ts';
import {
  AddressPool,
  type ClientAddresses,
  CONNECTIONS_MAX,
  type PoolShape,
  parseClients,
} from '../../schedule/address-pool.ts';
import { type ArrivalPlan, planArrivals } from '../../schedule/arrivals.ts';
import { firstPortOf } from '../../schedule/client-ports.ts';
import { WHEEL_RANGE_NS } from '../../schedule/timing-wheel.ts';
import { capArrivals, capGaps } from '../../session/script/max-gap.ts';
import type { Scripts } from '../../session/script/scripts.ts';
import type { RunPlan, TargetAddress } from '../job.ts';
import type { ReplayOptions, ReplayTarget } from './options.ts';

/** What the embedded target is called; documentation addresses (RFC 5737, RFC 3849). */
export const EMBEDDED_ADDRESS = { 4: '192.0.2.1', 6: '2001:db8::1' } as const;

/** First SYN repetition; each next one waits twice as long (RFC 6298; Linux does the same). */
const SYN_RTO_NS = NS_PER_SECOND;
/** 1 + 2 + ... + 64 s: over two minutes, unless the user's timeout ends it first. */
const SYN_RETRIES_MAX = 6;
/** Linux' tcp_retries2. */
const DATA_RETRIES_MAX = 15;
const WINDOW_FIELD_MAX = 0xffff;
/** The iteration column has 16 bits. */
const ITERATIONS_MAX = 0xffff;
const TCP_IP_HEADER_BYTES = { 4: 40, 6: 60 } as const;
const ETHERNET_MTU = 1500;

export interface PlannedRun {
  readonly plan: RunPlan;
  readonly pool: AddressPool;
  readonly arrivals: ArrivalPlan;
  /** Where users play again and again until a time: that time. Then `iterations` is a limit only. */
  readonly playsUntilNs: number | null;
  /** Sessions that no route matches: they are not played. */
  readonly unmapped: number;
  /** Each target as the user wrote it, in the order of the plan's targets. */
  readonly targetLabels: readonly string[];
  readonly warnings: readonly string[];
}

/** What the way to the targets adds to the plan. */
export interface Surroundings {
  /** Octets of the longest IP packet on the way. */
  readonly mtu: number;
  /** Addresses that no client may have besides the targets'. */
  readonly inUse: readonly IpAddress[];
  /** As many client addresses as should be used unless the users need more. */
  readonly addressesMax: number;
}

const NO_SURROUNDINGS: Surroundings = {
  mtu: ETHERNET_MTU,
  inUse: [],
  addressesMax: Number.POSITIVE_INFINITY,
};

/**
 * @throws ReplayError usage: families that do not fit, a pool that is too small; capture: nothing
 * of the capture goes to a target
 */
export function planRun(
  recorded: Scripts,
  options: ReplayOptions,
  epochMs: number,
  { mtu, inUse, addressesMax }: Surroundings = NO_SURROUNDINGS,
): PlannedRun {
  requirePace(options);
  const scripts = options.maxGapNs === null ? recorded : capGaps(recorded, options.maxGapNs);
  const mapping = mapEndpoints(scripts, options.target, options.clients);
  const played = playedSessions(scripts, mapping.targetOf);
  if (played.length === 0) throw nothingMapped(scripts);
  const users = options.users ?? played.length;
  const addresses = mapping.targets.map(({ address }) => addressOf(address));
  const whole = parseClients(options.clients, [...addresses, ...inUse]);
  checkFamilies(whole.family, addresses, options.clients);
  const order = options.order ?? 'ip';
  const portsPerAddress = countPorts(options.ports);
  const needed = Math.ceil((users * (options.iterations ?? 1)) / portsPerAddress);
  const clients = firstAddresses(whole, Math.max(needed, addressesMax));
  const firstPort = firstPortOf(options.ports, options.seed);
  const shape: PoolShape = { clients, ports: options.ports, order, firstPort };
  const pool = new AddressPool(shape);
  const iterations = iterationsOf(options, users, pool);
  requireCountable(users * iterations);
  pool.requireCapacity(users * iterations);

  const startsNs =
    played.length === scripts.sessions ? scripts.startNs : pick(scripts.startNs, played);
  const arrivals = {
    sessionStartsNs: options.maxGapNs === null ? startsNs : capArrivals(startsNs, options.maxGapNs),
    sessionDurationNs: meanOf(scripts.durationNs, played),
    users,
    accel: options.accel,
    ...(options.ratePerSecond === null ? {} : { rate: options.ratePerSecond }),
    ...(options.ramp === null ? {} : { ramp: options.ramp }),
  };
  const mss = Math.min(
    options.mss ?? mtu - TCP_IP_HEADER_BYTES[clients.family],
    mtu - TCP_IP_HEADER_BYTES[clients.family],
  );
  const plan: RunPlan = {
    scripts,
    played,
    targets: mapping.targets,
    targetOf: mapping.targetOf,
    ...shape,
    arrivals,
    users,
    iterations,
    stopStartingNs: options.durationNs ?? NEVER_NS,
    accel: options.accel,
    pace: paceOf(options),
    close: closeOf(options),
    timeoutNs: options.timeoutNs,
    seed: options.seed,
    epochMs,
    tcp: {
      synRtoNs: SYN_RTO_NS,
      synRetriesMax: SYN_RETRIES_MAX,
      dataRetriesMax: DATA_RETRIES_MAX,
      windowBytes: options.windowBytes,
      mss,
      timestamps: options.timestamps,
    },
    syn: {
      mss,
      windowScale: windowScaleOf(options.windowBytes),
      timestamps: options.timestamps,
      // One out-of-order interval is kept and none is reported: SACK would promise more.
      sackPermitted: false,
    },
  };
  const planned = planArrivals(arrivals);
  checkDuration(plan, planned.lastStartNs);
  return {
    plan,
    pool,
    arrivals: planned,
    playsUntilNs: options.iterations === null ? options.durationNs : null,
    unmapped: scripts.sessions - played.length,
    targetLabels: mapping.labels,
    warnings: [...mapping.warnings, ...warnOfRamp(options.ramp, users)],
  };
}

interface Mapping {
  readonly targets: readonly TargetAddress[];
  readonly labels: readonly string[];
  readonly targetOf: Uint16Array;
  readonly warnings: readonly string[];
}

/** `targetOf` of an endpoint that no route matches. */
const NO_TARGET = 0xffff;

function mapEndpoints(scripts: Scripts, target: ReplayTarget, clients: string): Mapping {
  const targets: TargetAddress[] = [];
  const labels: string[] = [];
  const targetOf = new Uint16Array(scripts.endpoints.length).fill(NO_TARGET);
  // A capture of passive FTP has tens of thousands of ports: each is looked up, never searched for.
  const rows = new Map<string, number>();
  const rowOf = (address: string, port: number, label: string): number => {
    const known = rows.get(`${address} ${port}`);
    if (known !== undefined) return known;
    assert(targets.length < NO_TARGET, 'endpoints fit 16 bits');
    rows.set(`${address} ${port}`, targets.length);
    labels.push(label);
    return targets.push({ address, port }) - 1;
  };
  const embedded = EMBEDDED_ADDRESS[clients.includes(':') ? 6 : 4];
  for (const [row, endpoint] of scripts.endpoints.entries()) {
    if (target.kind === 'embedded') {
      targetOf[row] = rowOf(embedded, endpoint.port, 'embedded');
      continue;
    }
    const route = target.routes.find(
      ({ recordedAddress, recordedPort }) =>
        (recordedAddress === null || isSameText(recordedAddress, endpoint.address)) &&
        (recordedPort === null || recordedPort === endpoint.port),
    );
    if (route !== undefined) targetOf[row] = rowOf(route.address, route.port, route.label);
  }
  return { targets, labels, targetOf, warnings: warnOfMixtures(scripts, target, targetOf, labels) };
}

/** Several recorded services on one target is seldom meant: say which, and how to choose. */
function warnOfMixtures(
  scripts: Scripts,
  target: ReplayTarget,
  targetOf: Uint16Array,
  labels: readonly string[],
): string[] {
  if (target.kind === 'embedded') return [];
  const portsOf = labels.map(() => new Set<number>());
  for (const [i, { port }] of scripts.endpoints.entries()) portsOf.at(targetOf[i])?.add(port);
  return labels.flatMap((label, row) => {
    const ports = portsOf.at(row);
    if (ports === undefined || ports.size < 2) return [];
    const list = [...ports].slice(0, 8).join(', ') + (ports.size > 8 ? ', …' : '');
    return [
      `sessions of ${ports.size} recorded ports (${list}) are all played to ${label}; ` +
        `choose with -x, for example -x ${[...ports][0]}-${label}`,
    ];
  });
}

const isSameText = (a: string, b: string): boolean => {
  const left = parseAddress(a);
  const right = parseAddress(b);
  if (left === null || right === null) return a === b;
  return Buffer.compare(addressBytes(left), addressBytes(right)) === 0;
};

function playedSessions(scripts: Scripts, targetOf: Uint16Array): Uint32Array {
  const rows: number[] = [];
  for (let row = 0; row < scripts.sessions; row++) {
    if (targetOf[scripts.endpoint[row]] !== NO_TARGET) rows.push(row);
  }
  return Uint32Array.from(rows);
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
function requirePace({ accel, ratePerSecond }: ReplayOptions): void {
  if (accel > PACE_MAX || accel < 1 / PACE_MAX) {
    throw outOfBounds('--accel', accel, `from ${1 / PACE_MAX} to ${formatCount(PACE_MAX)}`);
  }
  if (ratePerSecond !== null && ratePerSecond > PACE_MAX) {
    throw outOfBounds('--rate', ratePerSecond, `up to ${formatCount(PACE_MAX)} a second`);
  }
}

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

function iterationsOf(options: ReplayOptions, users: number, pool: AddressPool): number {
  if (options.iterations !== null) {
    if (options.iterations <= ITERATIONS_MAX) return options.iterations;
    throw new ReplayError({
      code: 'ERR_RUN_ITERATIONS',
      kind: 'usage',
      message: `--iterations ${options.iterations} is above ${formatCount(ITERATIONS_MAX)}`,
      hint: 'use more users, or --duration',
    });
  }
  if (options.durationNs === null) return 1;
  // Again and again until the time is up: as often as there are fresh addresses and ports.
  const connections = pool.capacity;
  return Math.max(1, Math.min(ITERATIONS_MAX, Math.floor(connections / users)));
}

/** The kernel's filter counts connections in 32 bits. */
function requireCountable(connections: number): void {
  if (connections <= CONNECTIONS_MAX) return;
  throw new ReplayError({
    code: 'ERR_RUN_CONNECTIONS',
    kind: 'usage',
    message:
      `${formatCount(connections)} connections are planned (users × iterations), ` +
      `at most ${formatCount(CONNECTIONS_MAX)} are possible`,
    hint: 'give fewer --users or --iterations',
  });
}

/** The pool's first addresses, at most `count` of them. */
function firstAddresses(clients: ClientAddresses, count: number): ClientAddresses {
  let left = count;
  const ranges = clients.ranges.flatMap((range) => {
    const taken = Math.min(range.count, left);
    left -= taken;
    return taken > 0 ? [{ ...range, count: taken }] : [];
  });
  return { ...clients, ranges };
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

/** Timers reach so far and no further; nobody has waited for that long to be told so. */
function checkDuration({ scripts, played, accel }: RunPlan, lastStartNs: number): void {
  let longestNs = 0;
  for (const row of played) longestNs = Math.max(longestNs, scripts.durationNs[row]);
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

const pick = (column: Float64Array, rows: Uint32Array): Float64Array =>
  Float64Array.from(rows, (row) => column[row]);

function meanOf(column: Float64Array, rows: Uint32Array): number {
  let sum = 0;
  for (const row of rows) sum += column[row];
  return sum / rows.length;
}

/** The smallest shift with which the window fits its 16 bits (RFC 7323, section 2.2). */
function windowScaleOf(windowBytes: number): number {
  let shift = 0;
  while (windowBytes >>> shift > WINDOW_FIELD_MAX) shift++;
  return shift;
}

function paceOf({ pace }: ReplayOptions): Pace {
  if (pace === 'schedule') return Pace.SCHEDULE;
  return pace === 'none' ? Pace.NONE : Pace.THINK;
}

function closeOf({ close }: ReplayOptions): Close {
  if (close === 'server') return Close.SERVER;
  return close === 'reset' ? Close.RESET : Close.RECORDED;
}
