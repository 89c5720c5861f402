/**
 * Thresholds: `response:p(99)<20ms`, `errors:rate<0.1%`, `users:timedOut==0`,
 * `exchanges:rate>-5%` (against a baseline).
 *
 * What was not measured does not pass: a threshold on an empty histogram, or on a share of nothing,
 * fails whatever it says.
 */
import { ReplayError } from '../base/errors.ts';
import { NS_PER_MS } from '../base/time.ts';
import { parseDurationNs, parsePercentage, parseRatePerSecond } from '../base/units.ts';
import { LATENCY_NAMES, type Latency, type LatencyName, type LatencyTable } from './histograms.ts';
import type { Ledger, RunResult, ThresholdOutcome, ThresholdUnit } from './result.ts';

type Operator = '<' | '<=' | '>' | '>=' | '==';

/** A condition that a run has to meet, parsed. */
export interface Threshold {
  /** As it was written. */
  readonly expression: string;
  readonly metric: string;
  readonly aggregate: string;
  readonly operator: Operator;
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

/** `p99` is `p(99)`, as in the columns of the summary. */
const SHAPE =
  /^(\w+):(?:p(\d+(?:\.\d+)?)|([A-Za-z]+)(?:\((\d+(?:\.\d+)?)\))?)\s*(<=|>=|==|<|>)\s*([+-]?)(\S+)$/;

const BARE_NUMBER = /^\d+(?:\.\d+)?$/;

/** What other load testers call things. */
const FOREIGN_METRICS: ReadonlyMap<string, string> = new Map([
  ['http_req_duration', 'response'],
  ['http_req_waiting', 'firstByte'],
  ['http_req_connecting', 'connect'],
  ['http_req_failed', 'errors'],
  ['http_reqs', 'exchanges'],
]);

const LEDGER_STATES: readonly (keyof Ledger)[] = [
  'planned',
  'waiting',
  'live',
  'completed',
  'refused',
  'reset',
  'timedOut',
  'aborted',
];

/** What a metric that counts has: how many, and out of how many or per second. */
const COUNTING: ReadonlyMap<string, 'fraction' | 'per second'> = new Map([
  ['errors', 'fraction'],
  ['mismatches', 'fraction'],
  ['failures', 'fraction'],
  ['retransmits', 'fraction'],
  ['exchanges', 'per second'],
  ['connections', 'per second'],
]);

const METRICS = [...LATENCY_NAMES, ...COUNTING.keys(), 'users'].join(', ');

/**
 * Reads one threshold.
 * @throws ReplayError ERR_THRESHOLD (usage)
 */
export function parseThreshold(expression: string): Threshold {
  const [threshold] = parseThresholds([expression]);
  return threshold;
}

/**
 * Reads thresholds.
 * @throws ReplayError ERR_THRESHOLD (usage), which names every fault
 */
export function parseThresholds(expressions: readonly string[]): readonly Threshold[] {
  const faults: string[] = [];
  const thresholds: Threshold[] = [];
  for (const expression of expressions) {
    const parsed = parse(expression);
    if (typeof parsed === 'string') faults.push(`threshold '${expression}' ${parsed}`);
    else thresholds.push(parsed);
  }
  if (faults.length === 0) return thresholds;
  throw new ReplayError({
    code: 'ERR_THRESHOLD',
    kind: 'usage',
    message: faults.join('; '),
    hint: "write them like 'response:p(99)<20ms', 'errors:rate<0.1%' or 'exchanges:rate>10000/s'",
  });
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

/** The threshold, or what is wrong with it. */
function parse(expression: string): Threshold | string {
  const match = SHAPE.exec(expression.trim());
  if (match === null) return 'is not METRIC:AGGREGATE, a comparison and a value';
  const [, metric, percentile, name = 'p', argument = percentile, operator, sign, value] = match;
  const unit = unitOf(metric, name, argument, value);
  if (typeof unit === 'object') return unit.fault;
  const aggregate = argument === undefined ? name : `${name}(${argument})`;
  const base = { expression, metric, aggregate, operator: operator as Operator, unit };
  try {
    if (sign !== '') {
      const change = parsePercentage(value);
      return { ...base, value: sign === '-' ? -change : change, isRelative: true };
    }
    return { ...base, value: parseValue(value, unit), isRelative: false };
  } catch (error) {
    if (!(error instanceof ReplayError)) throw error;
    return `has no such value: ${error.message}${error.hint === null ? '' : ` (${error.hint})`}`;
  }
}

function unitOf(
  metric: string,
  name: string,
  argument: string | undefined,
  value: string,
): ThresholdUnit | { fault: string } {
  if (argument !== undefined && name !== 'p') {
    return { fault: `has an argument where '${name}' takes none` };
  }
  if (LATENCY_NAMES.includes(metric as LatencyName)) {
    if (name === 'p') {
      if (argument === undefined || Number(argument) > 100) {
        return { fault: 'needs a percentile from 0 to 100: p(99)' };
      }
      return 'ms';
    }
    if (name === 'count') return 'count';
    if (['min', 'mean', 'avg', 'med', 'max'].includes(name)) return 'ms';
    return { fault: `has no such aggregate: ${metric} has min, mean, med, max, p(N) and count` };
  }
  if (metric === 'users') {
    if (![...LEDGER_STATES, 'peakEstablished'].includes(name)) {
      return { fault: `has no such state: users has ${LEDGER_STATES.join(', ')}, peakEstablished` };
    }
    return value.endsWith('%') ? 'fraction' : 'count';
  }
  const rate = COUNTING.get(metric);
  if (rate === undefined) {
    const own = FOREIGN_METRICS.get(metric);
    if (own !== undefined) return { fault: `has an unknown metric; '${own}' is what it is here` };
    return { fault: `has an unknown metric; known are ${METRICS}` };
  }
  if (name === 'rate') return rate;
  if (name === 'count') return 'count';
  return { fault: `has no such aggregate: ${metric} has rate and count` };
}

function parseValue(text: string, unit: ThresholdUnit): number {
  // A bare number is in the unit that results have, as k6 has it.
  if (unit === 'ms' && BARE_NUMBER.test(text)) return Number(text);
  if (unit === 'ms') return parseDurationNs(text) / NS_PER_MS;
  if (unit === 'fraction') return parsePercentage(text);
  // A rate is above 0, but "more than none" is a fair question.
  if (unit === 'per second' && text !== '0') return parseRatePerSecond(text);
  if (BARE_NUMBER.test(text)) return Number(text);
  throw new ReplayError({
    code: 'ERR_THRESHOLD',
    kind: 'usage',
    message: `'${text}' is not a number`,
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

function holds(actual: number, operator: Operator, limit: number): boolean {
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
