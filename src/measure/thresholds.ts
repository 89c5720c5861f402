/**
 * Thresholds: `response:p(99)<20ms`, `errors:rate<0.1%`, `users:timedOut==0`,
 * `exchanges:rate>-5%` (against a baseline).
 *
 * What was not measured does not pass: a threshold on an empty histogram, or on a share of nothing,
 * fails whatever it says.
 */
import { ReplayError } from '../base/errors.ts';
import { NS_PER_MS } from '../base/time.ts';
import { LATENCY_NAMES, type Latency, type LatencyName, type LatencyTable } from './histograms.ts';
import type { Ledger, RunResult, ThresholdOutcome, ThresholdUnit } from './result.ts';

/** How a figure is compared with a limit. */
export type ThresholdOperator = '<' | '<=' | '>' | '>=' | '==';

/** A condition that a run has to meet, parsed. */
export interface Threshold {
  /** As it was written. */
  readonly expression: string;
  readonly metric: string;
  readonly aggregate: string;
  readonly operator: ThresholdOperator;
  readonly unit: ThresholdUnit;
  /** In `unit`; of a relative threshold the change against the baseline as a fraction. */
  readonly value: number;
  readonly isRelative: boolean;
}

/** What thresholds are held against: a result without its outcomes, and its histograms. */
export interface Measured {
  readonly result: Pick<RunResult, 'users' | 'exchanges' | 'packets' | 'rates'>;
  readonly latency: LatencyTable;
}

/**
 * Holds thresholds against what was measured.
 * @throws ReplayError ERR_THRESHOLD (usage) when one is relative and there is no baseline
 */
export function evaluateThresholds(
  thresholds: readonly Threshold[],
  measured: Measured,
  baseline: Measured | null = null,
): readonly ThresholdOutcome[] {
  return thresholds.map((threshold) => {
    const actual = actualOf(threshold, measured);
    let limit: number | null = threshold.value;
    if (threshold.isRelative) {
      if (baseline === null) throw missingBaseline(threshold);
      const before = actualOf(threshold, baseline);
      limit = before === null ? null : before * (1 + threshold.value);
    }
    const ok = actual !== null && limit !== null && holds(actual, threshold.operator, limit);
    return { expression: threshold.expression, ok, actual, limit, unit: threshold.unit };
  });
}

function actualOf(threshold: Threshold, { result, latency }: Measured): number | null {
  const { metric, aggregate, unit } = threshold;
  const index = LATENCY_NAMES.indexOf(metric as LatencyName);
  if (index >= 0) return latencyOf(latency, index as Latency, aggregate);
  if (metric === 'users') {
    const count = result.users[aggregate as keyof Ledger];
    return unit === 'fraction' ? share(count, result.users.planned) : count;
  }
  const { users, exchanges, packets, rates } = result;
  if (metric === 'exchanges') return unit === 'count' ? exchanges.answered : rates.achieved;
  if (metric === 'connections') return unit === 'count' ? rates.connected : rates.connections;
  const [count, outOf] = {
    errors: [
      failedUsers(users) + users.completedWithFailures,
      users.completed + failedUsers(users),
    ],
    mismatches: [exchanges.mismatched, exchanges.answered],
    failures: [exchanges.failed, exchanges.answered],
    retransmits: [packets.retransmitted + packets.synRetransmitted, packets.sent],
  }[metric] ?? [0, 0];
  return unit === 'count' ? count : share(count, outOf);
}

/** Users that ended otherwise than completed. */
export const failedUsers = (users: Ledger): number =>
  users.refused + users.reset + users.timedOut + users.aborted;

function latencyOf(table: LatencyTable, latency: Latency, aggregate: string): number | null {
  if (table.count(latency) === 0) return null;
  if (aggregate === 'count') return table.count(latency);
  const ns = {
    min: table.minNs(latency),
    mean: table.meanNs(latency),
    avg: table.meanNs(latency),
    med: table.valueAtPercentileNs(latency, 50),
    max: table.maxNs(latency),
  }[aggregate];
  if (ns !== undefined) return ns === null ? null : ns / NS_PER_MS;
  const atNs = table.valueAtPercentileNs(latency, Number(aggregate.slice(2, -1)));
  return atNs === null ? null : atNs / NS_PER_MS;
}

const share = (count: number, outOf: number): number | null => (outOf === 0 ? null : count / outOf);

function holds(actual: number, operator: ThresholdOperator, limit: number): boolean {
  if (operator === '<') return actual < limit;
  if (operator === '<=') return actual <= limit;
  if (operator === '>') return actual > limit;
  if (operator === '>=') return actual >= limit;
  return actual === limit;
}

const missingBaseline = (threshold: Threshold): ReplayError =>
  new ReplayError({
    code: 'ERR_THRESHOLD',
    kind: 'usage',
    message: `threshold '${threshold.expression}' is relative and there is no baseline`,
    hint: 'give an earlier result to compare with, or an absolute value',
  });
