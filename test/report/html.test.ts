import { describe, expect, test } from 'vitest';
import { buildResult } from '../../src/measure/build-result.ts';
import { decodeHistogram } from '../../src/measure/histogram-reader.ts';
import { LatencyTable, sparseValueAtPercentileNs } from '../../src/measure/histograms.ts';
import type { RunResult, TimelineRow } from '../../src/measure/result.ts';
import { type Chart, chartsOf } from '../../src/report/html/chart-data.ts';
import { htmlReport } from '../../src/report/html/html-report.ts';
import { html, jsonMarkup, verbatim } from '../../src/report/html/markup.ts';
import { FACTS, sampleRecord, sampleResult } from '../measure/sample-run.ts';

const ASSETS = { style: '/*ours*/', script: '/*draw*/', chartStyle: '', chartScript: '' };

const interval = (i: number, more: Partial<TimelineRow> = {}): TimelineRow => ({
  startSeconds: i,
  endSeconds: i + 1,
  started: 10 * (i + 1),
  waiting: 30 - 10 * i,
  live: 5,
  completed: 8 * (i + 1),
  failed: i,
  refused: 0,
  reset: i,
  timedOut: 0,
  aborted: 0,
  established: 4,
  connected: 9 * (i + 1),
  due: 22 * (i + 1),
  retransmitted: 0,
  unsent: 0,
  ringFull: 0,
  sent: 20 * (i + 1),
  answered: 18 * (i + 1),
  latency: { response: { count: 18, p50: 1 + i, p99: 5 + i, max: 9 + i } },
  histograms: {},
  ...more,
});

const withIntervals = (intervals: readonly TimelineRow[]): RunResult => ({
  ...sampleResult(['response:p(99)<5s']),
  timeline: { intervalSeconds: 1, intervals },
});

const chartOf = (result: RunResult, id: string): Chart | undefined =>
  chartsOf(result).find((chart) => chart.id === id);

const lineOf = (result: RunResult, id: string, name: string) =>
  chartOf(result, id)?.lines.find((line) => line.name === name)?.values;

describe('markup', () => {
  test('escapes what is put in, and nothing that is markup already', () => {
    const evil = '<b onclick="x">&\'';
    expect(html`<p title="${evil}">${evil}</p>`.html).toBe(
      '<p title="&lt;b onclick=&quot;x&quot;&gt;&amp;&#39;">&lt;b onclick=&quot;x&quot;&gt;&amp;&#39;</p>',
    );
    expect(html`${[html`<i>${1}</i>`, verbatim('<hr>'), '<']}`.html).toBe('<i>1</i><hr>&lt;');
  });

  test('JSON cannot end its script element', () => {
    const value = { a: '</script><script>alert(1)</script>\u2028', b: [1.5, null] };
    const text = jsonMarkup(value).html;
    expect(text).not.toContain('<');
    expect(text).not.toContain('\u2028');
    expect(JSON.parse(text)).toEqual(value);
  });
});

describe('charts', () => {
  const result = withIntervals([interval(0), interval(1), interval(2, { endSeconds: 2.5 })]);

  test('rates are the growth of totals by the length of their interval', () => {
    expect(lineOf(result, 'rates', 'due')).toEqual([22, 22, 44]);
    expect(lineOf(result, 'rates', 'sent')).toEqual([20, 20, 40]);
    expect(lineOf(result, 'rates', 'answered')).toEqual([18, 18, 36]);
    expect(lineOf(result, 'connections', 'users started')).toEqual([10, 10, 20]);
    expect(lineOf(result, 'connections', 'connected')).toEqual([9, 9, 18]);
    expect(lineOf(result, 'rates', 'recorded')).toEqual([205, 205, 205]);
  });

  test('latencies are those of the interval, and missing where there was no answer', () => {
    const gap = withIntervals([interval(0), interval(1, { latency: {} }), interval(2)]);
    expect(lineOf(gap, 'latency', 'p99')).toEqual([5, null, 7]);
    expect(lineOf(gap, 'latency', 'service p99')).toEqual([null, null, null]);
  });

  test('users are as they were at the end of each interval', () => {
    expect(lineOf(result, 'users', 'live')).toEqual([5, 5, 5]);
    expect(lineOf(result, 'ended', 'completed')).toEqual([8, 16, 24]);
    expect(chartOf(result, 'ended')?.lines.map(({ name }) => name)).toEqual(['completed', 'reset']);
    expect(lineOf(result, 'ended', 'reset')).toEqual([0, 1, 2]);
  });

  test('losses are drawn where there are any, those that there are', () => {
    expect(chartOf(result, 'losses')).toBeUndefined();
    const lossy = withIntervals([interval(0), interval(1, { retransmitted: 6 })]);
    expect(lineOf(lossy, 'losses', 'sent again')).toEqual([0, 6]);
    expect(chartOf(lossy, 'losses')?.lines).toHaveLength(1);
  });

  test('what an older version did not write is not drawn as nothing', () => {
    const unknown = { refused: null, reset: null, timedOut: null, aborted: null, due: null };
    const old = withIntervals([interval(0, unknown), interval(1, unknown)]);
    expect(lineOf(old, 'rates', 'due')).toEqual([null, null]);
    expect(lineOf(old, 'ended', 'failed')).toEqual([0, 1]);
  });

  test('a run within one interval has a spectrum alone, one without answers nothing', () => {
    expect(chartsOf(withIntervals([interval(0)])).map(({ id }) => id)).toEqual(['spectrum']);
    const silent = buildResult(FACTS, { ...sampleRecord(), latency: new LatencyTable() }, []);
    expect(chartsOf({ ...silent, timeline: result.timeline }).map(({ id }) => id)).toEqual([
      'latency',
      'rates',
      'users',
      'connections',
      'ended',
    ]);
  });

  test('the spectrum holds the histogram: each point is that percentile, the last the maximum', () => {
    const spectrum = chartOf(result, 'spectrum');
    const response = decodeHistogram(result.histograms.response);
    const values = spectrum?.lines[0]?.values ?? [];
    const x = spectrum?.x ?? [];
    expect(x.length).toBeGreaterThan(50);
    for (const [i, at] of x.entries()) {
      const percentile = 100 - 100 / at;
      expect(values[i]).toBeCloseTo(sparseValueAtPercentileNs(response, percentile) / 1e6, 9);
    }
    expect(values.at(-1)).toBeCloseTo(sparseValueAtPercentileNs(response, 100) / 1e6, 9);
    expect([...values]).toEqual([...values].sort((a, b) => Number(a) - Number(b)));
  });
});

describe('the page', () => {
  const result = withIntervals([interval(0), interval(1)]);

  test('loads nothing from anywhere', () => {
    const page = htmlReport(result, ASSETS);
    expect(page).toContain('content="default-src &#39;none&#39;;');
    expect(page).not.toMatch(/(?:src|href)="(?!#|data:)/);
    expect(page).not.toMatch(/https?:|@import|url\(/);
    expect(page).toContain('/*ours*/');
    expect(page).toContain('/*draw*/');
  });

  test('says what the summary says', () => {
    const page = htmlReport(result, ASSETS);
    expect(page).toContain('<h1>the threshold held</h1>');
    expect(page).toContain('response:p(99)&lt;5s');
    expect(page).toContain('✓ held');
    expect(page.replace(/<\/?span>/g, '')).toContain('gryphon replay http.pcap --users 1000');
    expect(page).toContain('990');
    expect(page).toContain('users start as recorded ÷ 10, over 9.90 s');
  });

  test('lists all other requests behind the classes, whatever time they took', () => {
    const known = { sent: 1, answered: 1, mismatched: 0, histogram: '' };
    const { response } = result.latency;
    const classes = ['other', 'GET /', 'GET /slow'].map((name, i) => ({
      ...known,
      name,
      response: { ...response, mean: [100, 1, 10][i] },
    }));
    const page = htmlReport({ ...result, classes }, ASSETS);
    const names = [...page.matchAll(/<th scope="row">(GET [^<]*|other)/g)].map(([, name]) => name);
    expect(names).toEqual(['GET /slow', 'GET /', 'other']);
  });

  test('does not become something else by what it is told', () => {
    const evil = `</title><script>alert('x')</script>`;
    const page = htmlReport(
      {
        ...result,
        capture: { ...result.capture, files: [evil] },
        command: ['replay', evil],
        failure: evil,
        generator: { ...result.generator, warnings: [evil], notes: [evil] },
      },
      ASSETS,
    );
    expect(page).not.toContain('<script>alert');
    expect(page.match(/<script/g)).toHaveLength(3);
  });

  test('is a page for a run of which nothing is known, too', () => {
    const nobody = sampleResult([], { isInterrupted: true }, { STARTED: 0, COMPLETED: 0 });
    const page = htmlReport({ ...nobody, timeline: { intervalSeconds: 1, intervals: [] } }, ASSETS);
    expect(page).toContain('there is nothing to draw over time');
    expect(page).toContain('class="bad"');
  });

  test('shows some of very many rows, and the last one', () => {
    const many = Array.from({ length: 5000 }, (_, i) => interval(i));
    const page = htmlReport(withIntervals(many), ASSETS);
    expect(page).toContain('one row of 42');
    expect(page).toContain('<th scope="row">5000</th>');
  });
});
