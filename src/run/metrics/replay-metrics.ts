/** What Prometheus is told of a replay, from the memory that its threads count in. */
import { Gauge, Histogram, type MetricType, type Registry } from 'prom-client';
import { NS_PER_SECOND } from '../../base/time.ts';
import type { MetricsPage } from '../../io/metrics-server.ts';
import { Counter, lossesOf, sumCounters } from '../../measure/counters.ts';
import { highestOf } from '../../measure/histogram-steps.ts';
import { Latency, LatencyTable } from '../../measure/histograms.ts';
import type { ThreadsState } from '../threads/replay-threads.ts';
import { addCounter, createRegistry, pageOf } from './metrics-registry.ts';

/** From what a loopback answer takes to the default of --timeout. */
const BUCKETS_SECONDS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
  30,
];

const END_STATES = [
  ['completed', Counter.COMPLETED],
  ['refused', Counter.REFUSED],
  ['reset', Counter.RESET],
  ['timed_out', Counter.TIMED_OUT],
  ['aborted', Counter.ABORTED],
] as const;

const COUNTED = [
  ['gryphon_packets_sent_total', Counter.PACKETS_SENT, 'Packets that were sent to the targets.'],
  ['gryphon_connections_total', Counter.CONNECTED, 'Connections that were established.'],
  ['gryphon_exchanges_due_total', Counter.EXCHANGES_INTENDED, 'Client turns that came due.'],
  ['gryphon_exchanges_total', Counter.EXCHANGES_ANSWERED, 'Client turns that were answered.'],
] as const;

const LOSSES = [
  ['retransmitted', 'gryphon_packets_retransmitted_total', 'Packets that were sent again.'],
  ['unsent', 'gryphon_packets_unsent_total', 'Packets that the kernel did not take.'],
  [
    'ringFull',
    'gryphon_packets_dropped_total',
    "Replies that the kernel's ring had no room for on this machine.",
  ],
] as const;

/** The page that is served; `state` is asked at each scrape. */
export function replayMetrics(version: string, state: () => ThreadsState): MetricsPage {
  const registry = createRegistry(version);
  const read = (counter: Counter): number => {
    const { counters } = state();
    return counters.length === 0 ? 0 : sumCounters(counters)[counter];
  };
  new Gauge({
    name: 'gryphon_users',
    help: 'Virtual users that play now (live), and how the others have ended.',
    labelNames: ['state'],
    registers: [registry],
    collect() {
      let live = read(Counter.STARTED);
      for (const [name, counter] of END_STATES) {
        const ended = read(counter);
        live -= ended;
        this.set({ state: name }, ended);
      }
      this.set({ state: 'live' }, Math.max(0, live));
    },
  });
  new Gauge({
    name: 'gryphon_connections',
    help: 'Connections that are established now.',
    registers: [registry],
    collect() {
      this.set(read(Counter.ESTABLISHED));
    },
  });
  for (const [name, counter, help] of COUNTED) {
    addCounter(registry, { name, help, read: () => read(counter) });
  }
  for (const [loss, name, help] of LOSSES) {
    addCounter(registry, { name, help, read: () => lossesOf(sumCounters(state().counters))[loss] });
  }
  addHistogram(registry, state, {
    name: 'gryphon_response_seconds',
    help: 'From when a client turn was intended to the end of its answer.',
    latency: Latency.RESPONSE,
  });
  addHistogram(registry, state, {
    name: 'gryphon_schedule_lag_seconds',
    help: 'From when a client turn was intended to when it was sent.',
    latency: Latency.LAG,
  });
  return pageOf(registry);
}

function addHistogram(
  registry: Registry,
  state: () => ThreadsState,
  { name, help, latency }: { readonly name: string; readonly help: string; latency: Latency },
): void {
  const read = () => exported(name, LatencyTable.of(state().latencies), latency);
  new RecordedHistogram({ name, help, registry }, read);
}

interface Sample {
  readonly metricName: string;
  readonly labels: { readonly le?: string | number };
  readonly value: number;
}

type Exported = ReturnType<Histogram['get']>;

/** Its values are not observed one by one: they come whole from where they were recorded. */
class RecordedHistogram extends Histogram {
  readonly #help: string;
  readonly #name: string;
  readonly #read: () => Sample[];

  constructor(
    { name, help, registry }: { name: string; help: string; registry: Registry },
    read: () => Sample[],
  ) {
    super({ name, help, buckets: BUCKETS_SECONDS, registers: [registry] });
    this.#name = name;
    this.#help = help;
    this.#read = read;
  }

  override async get(): Exported {
    return {
      name: this.#name,
      help: this.#help,
      // Declared as an enum of numbers, which it never was.
      type: 'histogram' as unknown as MetricType,
      aggregator: 'sum',
      collect: () => undefined,
      values: this.#read(),
    };
  }

  /** What the registry asks before `get` for the text format; the types do not know of it. */
  getForPromString(): Exported {
    return this.get();
  }
}

/** A bound counts the steps that lie wholly below it, so that no value is ever shown too fast. */
function exported(name: string, table: LatencyTable, latency: Latency): Sample[] {
  const { indexes, counts } = table.sparse(latency);
  const samples: Sample[] = [];
  let seen = 0;
  let at = 0;
  for (const le of BUCKETS_SECONDS) {
    while (at < indexes.length && highestOf(indexes[at]) <= le * NS_PER_SECOND)
      seen += counts[at++];
    samples.push({ metricName: `${name}_bucket`, labels: { le }, value: seen });
  }
  const count = table.count(latency);
  const sum = ((table.meanNs(latency) ?? 0) * count) / NS_PER_SECOND;
  return [
    ...samples,
    { metricName: `${name}_bucket`, labels: { le: '+Inf' }, value: count },
    { metricName: `${name}_sum`, labels: {}, value: sum },
    { metricName: `${name}_count`, labels: {}, value: count },
  ];
}
