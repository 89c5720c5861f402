/** What CI systems are told beside JUnit. */
import { expect, test } from 'vitest';
import { githubAnnotations } from '../../src/report/github.ts';
import { openMetricsReport } from '../../src/report/open-metrics.ts';
import { NOTHING_COUNTED, sampleResult } from '../measure/sample-run.ts';

test('each threshold that did not hold becomes an error, what is to be known a warning', () => {
  const result = sampleResult(['response:p(99)<20ms', 'errors:rate<5%', 'users:timedOut==0']);
  const warned = { ...result, generator: { ...result.generator, warnings: ['100% odd,\nreally'] } };
  expect(githubAnnotations(warned)).toEqual([
    '::error title=response%3Ap(99)<20ms::found 1.96 s',
    '::error title=users%3AtimedOut==0::found 4',
    '::warning title=gryphon::100%25 odd,%0Areally',
  ]);
});

test('a run that failed without thresholds is one error, one that did not is none', () => {
  const failed = sampleResult([], {}, { ...NOTHING_COUNTED, STARTED: 0 });
  expect(githubAnnotations(failed)).toEqual(['::error title=gryphon::nothing was replayed']);
  expect(githubAnnotations(sampleResult())).toEqual([]);
});

test('there are no more of a kind than GitHub shows', () => {
  const expressions = Array.from({ length: 15 }, (_, i) => `users:reset==${i + 100}`);
  const result = sampleResult(expressions);
  const warnings = expressions.map((text) => `warning ${text}`);
  const found = githubAnnotations({ ...result, generator: { ...result.generator, warnings } });
  expect(found.filter((line) => line.startsWith('::error '))).toHaveLength(10);
  expect(found.filter((line) => line.startsWith('::warning '))).toHaveLength(10);
});

test('metrics are OpenMetrics: a type and a number each, and the end', () => {
  const text = openMetricsReport(sampleResult());
  expect(text).toMatch(
    /^(?:# TYPE (gryphon_[a-z0-9_]+) gauge\n\1 \d+(?:\.\d+)?(?:e-?\d+)?\n)+# EOF\n$/,
  );
  expect(text).toContain('\ngryphon_response_p50_seconds 0.99');
  expect(text).toContain('\ngryphon_users_failed 10\n');
  const { latency, ...result } = sampleResult();
  const exact = { ...latency, connect: { ...latency.connect, p50: 0.03 } };
  expect(openMetricsReport({ ...result, latency: exact })).toContain(
    '\ngryphon_connect_p50_seconds 0.00003\n',
  );
  // Nothing was held back by a window, so there is no such figure.
  expect(text).not.toContain('gryphon_held');
});
