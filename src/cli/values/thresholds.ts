/** How thresholds are written: `response:p(99)<20ms`, `errors:rate<0.1%`, `exchanges:rate>-5%`. */
import { ReplayError } from '../../base/errors.ts';
import { NS_PER_MS } from '../../base/time.ts';
import { parseDurationNs, parsePercentage, parseRatePerSecond } from '../../base/units.ts';
import { LATENCY_NAMES, type LatencyName } from '../../measure/histograms.ts';
import type { Ledger, ThresholdUnit } from '../../measure/result.ts';
import type { Threshold, ThresholdOperator } from '../../measure/thresholds.ts';

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
  const parsed = parse(expression);
  if (typeof parsed !== 'string') return parsed;
  throw new ReplayError({
    code: 'ERR_THRESHOLD',
    kind: 'usage',
    message: `threshold '${expression}' ${parsed}`,
    hint: "write them like 'response:p(99)<20ms', 'errors:rate<0.1%' or 'exchanges:rate>10000/s'",
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
  const base = { expression, metric, aggregate, operator: operator as ThresholdOperator, unit };
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
