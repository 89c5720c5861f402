import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { Counter, createCounters } from '../../src/measure/counters.ts';
import { Latency, LatencyRecorder } from '../../src/measure/histograms.ts';
import { replayMetrics } from '../../src/run/metrics/replay-metrics.ts';

const MS = 1e6;

/** Two threads that have counted something. */
function recorded() {
  const counters = [createCounters(), createCounters()];
  const recorders = [new LatencyRecorder(), new LatencyRecorder()];
  for (const row of counters) {
    row[Counter.STARTED] = 10;
    row[Counter.COMPLETED] = 6;
    row[Counter.TIMED_OUT] = 1;
    row[Counter.PACKETS_SENT] = 70;
    row[Counter.EXCHANGES_ANSWERED] = 20;
    row[Counter.EXCHANGES_INTENDED] = 22;
    row[Counter.CONNECTED] = 9;
    row[Counter.ESTABLISHED] = 3;
    row[Counter.RETRANSMITTED] = 4;
    row[Counter.SYN_RETRANSMITTED] = 1;
    row[Counter.UNSENT_NO_BUFFERS] = 7;
    row[Counter.RING_DROPPED] = 8;
  }
  recorders[0]?.record(Latency.RESPONSE, 3 * MS);
  recorders[1]?.record(Latency.RESPONSE, 40 * MS);
  recorders[1]?.record(Latency.RESPONSE, 60_000 * MS);
  recorders[1]?.record(Latency.LAG, 0);
  return { counters, latencies: recorders.map(({ columns }) => columns) };
}

async function scrape(state = recorded()): Promise<Map<string, number>> {
  const text = await replayMetrics('1.2.3', () => state).render();
  const lines = text.split('\n').filter((line) => line.startsWith('gryphon_'));
  return new Map(
    lines.map((line) => {
      const space = line.lastIndexOf(' ');
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }),
  );
}

test('the threads are added up', async () => {
  expect(Object.fromEntries(await scrape())).toMatchObject({
    'gryphon_build_info{version="1.2.3"}': 1,
    'gryphon_users{state="live"}': 6,
    'gryphon_users{state="completed"}': 12,
    'gryphon_users{state="timed_out"}': 2,
    'gryphon_users{state="refused"}': 0,
    gryphon_packets_sent_total: 140,
    gryphon_exchanges_total: 40,
    gryphon_exchanges_due_total: 44,
    gryphon_connections_total: 18,
    gryphon_connections: 6,
    gryphon_packets_retransmitted_total: 10,
    gryphon_packets_unsent_total: 14,
    gryphon_packets_dropped_total: 16,
  });
});

test('a histogram counts from below, and all of it in its last bucket', async () => {
  const found = await scrape();
  const bucket = (le: string) => found.get(`gryphon_response_seconds_bucket{le="${le}"}`);
  expect(['0.0025', '0.005', '0.025', '0.05', '30', '+Inf'].map(bucket)).toEqual([
    0, 1, 1, 2, 2, 3,
  ]);
  expect(found.get('gryphon_response_seconds_count')).toBe(3);
  expect(found.get('gryphon_response_seconds_sum')).toBeCloseTo(60.043, 6);
  expect(found.get('gryphon_schedule_lag_seconds_bucket{le="0.0001"}')).toBe(1);
});

test('before the run begins everything is 0', async () => {
  const found = await scrape({ counters: [], latencies: [] });
  expect(found.delete('gryphon_build_info{version="1.2.3"}')).toBe(true);
  expect(found.size).toBeGreaterThan(40);
  expect(new Set(found.values())).toEqual(new Set([0]));
});

test.each(['docs/grafana-dashboard.json', 'docs/prometheus-alerts.yml'])(
  '%s asks for metrics that there are, by labels that they have',
  async (path) => {
    const text = readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), 'utf8');
    if (path.endsWith('.json')) expect(() => JSON.parse(text)).not.toThrow();
    else expect(parse(text).groups[0].rules.length).toBeGreaterThan(0);
    const served = await replayMetrics('1.2.3', recorded).render();
    const names = new Set(
      [...served.matchAll(/^([a-z_]+)(?:\{[^}]*\})? /gm)].map(([, name]) => name),
    );
    const asked = new Set(
      [...text.matchAll(/\b(?:gryphon|process)_[a-z_]+\b/g)].map(([name]) => name),
    );
    expect(asked.size).toBeGreaterThan(3);
    expect([...asked].filter((name) => !names.has(name))).toEqual([]);
    const states = new Set([...served.matchAll(/state="([a-z_]+)"/g)].map(([, state]) => state));
    const wanted = [...text.matchAll(/state(?:=~|!=|=)\\?"([a-z_|]+)/g)].flatMap(([, each]) =>
      (each ?? '').split('|'),
    );
    expect(wanted.filter((state) => !states.has(state))).toEqual([]);
  },
);
