import { ReplayError } from '../base/errors.ts';
import { encodeHistogram } from '../measure/histogram-codec.ts';
import { LATENCY_NAMES, Latency, LatencyTable } from '../measure/histograms.ts';
import { RESULT_SCHEMA, type RunResult } from '../measure/result.ts';

/** The result as one JSON document, ended by a newline. */
export const jsonReport = (result: RunResult): string => `${JSON.stringify(result, null, 2)}\n`;

/**
 * Reads a result that `jsonReport` wrote.
 * @param source its name, for the message
 * @throws ReplayError ERR_REPORT_RESULT (usage)
 */
export function parseResult(text: string, source: string): RunResult {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    throw notAResult(source, 'it is not JSON', cause);
  }
  const fault = faultOf(document);
  if (fault !== null) throw notAResult(source, fault);
  return withLaterFields(document as RunResult);
}

/** What an earlier version did not count is taken for none. */
function withLaterFields(result: RunResult): RunResult {
  const { plan, users, exchanges, packets, rates, bytes, latency, histograms, generator } = result;
  const later = <Part extends object>(defaults: Partial<Part>, part: Part): Part => ({
    ...defaults,
    ...part,
  });
  const none = {
    unsent: 0,
    unsolicited: 0,
    failed: 0,
    otherLength: 0,
    statuses: {},
    ofCompleted: 0,
  };
  return {
    ...later<RunResult>(
      { failure: null, faults: [], shares: { of: 1, played: [1] }, record: null },
      result,
    ),
    generator: later({ interceptSilentSeconds: 0 }, generator),
    capture: later({ digest: null }, result.capture),
    plan: later({ untilSeconds: null, digest: null }, plan),
    users: later({ completedWithFailures: 0, unackedFin: 0 }, users),
    exchanges: later({ planned: exchanges.sent, ...none }, exchanges),
    packets: later({ path: { mtu: null, messages: 0, smallerTried: 0 } }, packets),
    rates: later({ due: rates.offered, recorded: rates.offered }, rates),
    bytes: later({ planned: 0, ofCompleted: 0 }, bytes),
    latency: later({ held: new LatencyTable().row(Latency.HELD) }, latency),
    histograms: later({ held: NO_HISTOGRAM }, histograms),
  };
}

/** V2 compressed, of nothing. */
const NO_HISTOGRAM = encodeHistogram(new LatencyTable().sparse(Latency.HELD));

/** The parts without which no report can be made. */
const PARTS = [
  'capture',
  'plan',
  'users',
  'exchanges',
  'packets',
  'bytes',
  'rates',
  'latency',
  'histograms',
  'timeline',
  'thresholds',
  'generator',
] as const;

function faultOf(document: unknown): string | null {
  if (!isObject(document)) return 'it is not an object';
  if (document.schema !== RESULT_SCHEMA) {
    return `its schema is ${JSON.stringify(document.schema) ?? 'missing'}, not "${RESULT_SCHEMA}"`;
  }
  const missing = PARTS.filter((part) => !isObject(document[part]));
  if (missing.length > 0) return `it lacks ${missing.join(', ')}`;
  const { histograms, latency } = document;
  const isComplete = LATENCY_NAMES.filter((name) => name !== 'held').every(
    (name) =>
      isObject(histograms) &&
      typeof histograms[name] === 'string' &&
      isObject(latency) &&
      isObject(latency[name]),
  );
  return isComplete ? null : `it lacks one of the histograms ${LATENCY_NAMES.join(', ')}`;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

const notAResult = (source: string, fault: string, cause?: unknown): ReplayError =>
  new ReplayError({
    code: 'ERR_REPORT_RESULT',
    kind: 'usage',
    message: `${source} is no result of a replay: ${fault}`,
    hint: 'give a file that gryphon replay --json or --out wrote',
    cause,
  });
