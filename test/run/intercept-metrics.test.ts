import { expect, test } from 'vitest';
import { TALLIES, Tally } from '../../src/intercept/intercept-core.ts';
import { interceptMetrics } from '../../src/run/intercept/intercept-metrics.ts';

const countsOf = (tally: Float64Array) => {
  const state = { replays: 0, dropped: 0 };
  const page = interceptMetrics({
    version: '1.2.3',
    tally,
    replays: () => state.replays,
    dropped: () => state.dropped,
  });
  return { state, page };
};

/** Lines without comments: each name (with labels) and its value. */
async function scrape(page: ReturnType<typeof interceptMetrics>): Promise<Map<string, string>> {
  const lines = (await page.render()).split('\n').filter((line) => /^[a-z]/.test(line));
  return new Map(
    lines.map((line) => [
      line.slice(0, line.lastIndexOf(' ')),
      line.slice(line.lastIndexOf(' ') + 1),
    ]),
  );
}

test('each scrape shows the counts as they are then', async () => {
  const tally = new Float64Array(TALLIES);
  const { state, page } = countsOf(tally);
  expect((await scrape(page)).get('gryphon_intercept_packets_total')).toBe('0');
  tally[Tally.RECEIVED] = 70;
  tally[Tally.FORWARDED] = 60;
  tally[Tally.KERNEL_DROPPED] = 5;
  Object.assign(state, { replays: 2, dropped: 4 });
  await scrape(page);
  const found = await scrape(page);
  expect(Object.fromEntries([...found].filter(([name]) => name.startsWith('gryphon_')))).toEqual({
    'gryphon_build_info{version="1.2.3"}': '1',
    gryphon_intercept_packets_total: '70',
    gryphon_intercept_records_forwarded_total: '60',
    gryphon_intercept_records_dropped_total: '4',
    gryphon_intercept_kernel_dropped_total: '5',
    gryphon_intercept_replays: '2',
  });
});

test('the process tells its own CPU time and memory, as Prometheus names them', async () => {
  const found = await scrape(countsOf(new Float64Array(TALLIES)).page);
  expect(Number(found.get('process_cpu_seconds_total'))).toBeGreaterThan(0);
  expect(Number(found.get('process_resident_memory_bytes'))).toBeGreaterThan(1e6);
});

test('what only grows is a counter, and says what it counts', async () => {
  const text = await countsOf(new Float64Array(TALLIES)).page.render();
  const types = new Map(
    [...text.matchAll(/^# TYPE (gryphon_\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]),
  );
  expect(types.size).toBe(6);
  for (const [name = '', type] of types) {
    expect(type, name).toBe(name.endsWith('_total') ? 'counter' : 'gauge');
    expect(text).toMatch(new RegExp(`^# HELP ${name} \\S`, 'm'));
  }
});
