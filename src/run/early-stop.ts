/** Ends a run as soon as a threshold does not hold: `--abort-on-fail`. */
import { NS_PER_SECOND } from '../base/time.ts';
import { formatDuration } from '../base/units.ts';
import { countedOf } from '../measure/counted.ts';
import { Counter, sumCounters } from '../measure/counters.ts';
import type { Measured } from '../measure/figures.ts';
import { LatencyTable } from '../measure/histograms.ts';
import { NO_CLASSES } from '../measure/request-classes.ts';
import { evaluateThresholds, type Threshold } from '../measure/thresholds.ts';
import { outcomeText } from '../report/format.ts';
import type { ReplayOptions } from './plan/options.ts';
import type { ThreadsState } from './threads/replay-threads.ts';

/** How often thresholds are looked at, on the run's clock: adding histograms up takes milliseconds. */
const EVERY_NS = NS_PER_SECOND;

/** What the relative thresholds of a run count from; none: there is nothing. */
export async function baselineOf({
  baseline,
}: Pick<ReplayOptions, 'baseline'>): Promise<readonly Measured[]> {
  if (!baseline) return [];
  const { measuredOf } = await import('../measure/measured.ts');
  return [measuredOf(baseline)];
}

/** Looks at a run's thresholds while it goes on. */
export class EarlyStop {
  readonly #abort = new AbortController();
  readonly #thresholds: readonly Threshold[];
  /** What relative thresholds count from; none: there is nothing. */
  readonly baseline: readonly Measured[];
  #nextNs: number;
  #reason: string | null = null;

  constructor(
    { thresholds, abortOnFailNs }: Pick<ReplayOptions, 'thresholds' | 'abortOnFailNs'>,
    baseline: readonly Measured[],
  ) {
    this.#thresholds = thresholds.filter(canFailEarly);
    this.baseline = baseline;
    this.#nextNs = abortOnFailNs ?? Number.POSITIVE_INFINITY;
  }

  /** Aborted when the run is to end. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Which threshold did not hold, and when; null while all of them do. */
  get reason(): string | null {
    return this.#reason;
  }

  /** To be called often; it looks at most once a second of the run. */
  watch({ counters: rows, latencies }: ThreadsState): void {
    const counters = sumCounters(rows);
    const nowNs = counters[Counter.CLOCK_NS];
    if (this.#reason !== null || this.#thresholds.length === 0 || nowNs < this.#nextNs) return;
    this.#nextNs = nowNs + EVERY_NS;
    const started = counters[Counter.STARTED];
    const facts = {
      durationNs: nowNs,
      plays: started,
      clientPlays: counters[Counter.CLIENTS_STARTED] || null,
      recordedPerSecond: 0,
      plan: { mode: '' },
    };
    const measured = {
      counted: countedOf(facts, counters),
      latency: LatencyTable.of(latencies),
      durationNs: nowNs,
      timeline: null,
      classes: NO_CLASSES,
    };
    const outcomes = evaluateThresholds(this.#thresholds, [measured], this.baseline);
    // What was not measured yet may come.
    const failed = outcomes.find(
      ({ ok, actual, limit }) => !ok && actual !== null && limit !== null,
    );
    if (failed === undefined) return;
    this.#reason =
      `stopped after ${formatDuration(nowNs)}: ${failed.expression} did not hold, ` +
      `found ${outcomeText(failed)}`;
    this.#abort.abort();
  }
}

/**
 * Whether a threshold that does not hold now says something of the run: counts grow, so that one that
 * must become large enough may still do so, and one that must stay small cannot come back. Of windows
 * and classes the threads tell only at the end.
 */
function canFailEarly({ metric, unit, operator, window, requestClass }: Threshold): boolean {
  if (window !== null || requestClass !== null) return false;
  const isLimit = operator === '<' || operator === '<=';
  const isLedger = metric === 'users' || metric === 'clients';
  return isLedger || unit === 'count' ? isLimit : operator !== '==';
}
