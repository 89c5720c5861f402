/** From the values of options to what a replay needs to know: all faults at once. */

import type { HttpSettings } from '../rewrite/http/http-module.ts';
import type { ModuleSpec } from '../run/plan/modules.ts';
import { OWN_CLIENTS, type ReplayOptions, type ReplayTarget } from '../run/plan/options.ts';
import { type ClientAddresses, DEFAULT_CLIENTS } from '../schedule/client-addresses.ts';
import { readLogIns } from './accounts.ts';
import { readBaseline } from './baseline.ts';
import { readCaptureOptions } from './capture-options.ts';
import type { Context } from './context.ts';
import type { GivenOptions } from './given-options.ts';
import { refuseIgnored } from './ignored-bodies.ts';
import { readIntercepts, readToken, resolveIntercepts } from './intercept-addresses.ts';
import type { Option, ValuesOf } from './options/option.ts';
import { REPLAY_TABLE } from './options/replay-table.ts';
import { findOtherMeanings } from './other-tools.ts';
import { readRewriting } from './rewriting.ts';
import { resolveTarget } from './targets.ts';
import type { FaultList } from './usage-error.ts';
import { EMBEDDED, type RouteSpec } from './values/endpoints.ts';

type ReplayValues = ValuesOf<typeof REPLAY_TABLE>;

/**
 * The options of a replay.
 * @param from.values what reading REPLAY_TABLE from `given` gave
 * @throws UsageError with every fault; ReplayError (unreachable) for a name without an address
 */
export async function readReplayOptions(from: {
  readonly values: ReplayValues;
  readonly given: GivenOptions;
  readonly context: Pick<Context, 'args' | 'env' | 'files' | 'lookup' | 'randomUint32'>;
  readonly faults: FaultList;
  /** What is played where none is named; left out: that is a fault. */
  readonly otherwise?: string;
}): Promise<ReplayOptions> {
  const { values, given, context, faults, otherwise } = from;
  const captures = [...given.positionals('capture'), ...values.file];
  if (captures.length === 0 && otherwise !== undefined) captures.push(otherwise);
  if (captures.length === 0) faults.add('no capture given', 'gryphon replay FILE…');
  if (captures.includes('')) faults.add('a capture has an empty name');
  const routes = routesOf(values, given, faults);
  const specs = readIntercepts(
    values.intercept,
    { label: given.labelOf('intercept'), port: values.interceptPort },
    faults,
  );
  const choice = readCaptureOptions(values, given, faults);
  // A target that cannot be read is one all the same.
  const isEmbedded =
    routes.length === 0 && (given.text('target')?.text.trim() ?? EMBEDDED) === EMBEDDED;
  refuseMeaningless(given, isEmbedded, faults);
  findOtherMeanings(given, faults);
  if (isEmbedded && given.isSaid('intercept') && specs.length > 0) {
    const label = given.labelOf('intercept');
    faults.add(`${label} means nothing to the embedded target`, 'add --target HOST:PORT');
  }
  if (values.share !== null && values.seed === null) {
    faults.add(
      '--share without --seed',
      'give all shares the same --seed: together they are one run',
    );
  }
  refuseClosedLoop(values, given, faults);
  refuseAgainst(values, faults);
  refuseTwoProtocols(values, faults);
  refuseOwn(values, { given, isEmbedded, hasIntercepts: specs.length > 0 }, faults);
  await refuseIgnored(values, faults);
  faults.throwIfAny();

  const { lookup } = context;
  const pool = defaultPool(routes);
  const clients = values.clients ?? pool;
  const { family } = clients === OWN_CLIENTS ? pool : clients;
  const { allowPublic } = values;
  const target: ReplayTarget =
    routes.length === 0
      ? { kind: 'embedded' }
      : await resolveTarget(routes, { family, allowPublic, lookup });
  const intercepts = await resolveIntercepts(specs, lookup);
  const token = intercepts.length === 0 ? null : await readToken(given, context);
  const baseline = await readBaseline(values, context.files, values.against !== null);
  const http = await readRewriting(values, context);
  const logIns = await readLogIns(values, context);
  return {
    command: context.args,
    captures,
    choice,
    target,
    clients,
    intercepts,
    token,
    baseline,
    ...plainOptions(values),
    modules: modulesOf(values, http, logIns),
    seed: values.seed ?? context.randomUint32(),
  };
}

/** What needs nothing but its own value. */
const plainOptions = (values: ReplayValues) => ({
  protocols: [...values.protocol, ...values.framing],
  saysRecorded: values.recordedServer,
  share: values.share,
  startAt: values.startAt,
  per: values.per,
  users: values.users ?? values.ramp?.at(-1)?.users ?? null,
  ports: values.ports,
  order: values.order,
  accel: values.accel,
  ratePerSecond: values.rate,
  requestsPerSecond: values.requestRate,
  ramp: values.ramp,
  // Steady requests: each start is a user of its own, and nobody waits for answers.
  iterations: values.requestRate === null ? values.iterations : 1,
  durationNs: values.duration,
  pace: values.requestRate === null ? values.pace : 'schedule',
  maxGapNs: values.maxGap,
  timeoutNs: values.timeout,
  close: values.close,
  check: values.check,
  checkIgnore: values.checkIgnore,
  bindTimeoutNs: values.bindTimeout,
  answerBytesMax: values.answerBytes,
  rewriteMemoryBytes: values.rewriteMemory,
  mss: values.mss,
  timestamps: values.timestamps,
  sack: values.sack,
  windowBytes: values.window,
  interfaceName: values.interface,
  nextHop: values.nextHop,
  sourceMac: values.sourceMac,
  sender: values.sender,
  wakeupNs: values.wakeup,
  arp: values.arp,
  makesRules: values.firewallRules,
  threads: values.threads,
  metrics: values.metrics,
  realTime: values.realTime,
  thresholds: values.threshold,
  abortOnFailNs: values.abortOnFail,
});

/** The list of modules: those that the user wrote come first. */
const modulesOf = (
  { module, moduleOptions }: ReplayValues,
  http: HttpSettings | null,
  logIns: readonly ModuleSpec[],
): readonly ModuleSpec[] => [
  ...module.map((path) => ({ kind: 'file' as const, path, options: moduleOptions?.value })),
  ...(http === null ? [] : [{ kind: 'http' as const, settings: http }]),
  ...logIns,
];

/** Mappings first, then `--target` for what none of them matches; none: the embedded target. */
function routesOf(
  { map, target }: ReplayValues,
  given: GivenOptions,
  faults: FaultList,
): readonly RouteSpec[] {
  if (target !== EMBEDDED) return [...map, { recordedAddress: null, recordedPort: null, target }];
  // From the environment it is a default that a mapping replaces.
  if (map.length === 0 || !given.isSaid('target') || !given.isAsClose('target', 'map')) return map;
  if (!given.isAsClose('map', 'target')) return [];
  const labels = `${given.labelOf('map')} and ${given.labelOf('target')} embedded`;
  faults.add(`${labels} contradict each other`, 'leave one of them out');
  return map;
}

function defaultPool(routes: readonly RouteSpec[]): ClientAddresses {
  // A name's family is not known yet: IPv4, unless the targets are IPv6 addresses.
  const isIpv6 = routes.length > 0 && routes.every(({ target }) => target.host.includes(':'));
  return DEFAULT_CLIENTS[isIpv6 ? 6 : 4];
}

/** A steady rate of requests cannot wait for answers. */
function refuseClosedLoop(
  { requestRate, pace }: ReplayValues,
  given: GivenOptions,
  faults: FaultList,
): void {
  if (requestRate === null || pace === 'schedule' || !given.isSaid('pace')) return;
  if (!given.isAsClose('pace', 'request-rate')) return;
  const labels = `${given.labelOf('request-rate')} and ${given.labelOf('pace')} ${pace}`;
  faults.add(`${labels} contradict each other`, 'requests at a steady rate are an open loop');
}

/** Own addresses are for a real target, and its replies come back to them by themselves. */
function refuseOwn(
  { clients }: ReplayValues,
  circumstances: {
    readonly given: GivenOptions;
    readonly isEmbedded: boolean;
    readonly hasIntercepts: boolean;
  },
  faults: FaultList,
): void {
  if (clients !== OWN_CLIENTS) return;
  const { given, isEmbedded, hasIntercepts } = circumstances;
  const label = `${given.labelOf('clients')} own`;
  if (isEmbedded && given.isAsClose('clients', 'target')) {
    faults.add(`${label} means nothing to the embedded target`, 'add --target HOST:PORT');
  } else if (hasIntercepts) {
    faults.add(
      `${label} and ${given.labelOf('intercept')} contradict each other`,
      'replies to own addresses come back here by themselves: leave the intercept out',
    );
  }
}

/** Options for one kind of target, given for the other. */
function refuseMeaningless(given: GivenOptions, isEmbedded: boolean, faults: FaultList): void {
  for (const { name, only } of Object.values<Option>(REPLAY_TABLE)) {
    if (only === undefined || !given.isSaid(name)) continue;
    // A target that is given closer to the user makes what stands in a file meaningless, not wrong.
    if (!given.isAsClose(name, 'target')) continue;
    const label = given.labelOf(name);
    if (only === 'network' && isEmbedded) {
      faults.add(`${label} means nothing to the embedded target`, 'add --target HOST:PORT');
    } else if (only === 'embedded' && !isEmbedded) {
      faults.add(`${label} is for the embedded target`, 'leave it out: a target is on the clock');
    }
  }
}

/**
 * The same run to the target of `--against`; null where that was not given.
 * @throws ReplayError (unreachable) for a name without an address; UsageError
 */
export async function readAgainst(
  options: ReplayOptions,
  { against, allowPublic }: ReplayValues,
  { lookup }: Pick<Context, 'lookup'>,
): Promise<ReplayOptions | null> {
  if (against === null || against === EMBEDDED) return null;
  const routes = [{ recordedAddress: null, recordedPort: null, target: against }];
  const family = options.clients === OWN_CLIENTS ? familyOfTarget(options) : options.clients.family;
  return { ...options, target: await resolveTarget(routes, { family, allowPublic, lookup }) };
}

const familyOfTarget = ({ target }: ReplayOptions): 4 | 6 =>
  target.kind === 'network' && target.routes.some(({ address }) => address.includes(':')) ? 6 : 4;

function refuseAgainst(
  { against, map, baseline, abortOnFail }: ReplayValues,
  faults: FaultList,
): void {
  if (against === null) return;
  if (map.length > 0) {
    faults.add('--against without --target alone', 'give --target HOST:PORT, and no --map');
  }
  if (baseline !== null || abortOnFail !== null) {
    faults.add(
      '--against together with --baseline or --abort-on-fail',
      'leave them out: thresholds count from the other target, at the end',
    );
  }
}

/** Sessions to a recorded port speak one protocol; those without one of their own, too. */
function refuseTwoProtocols({ protocol, framing }: ReplayValues, faults: FaultList): void {
  const said = new Map<number | null, Set<string>>();
  for (const { port, protocol: choice } of [...protocol, ...framing]) {
    const choices = said.get(port) ?? new Set();
    said.set(port, choices.add(JSON.stringify(choice)));
  }
  for (const [port, { size }] of said) {
    if (size < 2) continue;
    const labels = port === null ? '--framing without a port' : '--protocol and --framing';
    const what = port === null ? 'is given' : `name protocols for port ${port}`;
    faults.add(`${labels} ${what} ${size} times`, 'leave all but one of them out');
  }
}
