/** The result of a run as a function of its record alone, and of the limits that it is held against. */
import { NS_PER_MS, NS_PER_SECOND } from '../base/time.ts';
import { buildResult } from './build-result.ts';
import { Counter } from './counters.ts';
import type { Measured } from './figures.ts';
import { mergeTimelines, peakEstablished } from './intervals.ts';
import { emitRecord } from './record-document.ts';
import type { RunResult } from './result.ts';
import type { RunFacts } from './run-facts.ts';
import type { RunRecord, ShareFacts } from './run-record.ts';
import type { Threshold } from './thresholds.ts';

/**
 * The result of a record; its own compact form is part of it, so that results can be added.
 * @param isSum whether it is to be that of all shares; else one share is judged for itself
 */
export function resultOf(
  record: RunRecord,
  thresholds: readonly Threshold[],
  baseline: readonly Measured[] = [],
  isSum = record.shares.length > 1,
): RunResult {
  const timeline = mergeTimelines(record.timelines);
  const counters = record.counters.slice();
  counters[Counter.PEAK_ESTABLISHED] = peakEstablished(timeline);
  const { latency, classes, differences } = record;
  const measured = { counters, latency, classes, differences, timeline };
  return {
    ...buildResult(factsOf(record, isSum), measured, thresholds, baseline),
    record: emitRecord(record),
  };
}

function factsOf({ identity, shares, counters }: RunRecord, isSum: boolean): RunFacts {
  const { plan, captureDigest, planDigest, sessions, version, clock } = identity;
  const users = shares.reduce((sum, share) => sum + share.users, 0);
  const startedMs = Math.min(...shares.map(startMs));
  const endedMs = Math.max(...shares.map((share) => startMs(share) + msOf(share.wallSeconds)));
  const [first] = shares;
  return {
    version,
    command: first.command,
    startedAt: new Date(startedMs).toISOString(),
    durationNs: counters[Counter.CLOCK_NS],
    clock,
    wallSeconds: (endedMs - startedMs) / 1_000,
    capture: { files: first.files, digest: captureDigest, sessions },
    plan: { ...plan, mode: unique(shares.map(({ mode }) => mode)).join('+'), digest: planDigest },
    shares: { of: identity.shares, played: shares.map(({ share }) => share + 1) },
    ...playsOf(plan, shares, counters),
    recordedPerSecond: recordedPerSecond(identity, users, counters),
    generator: generatorOf(shares),
    stateBytesPerUser: identity.stateBytesPerUser,
    isInterrupted: shares.some(({ isInterrupted }) => isInterrupted),
    failure: failureOf(identity.shares, shares, isSum),
    failureKind: failureKindOf(identity.shares, shares, isSum),
    stopped: stoppedOf(shares),
  };
}

/**
 * How many plays of sessions and of clients there were to be. Where users play again and again until a
 * time, what was not begun was never planned.
 */
function playsOf(
  { per, iterations, untilSeconds }: RunRecord['identity']['plan'],
  shares: readonly ShareFacts[],
  counters: Float64Array,
): Pick<RunFacts, 'plays' | 'clientPlays'> {
  const isLimited = untilSeconds !== null;
  const users = shares.reduce((sum, share) => sum + share.users, 0);
  const planned = (plays: number, started: number): number =>
    isLimited ? Math.max(plays, started) : plays;
  const userPlays = isLimited ? users : users * iterations;
  if (per === 'connection') {
    return { plays: planned(userPlays, counters[Counter.STARTED]), clientPlays: null };
  }
  const connections = shares.reduce((sum, share) => sum + (share.connections ?? 0), 0);
  return {
    plays: planned(connections, counters[Counter.STARTED]),
    clientPlays: planned(userPlays, counters[Counter.CLIENTS_STARTED]),
  };
}

/** Exchanges per second that the recorded timing comes to, for the users of the shares. */
function recordedPerSecond(
  { recorded, plan }: RunRecord['identity'],
  users: number,
  counters: Float64Array,
): number {
  const started = counters[Counter.STARTED];
  const exchangesPerPlay = started > 0 ? counters[Counter.EXCHANGES_PLANNED] / started : 0;
  const plays = users === plan.users ? recorded.plays : (recorded.plays * users) / plan.users;
  if (recorded.durationNs <= 0) return 0;
  return (plays * exchangesPerPlay * NS_PER_SECOND) / recorded.durationNs;
}

/** Time and threads add up; memory and silence are those of the worst. */
function generatorOf(shares: readonly ShareFacts[]): RunFacts['generator'] {
  if (shares.length === 1) return shares[0].generator;
  const lines = (of: (share: ShareFacts) => readonly string[]): string[] =>
    shares.flatMap((share) => of(share).map((line) => `share ${share.share + 1}: ${line}`));
  return {
    cpuSeconds: shares.reduce((sum, { generator }) => sum + usOf(generator.cpuSeconds), 0) / 1e6,
    peakRssBytes: Math.max(...shares.map(({ generator }) => generator.peakRssBytes)),
    threads: shares.reduce((sum, { generator }) => sum + generator.threads, 0),
    interceptSilentSeconds: Math.max(
      ...shares.map(({ generator }) => generator.interceptSilentSeconds),
    ),
    warnings: lines(({ generator }) => generator.warnings),
    notes: lines(({ generator }) => generator.notes),
  };
}

/**
 * Which shares there are no results of: `shares 1, 3 of 5 are missing`.
 * @param missing numbers from 0, at least one
 */
export function missingText(missing: readonly number[], of: number): string {
  const numbers = missing.map((share) => share + 1).join(', ');
  return missing.length === 1
    ? `share ${numbers} of ${of} is missing`
    : `shares ${numbers} of ${of} are missing`;
}

/** Why the run is not what was asked for, or null. */
function failureOf(of: number, shares: readonly ShareFacts[], isSum: boolean): string | null {
  const reasons = shares.flatMap(({ share, failure }) =>
    failure === null ? [] : [shares.length === 1 ? failure : `share ${share + 1}: ${failure}`],
  );
  const missing = Array.from({ length: of }, (_, share) => share).filter((share) =>
    shares.every((one) => one.share !== share),
  );
  if (isSum && missing.length > 0) {
    reasons.push(missingText(missing, of));
  }
  return reasons.length === 0 ? null : reasons.join('; ');
}

/** Of this machine only where nothing else was amiss. */
function failureKindOf(
  of: number,
  shares: readonly ShareFacts[],
  isSum: boolean,
): RunFacts['failureKind'] {
  const kinds = shares.filter(({ failure }) => failure !== null).map((one) => one.failureKind);
  if (isSum && shares.length < of) kinds.push('unreachable');
  return kinds.find((kind) => kind !== 'environment') ?? kinds.at(0) ?? null;
}

function stoppedOf(shares: readonly ShareFacts[]): string | null {
  const reasons = shares.flatMap(({ share, stopped }) =>
    stopped === null ? [] : [shares.length === 1 ? stopped : `share ${share + 1}: ${stopped}`],
  );
  return reasons.length === 0 ? null : reasons.join('; ');
}

const startMs = ({ startedAt }: ShareFacts): number => Date.parse(startedAt);
const msOf = (seconds: number): number => Math.round(seconds * (NS_PER_SECOND / NS_PER_MS));
/** Whole microseconds add up exactly. */
const usOf = (seconds: number): number => Math.round(seconds * 1e6);
const unique = (texts: readonly string[]): string[] => [...new Set(texts)];
