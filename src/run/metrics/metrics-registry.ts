/** What all commands tell Prometheus, and how counts that are kept elsewhere get there. */
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { MetricsPage } from '../../io/metrics-server.ts';

/** A registry with the version and the process's own CPU time and memory. */
export function createRegistry(version: string): Registry {
  const registry = new Registry();
  new Gauge({
    name: 'gryphon_build_info',
    help: 'Always 1; the version is its label.',
    labelNames: ['version'],
    registers: [registry],
  }).set({ version }, 1);
  collectDefaultMetrics({ register: registry });
  return registry;
}

/** Adds a counter that is read at each scrape. */
export function addCounter(
  registry: Registry,
  { name, help, read }: { readonly name: string; readonly help: string; read(): number },
): void {
  new Counter({
    name,
    help,
    registers: [registry],
    collect() {
      this.reset();
      this.inc(read());
    },
  });
}

/** A registry's metrics as a page to be served. */
export const pageOf = (registry: Registry): MetricsPage => ({
  contentType: registry.contentType,
  render: () => registry.metrics(),
});
