/** From options as given to what a replay needs to know, checked: all faults at once. */
import { NS_PER_SECOND } from '../base/time.ts';
import { parseRatePerSecond } from '../base/units.ts';
import type { NextHop, ReplayOptions, ReplayTarget } from '../run/plan/options.ts';
import {
  DEFAULT_CLIENTS_IPV4,
  DEFAULT_CLIENTS_IPV6,
  parseClients,
} from '../schedule/address-pool.ts';
import { parseRamp } from '../schedule/arrivals.ts';
import { parsePorts } from '../schedule/client-ports.ts';
import { readCaptureOptions } from './capture-options.ts';
import { CLOSES, ORDERS, PACES, SENDERS } from './choices.ts';
import type { Context } from './context.ts';
import type { GivenOptions } from './given-options.ts';
import {
  parseMetrics,
  readIntercepts,
  readToken,
  resolveIntercepts,
} from './intercept-addresses.ts';
import { findOtherMeanings } from './other-tools.ts';
import { parseEndpoint, parseRoute, type RouteSpec, resolveTarget } from './targets.ts';
import type { FaultList } from './usage-error.ts';
import {
  parseChoice,
  parseInterfaceName,
  parseNextHop,
  parsePositive,
  parseSizeWithin,
  parseStation,
  parseTimeLimitNs,
  parseWhole,
} from './values.ts';

/** More users than this have no index of 31 bits. */
const USERS_MAX = 2 ** 31;
/** A smaller one leaves no room for data beside the options (IPv4's least MTU is 68: RFC 791). */
const MSS_MIN = 64;
/** 65,535 less the smallest IPv4 and TCP headers. */
const MSS_MAX = 65_495;
/** 65,535 scaled by 2^14, the most that RFC 7323, section 2.2 allows. */
const WINDOW_MAX = 65_535 * 2 ** 14;
const WINDOW_MIN = 512;
const WINDOW_DEFAULT = 2 ** 20;
const TIMEOUT_DEFAULT_NS = 30 * NS_PER_SECOND;
/** Far above any machine's cores: a slip of the finger. */
const THREADS_MAX = 1024;

/** Options that mean nothing to the embedded target. */
const NETWORK_ONLY = ['interface', 'next-hop', 'source-mac', 'sender', 'arp'];

/**
 * The options of a replay.
 * @param parseThreshold throws a ReplayError for an expression that is none
 * @throws UsageError with every fault; ReplayError (unreachable) for a name without an address
 */
export async function readReplayOptions(from: {
  readonly given: GivenOptions;
  readonly context: Pick<Context, 'args' | 'env' | 'files' | 'lookup' | 'randomUint32'>;
  readonly faults: FaultList;
  readonly parseThreshold: (text: string) => unknown;
}): Promise<ReplayOptions> {
  const { given, context, faults } = from;
  const routes = readRoutes(given, faults);
  const clients = readClients(given, routes, faults);
  const interceptSpecs = readIntercepts(given, faults);
  const options = {
    ...readLoad(given, faults),
    choice: readCaptureOptions(given, faults),
    ...readPace(given, faults),
    ...readConnection(given, faults),
    ...readNetwork(given, faults),
    threads: readText(given, faults, 'threads', (text) =>
      parseWhole(text, { min: 1, max: THREADS_MAX }),
    ),
    metrics: readText(given, faults, 'metrics', parseMetrics),
    realTime: given.switch('real-time') ?? false,
    thresholds: readThresholds(given, faults, from.parseThreshold),
  };
  refuseContradictions(given, routes, faults);
  findOtherMeanings(given, faults);
  if (routes.length === 0 && given.isFlag('intercept') && interceptSpecs.length > 0) {
    faults.add('--intercept means nothing to the embedded target', 'add --target HOST:PORT');
  }
  const allowPublic = given.switch('allow-public') ?? false;
  faults.throwIfAny();

  const { family, text } = clients;
  const target: ReplayTarget =
    routes.length === 0
      ? { kind: 'embedded' }
      : await resolveTarget(routes, { family, allowPublic, lookup: context.lookup });
  const intercepts = await resolveIntercepts(interceptSpecs, context.lookup);
  const token = intercepts.length === 0 ? null : await readToken(given, context);
  return {
    command: context.args,
    target,
    clients: text,
    intercepts,
    token,
    ...options,
    seed: options.seed ?? context.randomUint32(),
  };
}

/** The value of an option, `null` when it was not given; what is wrong with it is a fault. */
function readText<T>(
  given: GivenOptions,
  faults: FaultList,
  name: string,
  parse: (text: string) => T,
): T | null {
  const found = given.text(name);
  return found === null ? null : faults.attempt(found.label, null, () => parse(found.text));
}

function readLoad(given: GivenOptions, faults: FaultList) {
  const captures = [
    ...given.positionals('capture'),
    ...given.texts('file').map(({ text }) => text),
  ];
  if (captures.length === 0) faults.add('no capture given', 'gryphon replay FILE…');
  if (captures.includes('')) faults.add('a capture has an empty name');
  const ramp = readText(given, faults, 'ramp', parseRamp);
  const users = readText(given, faults, 'users', (text) =>
    parseWhole(text, { min: 1, max: USERS_MAX }),
  );
  return {
    captures,
    ramp,
    users: users ?? ramp?.at(-1)?.users ?? null,
    ports: readText(given, faults, 'ports', parsePorts) ?? { first: 1024, last: 65_535 },
    order: readText(given, faults, 'order', (text) => parseChoice(text, ORDERS)),
    seed: readText(given, faults, 'seed', (text) => parseWhole(text, { min: 0, max: 2 ** 32 - 1 })),
  } as const;
}

function readPace(given: GivenOptions, faults: FaultList) {
  return {
    accel: readText(given, faults, 'accel', parsePositive) ?? 1,
    ratePerSecond: readText(given, faults, 'rate', parseRatePerSecond),
    iterations: readText(given, faults, 'iterations', (text) =>
      parseWhole(text, { min: 1, max: 2 ** 31 }),
    ),
    durationNs: readText(given, faults, 'duration', parseTimeLimitNs),
    pace: readText(given, faults, 'pace', (text) => parseChoice(text, PACES)) ?? 'think',
    maxGapNs: readText(given, faults, 'max-gap', parseTimeLimitNs),
    timeoutNs: readText(given, faults, 'timeout', parseTimeLimitNs) ?? TIMEOUT_DEFAULT_NS,
  };
}

function readConnection(given: GivenOptions, faults: FaultList) {
  const parseMss = (text: string) => parseWhole(text, { min: MSS_MIN, max: MSS_MAX });
  const parseWindow = (text: string) => parseSizeWithin(text, { min: WINDOW_MIN, max: WINDOW_MAX });
  return {
    close: readText(given, faults, 'close', (text) => parseChoice(text, CLOSES)) ?? 'recorded',
    mss: readText(given, faults, 'mss', parseMss),
    timestamps: given.switch('timestamps') ?? true,
    windowBytes: readText(given, faults, 'window', parseWindow) ?? WINDOW_DEFAULT,
  };
}

function readNetwork(given: GivenOptions, faults: FaultList) {
  const nextHop: NextHop | null = readText(given, faults, 'next-hop', parseNextHop);
  return {
    interfaceName: readText(given, faults, 'interface', parseInterfaceName),
    nextHop,
    sourceMac: readText(given, faults, 'source-mac', parseStation),
    sender: readText(given, faults, 'sender', (text) => parseChoice(text, SENDERS)) ?? 'packet',
    arp: given.switch('arp'),
  };
}

/** Mappings first, then `--target` for what none of them matches; none: the embedded target. */
function readRoutes(given: GivenOptions, faults: FaultList): readonly RouteSpec[] {
  const routes: RouteSpec[] = [];
  for (const { label, text } of given.texts('map')) {
    const route = faults.attempt(label, null, () => parseRoute(text));
    if (route !== null) routes.push(route);
  }
  const target = given.text('target');
  if (target === null) return routes;
  if (target.text.trim() === 'embedded') {
    // From the environment it is a default that a mapping replaces.
    if (routes.length > 0 && given.isFlag('target')) {
      faults.add('--map and --target embedded contradict each other', 'leave one of them out');
    }
    return routes;
  }
  const endpoint = faults.attempt(target.label, null, () => parseEndpoint(target.text));
  if (endpoint !== null) {
    routes.push({ recordedAddress: null, recordedPort: null, target: endpoint });
  }
  return routes;
}

function readClients(given: GivenOptions, routes: readonly RouteSpec[], faults: FaultList) {
  // A name's family is not known yet: IPv4, unless the pool says otherwise.
  const isIpv6 = routes.length > 0 && routes.every(({ target }) => target.host.includes(':'));
  const instead = parseClients(isIpv6 ? DEFAULT_CLIENTS_IPV6 : DEFAULT_CLIENTS_IPV4);
  const found = given.text('clients');
  if (found === null) return instead;
  return faults.attempt(found.label, instead, () => parseClients(found.text));
}

function readThresholds(
  given: GivenOptions,
  faults: FaultList,
  parse: (text: string) => unknown,
): readonly string[] {
  const found = given.texts('threshold');
  for (const { label, text } of found) faults.attempt(label, null, () => parse(text));
  return found.map(({ text }) => text.trim());
}

function refuseContradictions(
  given: GivenOptions,
  routes: readonly RouteSpec[],
  faults: FaultList,
): void {
  if (given.isFlag('rate') && given.isFlag('ramp')) {
    faults.add('--rate and --ramp contradict each other', 'leave one of them out');
  }
  const isEmbedded = routes.length === 0 && !given.isFlag('target') && !given.isFlag('map');
  const named = given.text('target')?.text.trim() === 'embedded';
  if (isEmbedded || named) {
    for (const name of NETWORK_ONLY) {
      if (!given.isFlag(name)) continue;
      faults.add(`--${name} means nothing to the embedded target`, 'add --target HOST:PORT');
    }
  } else if (given.isFlag('real-time')) {
    faults.add('--real-time is for the embedded target', 'leave it out: a target is on the clock');
  }
}
