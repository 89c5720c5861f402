/** Turns the threads' shared memory into progress snapshots. */
import { NS_PER_SECOND } from '../../base/time.ts';
import { Counter, lossesOf, sumCounters } from '../../measure/counters.ts';
import { Latency, LatencyChanges, LatencyTable } from '../../measure/histograms.ts';
import type { ProgressSnapshot, RunHost, RunPhase } from '../plan/options.ts';
import { clientConnections, expectedPlays } from '../plan/planned-load.ts';
import { arrivalsOf, type RunPlan } from '../plan/run-plan.ts';
import type { ThreadsState } from './replay-threads.ts';

const NOTHING = new Float64Array(Object.keys(Counter).length);

/** What is measured from one snapshot to the next. */
type RecentFigures = Pick<
  ProgressSnapshot,
  'rates' | 'responseNsP50' | 'responseNsP99' | 'lagNsP99'
>;

const NO_FIGURES: RecentFigures = {
  rates: null,
  responseNsP50: null,
  responseNsP99: null,
  lagNsP99: null,
};

/** Gathers where a run is and tells it a few times a second. */
export class ProgressMeter {
  readonly #host: RunHost;
  #phase: RunPhase = 'indexing';
  #bytesRead = 0;
  #bytes = 0;
  #readingMs = 0;
  #plan: RunPlan | null = null;
  /** Connections of all plays; where the time decides how often users play, about as many. */
  #plays = 0;
  #lastStartNs = 0;
  #state: () => ThreadsState = () => ({ counters: [], latencies: [] });
  /** How things stood at the snapshot before. */
  #beforeNs = 0;
  #beforeIntended = 0;
  #beforeSent = 0;
  readonly #changes: LatencyChanges[] = [];

  constructor(host: RunHost) {
    this.#host = host;
  }

  onIndexing(bytesRead: number, bytes: number, elapsedMs: number): void {
    this.#bytesRead = bytesRead;
    this.#bytes = bytes;
    this.#readingMs = elapsedMs;
    if (bytesRead >= bytes) this.#phase = 'preparing';
    this.report();
  }

  begin(plan: RunPlan, state: () => ThreadsState): void {
    this.#plan = plan;
    const arrivals = arrivalsOf(plan);
    this.#plays =
      plan.perClient === undefined ? expectedPlays(plan, arrivals) : clientConnections(plan);
    this.#lastStartNs = arrivals.lastStartNs;
    this.#state = state;
    this.#phase = 'replaying';
  }

  onDraining(): void {
    this.#phase = 'draining';
  }

  report(): void {
    const { onProgress } = this.#host;
    if (onProgress === null) return;
    const state = this.#state();
    const counters = this.#plan === null ? NOTHING : sumCounters(state.counters);
    onProgress({
      phase: this.#phase,
      elapsedNs: counters[Counter.CLOCK_NS],
      expectedNs: this.#expectedNs(),
      capture: { bytesRead: this.#bytesRead, bytes: this.#bytes, elapsedMs: this.#readingMs },
      users: this.#users(counters),
      exchanges: {
        intended: counters[Counter.EXCHANGES_INTENDED],
        sent: counters[Counter.EXCHANGES_SENT],
        answered: counters[Counter.EXCHANGES_ANSWERED],
      },
      losses: lossesOf(counters),
      ...this.#sinceBefore(counters, state.latencies),
    });
  }

  #expectedNs(): number | null {
    const plan = this.#plan;
    if (plan === null) return null;
    const playsNs = (plan.arrivals.sessionDurationNs / plan.accel) * plan.iterations;
    return Math.min(plan.stopStartingNs, this.#lastStartNs + playsNs);
  }

  #users(counters: Float64Array): ProgressSnapshot['users'] {
    const completed = counters[Counter.COMPLETED];
    const refused = counters[Counter.REFUSED];
    const reset = counters[Counter.RESET];
    const timedOut = counters[Counter.TIMED_OUT];
    const aborted = counters[Counter.ABORTED];
    const started = counters[Counter.STARTED];
    // Who plays until a time may begin more often than was foreseen.
    const planned = Math.max(this.#plays, started);
    return {
      planned,
      waiting: planned - started,
      live: started - completed - refused - reset - timedOut - aborted,
      completed,
      refused,
      reset,
      timedOut,
      aborted,
    };
  }

  #sinceBefore(counters: Float64Array, latencies: readonly Float64Array[]): RecentFigures {
    const elapsedNs = counters[Counter.CLOCK_NS] - this.#beforeNs;
    if (this.#phase !== 'replaying' || elapsedNs <= 0) return NO_FIGURES;
    const seconds = elapsedNs / NS_PER_SECOND;
    const intended = counters[Counter.EXCHANGES_INTENDED];
    const sent = counters[Counter.EXCHANGES_SENT];
    const isFirst = this.#beforeNs === 0;
    const rates = isFirst
      ? null
      : {
          achieved: (sent - this.#beforeSent) / seconds,
          wanted: (intended - this.#beforeIntended) / seconds,
        };
    this.#beforeNs = counters[Counter.CLOCK_NS];
    this.#beforeSent = sent;
    this.#beforeIntended = intended;
    return { rates, ...this.#recentLatencies(latencies) };
  }

  /** Over what all threads have recorded since the last call. */
  #recentLatencies(latencies: readonly Float64Array[]): Omit<RecentFigures, 'rates'> {
    const recent = new LatencyTable();
    for (const [thread, columns] of latencies.entries()) {
      this.#changes[thread] ??= new LatencyChanges(columns);
      for (const latency of [Latency.RESPONSE, Latency.LAG]) {
        recent.addSparse(latency, this.#changes[thread].take(latency));
      }
    }
    return {
      responseNsP50: recent.valueAtPercentileNs(Latency.RESPONSE, 50),
      responseNsP99: recent.valueAtPercentileNs(Latency.RESPONSE, 99),
      lagNsP99: recent.valueAtPercentileNs(Latency.LAG, 99),
    };
  }
}
