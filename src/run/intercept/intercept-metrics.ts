/** What Prometheus is told of an intercept. No client address is ever a label. */
import { Gauge } from 'prom-client';
import { Tally } from '../../intercept/intercept-core.ts';
import type { MetricsPage } from '../../io/metrics-server.ts';
import { addCounter, createRegistry, pageOf } from '../metrics/metrics-registry.ts';

/** Where the counts are; read whenever somebody scrapes. */
export interface InterceptCounts {
  readonly version: string;
  /** `TALLIES` numbers. */
  readonly tally: Float64Array;
  /** Replays that have registered. */
  replays(): number;
  /** Records that slow replays have lost since the intercept began. */
  dropped(): number;
}

/** The page that is served: the counts, and the process's own CPU time and memory. */
export function interceptMetrics(counts: InterceptCounts): MetricsPage {
  const { tally } = counts;
  const registry = createRegistry(counts.version);
  addCounter(registry, {
    name: 'gryphon_intercept_packets_total',
    help: 'Packets that were captured or queued.',
    read: () => tally[Tally.RECEIVED],
  });
  addCounter(registry, {
    name: 'gryphon_intercept_records_forwarded_total',
    help: 'Replies put by for the replays that had registered for them.',
    read: () => tally[Tally.FORWARDED],
  });
  addCounter(registry, {
    name: 'gryphon_intercept_records_dropped_total',
    help: 'Replies that replays lost because they took them too slowly.',
    read: () => counts.dropped(),
  });
  addCounter(registry, {
    name: 'gryphon_intercept_kernel_dropped_total',
    help: 'Packets that the kernel dropped because the intercept took them too slowly.',
    read: () => tally[Tally.KERNEL_DROPPED],
  });
  new Gauge({
    name: 'gryphon_intercept_replays',
    help: 'Replays that have registered now.',
    registers: [registry],
    collect() {
      this.set(counts.replays());
    },
  });
  return pageOf(registry);
}
