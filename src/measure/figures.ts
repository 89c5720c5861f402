/**
 * One figure of a run by its name, `response:p(99)` or `errors:rate`; of the whole run, of one class of
 * requests, or of a part of the run's time.
 *
 * Such a part is put together of the run's intervals, so it begins and ends where they do: at whole
 * seconds, in long runs at whole 2, 4, 8, … seconds. It is never larger than what was asked for, and
 * where it is smaller a note says so. An answer belongs to the part in which it ended. Counts of a part
 * are exact, and so are percentiles, as far as histograms are; its minimum, maximum and mean are known
 * to the width of a histogram's step, 0.1 %.
 */
import { guessText } from '../base/nearest.ts';
import { NS_PER_MS } from '../base/time.ts';
import { formatDuration } from '../base/units.ts';
import { type CountedPart, countedOf } from './counted.ts';
import { COUNTERS, Counter } from './counters.ts';
import { LATENCY_NAMES, type Latency, type LatencyName, LatencyTable } from './histograms.ts';
import type { Timeline } from './intervals.ts';
import { failedUsers, total } from './ledger.ts';
import { unpackCounts } from './packed-counts.ts';
import type { Ledger, ThresholdUnit } from './result.ts';

/** A part of a run's time, in nanoseconds since its start. */
export interface TimeWindow {
  readonly fromNs: number;
  /** null: the end of the run. */
  readonly toNs: number | null;
}

/** The name of a figure. */
export interface Figure {
  readonly metric: string;
  readonly aggregate: string;
  readonly unit: ThresholdUnit;
  /** Of which class of requests; null: of all. */
  readonly requestClass: string | null;
  /** Of which part of the run; null: of all of it. */
  readonly window: TimeWindow | null;
}

/** What a run measured. */
export interface Measured {
  readonly counted: Pick<CountedPart, 'users' | 'clients' | 'exchanges' | 'packets' | 'rates'>;
  readonly latency: LatencyTable;
  readonly durationNs: number;
  /** null: an older version did not keep it. */
  readonly timeline: Timeline | null;
  /** The response times of each class of requests: a row a name. */
  readonly classes: { readonly names: readonly string[]; readonly response: LatencyTable };
}

/** A figure as it was found. */
export interface FoundFigure {
  /** null: nothing was measured. */
  readonly value: number | null;
  /** Why there is none, or of what it is; null where there is nothing to say. */
  readonly note: string | null;
}

/** More names than this help nobody. */
const CLASSES_SHOWN = 12;

/** What a run has for a figure. */
export function figureOf(figure: Figure, measured: Measured): FoundFigure {
  const { window, requestClass } = figure;
  if (requestClass !== null) return figureOfClass(figure, requestClass, measured.classes);
  if (window === null) return { value: measuredValue(figure, measured), note: null };
  const { timeline } = measured;
  if (timeline === null) return { value: null, note: 'an older version kept no intervals' };
  const part = partOf(measured, timeline, window);
  const length = formatDuration(timeline.intervalNs);
  if (part === null) return { value: null, note: `no whole interval of ${length} lies in it` };
  const { fromNs, toNs } = part;
  const isAsAsked = fromNs === window.fromNs && (window.toNs === null || toNs === window.toNs);
  const note = `of ${formatDuration(fromNs)} to ${formatDuration(toNs)} (intervals of ${length})`;
  return { value: measuredValue(figure, part), note: isAsAsked ? null : note };
}

function figureOfClass(
  { aggregate }: Figure,
  requestClass: string,
  { names, response }: Measured['classes'],
): FoundFigure {
  const row = names.indexOf(requestClass);
  if (row >= 0) return { value: latencyFigure(response, row, aggregate), note: null };
  const shown = names.slice(0, CLASSES_SHOWN).join(', ');
  const more = names.length > CLASSES_SHOWN ? ` and ${names.length - CLASSES_SHOWN} more` : '';
  const there = names.length === 0 ? 'requests were not told apart' : `there are ${shown}${more}`;
  return {
    value: null,
    note: `no class '${requestClass}'${guessText(requestClass, names)}: ${there}`,
  };
}

/** What a figure of a run, or of a part of it, is read from. */
type Values = Pick<Measured, 'counted' | 'latency'>;

/** The part of a run that lies in a window; null where no whole interval does. */
function partOf(
  { durationNs }: Measured,
  { intervals, intervalNs }: Timeline,
  window: TimeWindow,
): (Values & { readonly fromNs: number; readonly toNs: number }) | null {
  const fromNs = Math.ceil(window.fromNs / intervalNs) * intervalNs;
  const untilNs = window.toNs ?? Number.POSITIVE_INFINITY;
  // The last interval ends with the run.
  const toNs = untilNs >= durationNs ? durationNs : Math.floor(untilNs / intervalNs) * intervalNs;
  if (toNs <= fromNs) return null;
  const latency = new LatencyTable();
  const before = new Float64Array(COUNTERS);
  const after = new Float64Array(COUNTERS);
  for (const { startNs, counters, latencies } of intervals) {
    if (startNs >= toNs) break;
    after.set(counters);
    if (startNs < fromNs) {
      before.set(counters);
      continue;
    }
    for (const [i, packed] of latencies.entries()) {
      latency.addSparse(i as Latency, unpackCounts(packed));
    }
  }
  const counters = after.map((count, i) => count - before[i]);
  const counted = countedOf(
    {
      durationNs: toNs - fromNs,
      plays: counters[Counter.STARTED],
      clientPlays: counters[Counter.CLIENTS_STARTED] || null,
      recordedPerSecond: 0,
      plan: { mode: '' },
    },
    counters,
  );
  return { counted, latency, fromNs, toNs };
}

function measuredValue(
  { metric, aggregate, unit }: Figure,
  { counted, latency }: Values,
): number | null {
  const index = LATENCY_NAMES.indexOf(metric as LatencyName);
  if (index >= 0) return latencyFigure(latency, index, aggregate);
  const { users, exchanges, packets, rates } = counted;
  if (metric === 'users' || metric === 'clients') {
    const ledger = metric === 'users' ? users : counted.clients;
    if (ledger === null) return null;
    const count = ledger[aggregate as keyof Ledger];
    return unit === 'fraction' ? share(count, ledger.planned) : count;
  }
  if (metric === 'exchanges') return unit === 'count' ? exchanges.answered : rates.achieved;
  if (metric === 'connections') return unit === 'count' ? rates.connected : rates.connections;
  const status = /^status(\dxx)$/.exec(metric)?.[1];
  if (status !== undefined) {
    const { statuses } = exchanges;
    return unit === 'count' ? statuses[status] : share(statuses[status], total(statuses));
  }
  const [count, outOf] = {
    errors: [
      failedUsers(users) + users.completedWithFailures,
      users.completed + failedUsers(users),
    ],
    mismatches: [exchanges.mismatched, exchanges.answered],
    unchecked: [exchanges.unchecked, exchanges.answered],
    failures: [exchanges.failed, exchanges.answered],
    retransmits: [packets.retransmitted + packets.synRetransmitted, packets.sent],
  }[metric] ?? [0, 0];
  return unit === 'count' ? count : share(count, outOf);
}

function latencyFigure(table: LatencyTable, row: number, aggregate: string): number | null {
  const latency = row as Latency;
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
