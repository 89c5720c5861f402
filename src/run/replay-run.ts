/** A replay from beginning to end: index, plan, play, result. */

import { availableParallelism } from 'node:os';
import { ReplayError, undoAfter } from '../base/errors.ts';
import { NS_PER_MS, NS_PER_SECOND } from '../base/time.ts';
import { formatCount } from '../base/units.ts';
import { fullTracking } from '../doctor/machine-findings.ts';
import { conntrack } from '../io/doctor/machine.ts';
import type { MetricsServer } from '../io/metrics-server.ts';
import { peakMemoryBytes } from '../io/process-memory.ts';
import { Counter, sumCounters } from '../measure/counters.ts';
import type { RunResult } from '../measure/result.ts';
import { nothingMeasured, type RunIdentity, recordOf } from '../measure/run-record.ts';
import {
  type CaptureIndex,
  type IndexOptions,
  indexCaptures,
  indexPlayed,
  type PlayedCaptures,
  type PlayedIndex,
} from './captures/index-captures.ts';
import { nothingToReplay } from './captures/nothing-to-replay.ts';
import { baselineOf, EarlyStop } from './early-stop.ts';
import { LeftBehindError } from './left-behind-error.ts';
import { warnOfHints, warnOfPorts } from './plan/capture-hints.ts';
import { type NetworkWay, warnOfWay } from './plan/network-way.ts';
import type { ReplayOptions, RunHost } from './plan/options.ts';
import { clientsText } from './plan/options.ts';
import { NO_SURROUNDINGS, planRun } from './plan/plan-run.ts';
import type { RunPlan } from './plan/run-plan.ts';
import { wantedBy } from './plan/wanted-sessions.ts';
import { arenaBytesOf, draftFor, planWay } from './plans.ts';
import { failureOf, playUntilDone, watchOf } from './play-until-done.ts';
import { runIdentity, shareFacts } from './run-facts.ts';
import type { InterceptedWay } from './threads/intercepted-way.ts';
import type { LocalWay } from './threads/local-way.ts';
import { ProgressMeter } from './threads/progress-meter.ts';
import { ReplayThreads, type ThreadsState } from './threads/replay-threads.ts';
import { UnreachedError } from './unreached-error.ts';

/** With fewer users than this a second thread costs more than it brings. */
const USERS_PER_THREAD_MIN = 1_000;
/** And with the embedded target, in whose time a thread's start is long. */
const EMBEDDED_USERS_PER_THREAD_MIN = 20_000;
const THREADS_MAX = 16;

/**
 * Plays the captures' sessions as the options say and reports what came of it.
 * @param version gryphon's own version
 * @throws ReplayError by what failed: usage, capture, environment; UnreachedError and LeftBehindError, with a result
 */
export async function runReplay(
  options: ReplayOptions,
  host: RunHost,
  version: string,
): Promise<RunResult> {
  const live: Live = { state: () => ({ counters: [], latencies: [] }) };
  const metrics = await serveLive(options, version, live);
  try {
    return await playAndReport(options, host, version, live);
  } finally {
    metrics?.close();
  }
}

/** What there is to look at while the run goes on. */
interface Live {
  state: () => ThreadsState;
}

/** Loads Prometheus's client only where it is asked for; before anything else, so that it fails early. */
async function serveLive(
  { metrics }: ReplayOptions,
  version: string,
  live: Live,
): Promise<MetricsServer | null> {
  if (metrics === null || metrics === undefined) return null;
  const { serveMetrics } = await import('../io/metrics-server.ts');
  const { replayMetrics } = await import('./metrics/replay-metrics.ts');
  return await serveMetrics(
    metrics,
    replayMetrics(version, () => live.state()),
  );
}

async function playAndReport(
  options: ReplayOptions,
  host: RunHost,
  version: string,
  live: Live,
): Promise<RunResult> {
  const begun: Begun = { version, startedAt: new Date(), cpuBefore: process.cpuUsage() };
  const meter = new ProgressMeter(host);
  const stop = new EarlyStop(options, await baselineOf(options));
  const index = await playedForReplay(options, host, meter);
  let local: LocalWay | null = null;
  try {
    const ways = await openWays(index, options, host, begun);
    const { identity, plan, network, intercepts, threads, warnings, onWarning } = ways;
    local = ways.local;
    let interceptNotes: readonly string[] = [];
    const crew = new ReplayThreads({
      plan,
      network: intercepts?.way ?? network,
      realTime: options.realTime,
      threads,
      prepared: intercepts?.prepared ?? null,
      modules: options.modules ?? [],
      arenaBytes: arenaBytesOf(plan, options, threads),
      startAtMs: startAtMs(options, begun),
      keepsAnswers: host.onAnswers !== undefined,
      onWarning,
      onStart: () => meter.begin(plan, () => crew.state),
    });
    live.state = () => crew.state;
    const gone = intercepts?.gone ?? null;
    const device = watchOf(network, onWarning);
    let isInterrupted: boolean;
    try {
      isInterrupted = await playUntilDone(crew, meter, host, { gone, local, device, stop });
    } finally {
      interceptNotes = (await intercepts?.close()) ?? [];
    }
    if (host.onAnswers !== undefined) crew.tellAnswers((answers) => host.onAnswers?.(answers));
    const counters = sumCounters(crew.state.counters);
    const said = [
      ...warnOfEarlierRun(counters),
      ...warnOfTracking(counters),
      ...crew.moduleFailures,
    ];
    for (const warning of said) onWarning(warning);
    const facts = shareFacts(options, plan, intercepts?.mode ?? null, {
      ...sinceBegun(begun),
      isInterrupted,
      ...failureOf(gone, device?.failureOf(counters) ?? null),
      stopped: stop.reason,
      generator: {
        interceptSilentSeconds: (intercepts?.silentNs() ?? 0) / NS_PER_SECOND,
        cpuSeconds: cpuSecondsSince(begun.cpuBefore),
        peakRssBytes: peakMemoryBytes(),
        threads,
        warnings,
        notes: [...crew.notes, ...(local?.notes ?? []), ...interceptNotes],
      },
    });
    const { resultOf } = await loadResults();
    const record = recordOf(identity, facts, crew.measurements);
    const result = resultOf(record, options.thresholds, stop.baseline);
    closeWith(result, local);
    return result;
  } finally {
    local?.close();
    index.close();
  }
}

/** @throws LeftBehindError with the run's result, where something of this machine is not as it was */
function closeWith(result: RunResult, local: LocalWay | null): void {
  try {
    local?.close();
  } catch (fault) {
    throw fault instanceof ReplayError ? new LeftBehindError(fault, result) : fault;
  }
}

/** HdrHistogram's library takes 30 ms to load, which nobody's first packet has to wait for. */
const loadResults = () => import('../measure/record-result.ts');

/** What is known of a run from its first moment on. */
interface Begun {
  readonly version: string;
  readonly startedAt: Date;
  readonly cpuBefore: NodeJS.CpuUsage;
}

/** On the wall clock; null: when it is ready. */
function startAtMs({ startAt }: ReplayOptions, { startedAt }: Begun): number | null {
  if (startAt === null || startAt === undefined) return null;
  return startAt.kind === 'at' ? startAt.epochMs : startedAt.getTime() + startAt.ns / NS_PER_MS;
}

const sinceBegun = ({ startedAt }: Begun) => ({
  startedAt: startedAt.toISOString(),
  wallSeconds: (Date.now() - startedAt.getTime()) / 1_000,
});

/** The plan, and the ways out and back, each tried by a probe. */
interface Ways {
  readonly identity: RunIdentity;
  readonly plan: RunPlan;
  readonly network: NetworkWay | null;
  readonly local: LocalWay | null;
  readonly intercepts: InterceptedWay | null;
  readonly threads: number;
  /** What the user has been told so far, and is told by `onWarning` from now on. */
  readonly warnings: readonly string[];
  onWarning(text: string): void;
}

/** @throws UnreachedError where a target or an intercept cannot be reached; ReplayError */
async function openWays(
  index: PlayedIndex,
  options: ReplayOptions,
  host: RunHost,
  begun: Begun,
): Promise<Ways> {
  const warnings: string[] = [];
  const onWarning = (text: string): void => {
    warnings.push(text);
    host.onWarning(text);
  };
  const { interrupted } = host;
  const draft = await draftFor(index, index.played(), options, host);
  const epochMs = begun.startedAt.getTime();
  let local: LocalWay | null = null;
  try {
    const { plan, network } = planWay(draft, epochMs);
    const said = warnOfPorts(plan);
    if (network !== null) said.push(...warnOfWay(network, plan));
    if (network !== null) said.push(...warnOfHints(index, plan, options.modules));
    for (const warning of [...draft.warnings, ...said]) onWarning(warning);
    const threads = threadsOf(options, plan.users);
    // Loaded where there is such a way: the kernel's sockets, the channel.
    if (network !== null && network.intercepts.length === 0) {
      const { openLocalWay } = await import('./threads/local-way.ts');
      local = await openLocalWay(plan, network, { interrupted, onWarning });
    }
    let intercepts: InterceptedWay | null = null;
    if (network !== null && network.intercepts.length > 0) {
      const { openIntercepts } = await import('./threads/intercepted-way.ts');
      const { token } = options;
      const asked = { token, shards: threads, interrupted, version: begun.version, onWarning };
      intercepts = await openIntercepts(plan, network, asked);
    }
    const identity = runIdentity(options, index, plan, begun.version);
    return { identity, plan, network, local, intercepts, threads, warnings, onWarning };
  } catch (cause) {
    const fault = undoAfter(cause, () => local?.close());
    if (!(fault instanceof ReplayError) || fault.kind !== 'unreachable') throw fault;
    // Without what was found out on the way: it may be the way that there is none of.
    const plan = planRun(draft, NO_SURROUNDINGS, epochMs);
    const result = await unreachedResult(index, options, plan, begun, fault, warnings);
    throw new UnreachedError(fault, result);
  }
}

/** What there is to report where no user was started, since there is no way to the target or back. */
async function unreachedResult(
  index: PlayedCaptures,
  options: ReplayOptions,
  plan: RunPlan,
  begun: Begun,
  fault: ReplayError,
  warnings: readonly string[],
): Promise<RunResult> {
  const facts = shareFacts(options, plan, null, {
    ...sinceBegun(begun),
    isInterrupted: false,
    failure: fault.message,
    failureKind: 'unreachable',
    stopped: null,
    generator: {
      interceptSilentSeconds: 0,
      cpuSeconds: cpuSecondsSince(begun.cpuBefore),
      peakRssBytes: peakMemoryBytes(),
      threads: threadsOf(options, plan.users),
      warnings: fault.hint === null ? warnings : [...warnings, fault.hint],
      notes: [],
    },
  });
  const identity = runIdentity(options, index, plan, begun.version);
  // As they were asked for: own addresses are not known without a way.
  const asked = { ...identity, plan: { ...identity.plan, clients: clientsText(options.clients) } };
  const { resultOf } = await loadResults();
  return resultOf(
    recordOf(asked, facts, nothingMeasured()),
    options.thresholds,
    await baselineOf(options),
  );
}

/** The index of captures that have something to replay. */
export const indexForReplay = async (
  options: ReplayOptions,
  host: RunHost,
  meter: ProgressMeter,
): Promise<CaptureIndex> =>
  withSomething(
    await indexCaptures(options.captures, indexOptions(options, host, meter)),
    options.captures,
  );

/** The same, where only what will be played is asked for. */
const playedForReplay = async (
  options: ReplayOptions,
  host: RunHost,
  meter: ProgressMeter,
): Promise<PlayedIndex> =>
  withSomething(
    await indexPlayed(options.captures, indexOptions(options, host, meter), wantedBy(options)),
    options.captures,
  );

const indexOptions = (
  { choice, seed }: ReplayOptions,
  host: RunHost,
  meter: ProgressMeter,
): IndexOptions => ({
  ...choice,
  seed,
  onProgress: (bytesRead, bytes, elapsedMs) => meter.onIndexing(bytesRead, bytes, elapsedMs),
  onWarning: (text) => host.onWarning(text),
  signal: host.interrupted,
});

function withSomething<T extends PlayedCaptures>(index: T, captures: readonly string[]): T {
  if (index.sessions.replayable > 0) return index;
  const fault = nothingToReplay(index, captures);
  index.close();
  throw fault;
}

/** A target that heeds no reset of ours keeps what an earlier run left until its time is up. */
export function warnOfEarlierRun(counters: Float64Array): string[] {
  const met = counters[Counter.OLD_CONNECTIONS];
  const inVain = counters[Counter.TIMED_OUT_CONNECTING];
  if (met === 0 || inVain === 0) return [];
  return [
    `the target still has connections of an earlier run: ${formatCount(met)} users met one, ` +
      `${formatCount(inVain)} timed out connecting; wait a minute, or give another --seed or --ports`,
  ];
}

/** Packets that this machine did not let out, for a reason that is none of its firewall's rules. */
export function warnOfTracking(counters: Float64Array, tracked = conntrack()): string[] {
  const unsent = counters[Counter.UNSENT_NOT_PERMITTED];
  const full = unsent > 0 ? fullTracking(tracked) : null;
  if (full === null) return [];
  return [
    `this machine did not let ${formatCount(unsent)} packets out: ${full.what}; ${full.mend}`,
  ];
}

function threadsOf({ target, threads, sender }: ReplayOptions, users: number): number {
  const isEmbedded = target.kind === 'embedded';
  // raw-socket can be used by one thread of a process.
  if (!isEmbedded && sender === 'raw-socket') return 1;
  // Each takes a queue of the interface, and many interfaces have one.
  if (!isEmbedded && sender === 'xdp' && threads === null) return 1;
  if (threads !== null) return Math.min(threads, users);
  const cores = availableParallelism();
  // A real target's replies have their own work in the kernel; an embedded one is its thread's own.
  const byCores = isEmbedded ? cores : Math.max(1, Math.floor(cores / 2));
  const usersMin = isEmbedded ? EMBEDDED_USERS_PER_THREAD_MIN : USERS_PER_THREAD_MIN;
  return Math.min(byCores, THREADS_MAX, Math.max(1, Math.floor(users / usersMin)));
}

function cpuSecondsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1_000) / NS_PER_SECOND;
}
