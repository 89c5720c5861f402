/**
 * How thresholds are written:
 *
 *     METRIC [{CLASS}] : AGGREGATE  COMPARISON  [+|-] VALUE  [@ FROM .. [TO]]
 *
 * `response:p(99)<20ms`, `errors:rate<0.1%`, `response{GET /cart}:p(99)<50ms`, `response:p(99)<20ms@60s..`,
 * `exchanges:rate>-5%` against a baseline. Read from left to right, so that a fault has a column.
 */
import { ReplayError } from '../../base/errors.ts';
import { guessText } from '../../base/nearest.ts';
import { NS_PER_MS } from '../../base/time.ts';
import { parseDurationNs, parsePercentage, parseRatePerSecond } from '../../base/units.ts';
import type { Figure, TimeWindow } from '../../measure/figures.ts';
import { LATENCY_NAMES, type LatencyName } from '../../measure/histograms.ts';
import type { Ledger, ThresholdUnit } from '../../measure/result.ts';
import type { Threshold, ThresholdOperator } from '../../measure/thresholds.ts';

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
  ['unchecked', 'fraction'],
  ...[1, 2, 3, 4, 5].map((digit) => [`status${digit}xx`, 'fraction'] as const),
  ['failures', 'fraction'],
  ['retransmits', 'fraction'],
  ['exchanges', 'per second'],
  ['connections', 'per second'],
]);

const METRIC_NAMES = [...LATENCY_NAMES, ...COUNTING.keys(), 'users', 'clients'];
const METRICS = METRIC_NAMES.join(', ');

/** By how they ended: connections, and clients where users are those. */
const isLedger = (metric: string): boolean => metric === 'users' || metric === 'clients';

const LATENCY_AGGREGATES = ['min', 'mean', 'avg', 'med', 'max'];

/**
 * Reads one threshold.
 * @throws ReplayError ERR_THRESHOLD (usage) that says in which column something else was expected
 */
export function parseThreshold(expression: string): Threshold {
  const source = new Source(expression);
  try {
    return readThreshold(source);
  } catch (error) {
    if (!(error instanceof Unexpected)) throw error;
    throw new ReplayError({
      code: 'ERR_THRESHOLD',
      kind: 'usage',
      message: `threshold '${expression}', column ${error.column}: ${error.message}`,
      hint: "write them like 'response:p(99)<20ms', 'errors:rate<0.1%' or 'exchanges:rate>10000/s'",
    });
  }
}

/** What stands somewhere is not what can stand there. */
class Unexpected extends Error {
  /** From 1. */
  readonly column: number;

  constructor(at: number, message: string) {
    super(message);
    this.column = at + 1;
  }
}

/** A text that is read from left to right, and where one is in it. */
class Source {
  readonly text: string;
  at = 0;

  constructor(text: string) {
    this.text = text;
    this.#skipBlanks();
  }

  /** What matches at this place, and the blanks behind it; null where nothing does. */
  take(pattern: RegExp): string | null {
    const sticky = new RegExp(pattern.source, 'y');
    sticky.lastIndex = this.at;
    const found = sticky.exec(this.text)?.[0] ?? null;
    this.at += found?.length ?? 0;
    this.#skipBlanks();
    return found;
  }

  /** @throws Unexpected */
  need(pattern: RegExp, what: string): string {
    const { at } = this;
    const found = this.take(pattern);
    if (found !== null) return found;
    const rest = this.text.slice(at).trimEnd();
    throw new Unexpected(at, `${what} is missing${rest === '' ? '' : ` before '${rest}'`}`);
  }

  #skipBlanks(): void {
    while (this.text[this.at] === ' ') this.at++;
  }
}

function readThreshold(source: Source): Threshold {
  const metricAt = source.at;
  const metric = source.need(/\w+/, `a metric (${METRICS})`);
  refuseUnknown(metric, metricAt);
  const requestClass = readClass(source, metric);
  source.need(/:/, "':' and an aggregate");
  const aggregateAt = source.at;
  const aggregate = readAggregate(source, metric);
  const operator = source.need(/<=|>=|==|<|>/, 'a comparison (< <= > >= ==)') as ThresholdOperator;
  const sign = source.take(/[+-]/);
  const valueAt = source.at;
  const text = source.need(/[^\s@]+/, 'a value');
  const unit = unitOf(metric, aggregate, aggregateAt, text);
  const value = readValue(text, valueAt, sign === null ? unit : 'fraction');
  const window = readWindow(source, { metric, requestClass });
  if (source.at < source.text.length) {
    const rest = source.text.slice(source.at).trimEnd();
    throw new Unexpected(source.at, `'${rest}' is too much; only a window may follow: @60s..120s`);
  }
  return {
    expression: source.text,
    ...{ metric, aggregate, unit, requestClass, window, operator },
    value: sign === '-' ? -value : value,
    isRelative: sign !== null,
  };
}

function refuseUnknown(metric: string, at: number): void {
  if (isLatency(metric) || COUNTING.has(metric) || isLedger(metric)) return;
  const own = FOREIGN_METRICS.get(metric);
  throw new Unexpected(
    at,
    own === undefined
      ? `'${metric}' is an unknown metric${guessText(metric, METRIC_NAMES)}; known are ${METRICS}`
      : `'${metric}' is an unknown metric; '${own}' is what it is here`,
  );
}

const isLatency = (metric: string): boolean => LATENCY_NAMES.includes(metric as LatencyName);

/** `{GET /cart}`: all up to the brace that closes it. */
function readClass(source: Source, metric: string): string | null {
  const { at } = source;
  if (source.take(/\{/) === null) return null;
  if (metric !== 'response') {
    throw new Unexpected(at, `classes of requests are told apart for 'response' only`);
  }
  const name = source.need(/[^}]+/, 'the name of a class').trimEnd();
  source.need(/\}/, "'}'");
  return name;
}

/** `p(99)`, `p99`, `max`, `rate`. */
function readAggregate(source: Source, metric: string): string {
  const at = source.at;
  const short = source.take(/p\d+(?:\.\d+)?/);
  if (short !== null) return percentileOf(short.slice(1), at, metric);
  const name = source.need(/[A-Za-z]+/, 'an aggregate');
  const argumentAt = source.at;
  if (source.take(/\(/) === null) {
    if (name === 'p' && isLatency(metric)) {
      throw new Unexpected(argumentAt, 'p needs a percentile from 0 to 100: p(99)');
    }
    return name;
  }
  if (name !== 'p') throw new Unexpected(argumentAt, `'${name}' takes none of what is in brackets`);
  const percentileAt = source.at;
  const percentile = source.need(/\d+(?:\.\d+)?/, 'a percentile from 0 to 100');
  source.need(/\)/, "')'");
  return percentileOf(percentile, percentileAt, metric);
}

function percentileOf(percentile: string, at: number, metric: string): string {
  if (isLatency(metric) && Number(percentile) > 100) {
    throw new Unexpected(at, 'p needs a percentile from 0 to 100: p(99)');
  }
  return `p(${percentile})`;
}

/** The unit of a figure, which for users depends on how the value is written. */
function unitOf(metric: string, aggregate: string, at: number, value: string): ThresholdUnit {
  if (isLatency(metric)) {
    if (aggregate === 'count') return 'count';
    if (aggregate.startsWith('p(') || LATENCY_AGGREGATES.includes(aggregate)) return 'ms';
    const guess = guessText(aggregate, [...LATENCY_AGGREGATES, 'count']);
    throw noAggregate(at, aggregate, `${metric} has min, mean, med, max, p(N) and count`, guess);
  }
  if (isLedger(metric)) {
    const states: readonly string[] =
      metric === 'users' ? [...LEDGER_STATES, 'peakEstablished'] : LEDGER_STATES;
    if (states.includes(aggregate)) return value.endsWith('%') ? 'fraction' : 'count';
    const guess = guessText(aggregate, states);
    throw new Unexpected(at, `there is no such state${guess}: ${metric} has ${states.join(', ')}`);
  }
  if (aggregate === 'count') return 'count';
  if (aggregate === 'rate') return COUNTING.get(metric) ?? 'fraction';
  const guess = guessText(aggregate, ['rate', 'count']);
  throw noAggregate(at, aggregate, `${metric} has rate and count`, guess);
}

const noAggregate = (at: number, aggregate: string, there: string, guess: string): Unexpected =>
  new Unexpected(at, `there is no aggregate '${aggregate}'${guess}: ${there}`);

const readValue = (text: string, at: number, unit: ThresholdUnit): number =>
  parsedAt(at, () => parseValue(text, unit));

function parsedAt(at: number, parse: () => number): number {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof ReplayError)) throw error;
    const hint = error.hint === null ? '' : ` (${error.hint})`;
    throw new Unexpected(at, `${error.message}${hint}`);
  }
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

/** `@60s..`, `@60s..120s`. */
function readWindow(
  source: Source,
  { metric, requestClass }: Pick<Figure, 'metric' | 'requestClass'>,
): TimeWindow | null {
  const { at } = source;
  if (source.take(/@/) === null) return null;
  if (isLedger(metric)) {
    throw new Unexpected(at, `${metric} are counted at the end of a run; errors may have a window`);
  }
  if (requestClass !== null) {
    throw new Unexpected(
      at,
      'a class of requests has no window: it is measured over the whole run',
    );
  }
  const fromAt = source.at;
  const from = source.need(/[^\s.]+(?:\.\d[^\s.]*)?/, 'the beginning of the window');
  const fromNs = parsedAt(fromAt, () => parseDurationNs(from));
  source.need(/\.\./, "'..'");
  const toAt = source.at;
  const to = source.take(/\S+/);
  const toNs = to === null ? null : parsedAt(toAt, () => parseDurationNs(to));
  if (toNs !== null && toNs <= fromNs) {
    throw new Unexpected(toAt, 'the window ends before it begins');
  }
  return { fromNs, toNs };
}
