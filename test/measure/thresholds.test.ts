import { describe, expect, test } from 'vitest';
import { parseThreshold } from '../../src/cli/values/thresholds.ts';
import { buildResult } from '../../src/measure/build-result.ts';
import type { Measured } from '../../src/measure/figures.ts';
import { LatencyTable } from '../../src/measure/histograms.ts';
import { measuredOf } from '../../src/measure/measured.ts';
import { evaluateThresholds } from '../../src/measure/thresholds.ts';
import { refusal } from '../helpers/refusal.ts';
import { sampleRun } from './sample-record.ts';
import { FACTS, sampleRecord, sampleResult } from './sample-run.ts';

const outcome = (expression: string) => sampleResult([expression]).thresholds[0];

describe('a threshold', () => {
  // The sample: 1980 responses of 1, 2, .. 1980 ms; 10 of 1000 users failed; 198 exchanges/s.
  test.each([
    { expression: 'response:p(50)<1s', ok: true, near: 990 },
    { expression: 'response:p(50)<990ms', ok: false, near: 990 },
    { expression: 'response:p(99.9)<=1980ms', ok: true, near: 1978 },
    { expression: 'response:max==1980ms', ok: true, near: 1980 },
    { expression: 'response:max<1980ms', ok: false, near: 1980 },
    { expression: 'response:min>=1ms', ok: true, near: 1 },
    { expression: 'response:mean<1s', ok: true, near: 990.5 },
    { expression: 'response:avg > 1s', ok: false, near: 990.5 },
    { expression: 'response:med<1000ms', ok: true, near: 990 },
    { expression: 'response:count==1980', ok: true, near: 1980 },
    { expression: 'connect:max<1s', ok: true, near: 0.201 },
    { expression: 'firstByte:p(100)<2s', ok: true, near: 1782 },
    { expression: 'service:p(90)>5s', ok: false, near: 1764 },
    { expression: 'lag:p(99)<5ms', ok: true, near: 1.96 },
    { expression: 'lag:p(99)<500us', ok: false, near: 1.96 },
    { expression: 'errors:rate<0.1%', ok: false, near: 0.01 },
    { expression: 'errors:rate<=1%', ok: true, near: 0.01 },
    { expression: 'errors:count<11', ok: true, near: 10 },
    { expression: 'mismatches:rate<1%', ok: true, near: 5 / 1980 },
    { expression: 'retransmits:count==9', ok: true, near: 9 },
    { expression: 'exchanges:rate>10000/s', ok: false, near: 198 },
    { expression: 'exchanges:rate>190', ok: true, near: 198 },
    { expression: 'exchanges:rate>600/m', ok: true, near: 198 },
    { expression: 'exchanges:rate>0', ok: true, near: 198 },
    { expression: 'exchanges:count>=1980', ok: true, near: 1980 },
    { expression: 'connections:rate<100/s', ok: true, near: 99.8 },
    { expression: 'users:completed==990', ok: true, near: 990 },
    { expression: 'users:completed>99.5%', ok: false, near: 0.99 },
    { expression: 'users:timedOut==0', ok: false, near: 4 },
    { expression: 'users:peakEstablished>300', ok: true, near: 321 },
  ])('$expression holds: $ok', ({ expression, ok, near }) => {
    const found = outcome(expression);
    expect(found.ok).toBe(ok);
    expect(Math.abs((found.actual ?? Number.NaN) / near - 1)).toBeLessThan(0.002);
  });

  test.each([
    ['response:p99<20ms', 'p(99)', 20],
    ['response:p99.9<20', 'p(99.9)', 20],
    ['response:p(99)<0.5', 'p(99)', 0.5],
    ['response:p(50)<1s', 'p(50)', 1000],
    ['lag:max<10', 'max', 10],
  ])('%s means %s, in milliseconds %d', (expression, aggregate, value) => {
    expect(parseThreshold(expression)).toMatchObject({ expression, aggregate, value, unit: 'ms' });
  });

  test('counts answers of another status as errors, by user, and by answer as failures', () => {
    const changes = { EXCHANGES_FAILED: 198, COMPLETED_WITH_FAILURES: 90 };
    const { thresholds } = sampleResult(['errors:rate<5%', 'failures:rate<=10%'], {}, changes);
    expect(thresholds).toMatchObject([
      { ok: false, actual: 0.1 },
      { ok: true, actual: 0.1 },
    ]);
  });

  test('counts statuses by class, of all statuses, and what could not be compared, of all answers', () => {
    const changes = { STATUS_2XX: 990, STATUS_5XX: 10, EXCHANGES_UNCHECKED: 198 };
    const wanted = ['status5xx:rate<0.1%', 'status5xx:count<=10', 'unchecked:rate<=10%'];
    expect(sampleResult(wanted, {}, changes).thresholds).toMatchObject([
      { ok: false, actual: 0.01 },
      { ok: true, actual: 10 },
      { ok: true, actual: 0.1 },
    ]);
    // Without any status there is none to count.
    expect(sampleResult(['status5xx:rate<1%']).thresholds).toMatchObject([{ ok: false }]);
  });

  // The column is that of the first character that cannot stand there.
  test.each([
    ['', 1, /a metric \(connect, .*\) is missing/],
    ['response', 9, /':' and an aggregate is missing/],
    ['response:p(99)', 15, /a comparison .* is missing/],
    ['response:p(99)=20ms', 15, /a comparison .* is missing before '=20ms'/],
    ['response:p(99)!=20ms', 15, /a comparison/],
    ['response:p(99)<', 16, /a value is missing/],
    ['latency:p(99)<20ms', 1, /unknown metric; known are connect, firstByte, response, service/],
    ['toString:rate<1%', 1, /unknown metric/],
    ['respnse:p(99)<20ms', 1, /metric \(did you mean 'response'\?\); known are connect/],
    ['firstbyte:p(99)<20ms', 1, /did you mean 'firstByte'\?/],
    ['status5x:rate<1%', 1, /did you mean 'status5xx'\?/],
    ['users:timedot==0', 7, /state \(did you mean 'timedOut'\?\): users has planned/],
    ['response:maxi<20ms', 10, /aggregate 'maxi' \(did you mean 'max'\?\): response has min/],
    ['errors:rat<5%', 8, /aggregate 'rat' \(did you mean 'rate'\?\): errors has/],
    ['response:p<20ms', 11, /needs a percentile/],
    ['response:p(101)<20ms', 12, /needs a percentile/],
    ['response:p(99<20ms', 14, /'\)' is missing/],
    ['response:p()<20ms', 12, /a percentile from 0 to 100 is missing/],
    ['http_req_duration:p(95)<200', 1, /unknown metric; 'response' is what it is here/],
    ['response:p101<20ms', 10, /needs a percentile/],
    ['errors:rate<0.01', 13, /is not a percentage/],
    ['response:rate<20ms', 10, /response has min, mean/],
    ['response:max(5)<20ms', 13, /takes none/],
    ['response:p(99)<0.1%', 16, /is not a duration/],
    ['errors:rate<5', 13, /is not a percentage/],
    ['errors:p(99)<5%', 8, /errors has rate and count/],
    ['errors:count<5%', 14, /'5%' is not a number/],
    ['exchanges:rate>10ms', 16, /is not a rate/],
    ['users:gone==0', 7, /no such state: users has planned/],
    ['users:constructor==0', 7, /no such state/],
    ['response:p(99)<+10ms', 17, /is not a percentage/],
    ['response:p(99)<20ms and more', 21, /'and more' is too much/],
    ['connect{GET /}:p(99)<20ms', 8, /told apart for 'response' only/],
    ['response{GET /:p(99)<20ms', 26, /'\}' is missing/],
    ['response{}:p(99)<20ms', 10, /the name of a class is missing/],
    ['response{GET /}:p(99)<20ms@60s..', 27, /a class of requests has no window/],
    ['response:p(99)<20ms@', 21, /the beginning of the window is missing/],
    ['response:p(99)<20ms@60s', 24, /'\.\.' is missing/],
    ['response:p(99)<20ms@60..', 21, /'60' is not a duration \(did you mean 60s/],
    ['response:p(99)<20ms@60s..30s', 26, /ends before it begins/],
    ['response:p(99)<20ms@60s..120s x', 31, /'x' is too much/],
    ['users:completed==9@60s..', 19, /users are counted at the end/],
  ])("'%s' is refused at column %d", (expression, column, message) => {
    const error = refusal(() => parseThreshold(expression));
    expect([error.code, error.kind]).toEqual(['ERR_THRESHOLD', 'usage']);
    expect(error.message).toMatch(message);
    expect(error.message).toContain(`threshold '${expression}', column ${column}: `);
  });

  test.each([
    [
      'response{GET /cart}:p(99)<50ms',
      { requestClass: 'GET /cart', aggregate: 'p(99)', value: 50 },
    ],
    ['response {GET /a,b} : p99 < 50ms', { requestClass: 'GET /a,b', aggregate: 'p(99)' }],
    ['response:p(99)<20ms@60s..', { window: { fromNs: 60e9, toNs: null } }],
    ['response:p(99)<20ms @ 1.5s..2m', { window: { fromNs: 1.5e9, toNs: 120e9 } }],
    [
      'errors:rate < -10% @0..30s',
      { isRelative: true, value: -0.1, window: { fromNs: 0, toNs: 30e9 } },
    ],
    ['response:p(99)<20ms', { requestClass: null, window: null }],
  ])("'%s' is read", (expression, parts) => {
    expect(parseThreshold(expression)).toMatchObject({ expression, ...parts });
  });

  test.each(['response:p(99)<20ms', 'response:max>0ms', 'response:count==0', 'response:count>=0'])(
    '%s fails when nothing was measured',
    (expression) => {
      const record = { ...sampleRecord(), latency: new LatencyTable() };
      const result = buildResult(FACTS, record, [parseThreshold(expression)]);
      expect(result.thresholds[0]).toMatchObject({ ok: false, actual: null });
    },
  );

  test('on a share of nothing fails', () => {
    const nobody = { STARTED: 0, COMPLETED: 0, REFUSED: 0, RESET: 0, TIMED_OUT: 0, ABORTED: 0 };
    const result = sampleResult(['errors:rate<5%'], {}, nobody);
    expect(result.thresholds[0]).toMatchObject({ ok: false, actual: null });
  });
});

describe('a threshold against a baseline', () => {
  const before = measuredOf(sampleResult());

  test.each([
    ['response:p(99)<+10%', 1, true],
    ['response:p(99)<-10%', 1, false],
    ['response:p(99)>-10%', 1, true],
    ['exchanges:rate>-5%', 0.9, false],
    ['exchanges:rate>-5%', 0.96, true],
    ['errors:rate<=+0%', 1, true],
  ])('%s with the rate times %d holds: %s', (expression, factor, ok) => {
    const { counted } = before;
    const now = { ...counted, rates: { ...counted.rates, achieved: 198 * factor } };
    const thresholds = [parseThreshold(expression)];
    const [found] = evaluateThresholds(thresholds, [{ ...before, counted: now }], [before]);
    expect(found.ok).toBe(ok);
  });

  test('needs one', () => {
    const thresholds = [parseThreshold('response:p(99)<+10%')];
    expect(refusal(() => evaluateThresholds(thresholds, [before])).message).toMatch(/no baseline/);
  });

  test('fails when the baseline measured nothing', () => {
    const thresholds = [parseThreshold('response:p(99)<+10%')];
    const empty = { ...before, latency: new LatencyTable() };
    expect(evaluateThresholds(thresholds, [before], [empty])[0]).toMatchObject({
      ok: false,
      limit: null,
    });
  });
});

describe('a threshold on a part of the run', () => {
  // 100 answers a second: those of the first ten seconds take 900 ms, the others 20 ms.
  const responseMs = Array.from({ length: 3_000 }, (_, i) => (i < 1_000 ? 900 : 20));
  const run = sampleRun({ responseMs, durationSeconds: 30, reset: 5 });

  test.each([
    ['response:p(99)<50ms', false, 900, null],
    ['response:p(99)<50ms@10s..', true, 20, null],
    ['response:p(99)<50ms@9s..', false, 900, null],
    ['response:p(51)<50ms@9s..11s', false, 900, null],
    ['response:p(50)<50ms@9s..11s', true, 20, null],
    ['response:count==2000@10s..', true, 2_000, null],
    ['response:count==100@12s..13s', true, 100, null],
    ['exchanges:rate==100@10s..20s', true, 100, null],
    ['exchanges:count==1500@15s..90s', true, 1_500, 'of 15 s to 30 s (intervals of 1 s)'],
    ['errors:count==0@10s..20s', true, 0, null],
    ['errors:count==5@20s..', true, 5, null],
    ['response:count==1900@10.2s..', true, 1_900, 'of 11 s to 30 s (intervals of 1 s)'],
    ['response:p(99)<50ms@10.2s..10.9s', false, null, 'no whole interval of 1 s lies in it'],
    ['response:p(99)<50ms@40s..', false, null, 'no whole interval of 1 s lies in it'],
  ])('%s holds: %s', (expression, ok, actual, note) => {
    const [found] = evaluateThresholds([parseThreshold(expression)], [measuredOf(run)]);
    expect({ ok: found.ok, note: found.note }).toEqual({ ok, note });
    if (actual === null) expect(found.actual).toBeNull();
    else
      expect(Math.abs((found.actual ?? Number.NaN) - actual)).toBeLessThanOrEqual(actual * 0.001);
  });

  test('of a result without intervals fails and says so', () => {
    const old = { ...run, record: null };
    const thresholds = [parseThreshold('response:p(99)<50ms@10s..')];
    expect(evaluateThresholds(thresholds, [measuredOf(old)])[0]).toMatchObject({
      ok: false,
      actual: null,
      note: 'an older version kept no intervals',
    });
  });

  test('is as exact as the whole, wherever the parts are cut', () => {
    const whole = measuredOf(run);
    const figure = (expression: string) =>
      evaluateThresholds([parseThreshold(expression)], [whole])[0].actual ?? Number.NaN;
    for (let at = 1; at < 30; at++) {
      for (const name of ['response:count', 'exchanges:count', 'errors:count']) {
        const parts = figure(`${name}==0@0..${at}s`) + figure(`${name}==0@${at}s..`);
        expect({ at, name, parts }).toEqual({ at, name, parts: figure(`${name}==0`) });
      }
    }
  });
});

describe('a threshold on a class of requests', () => {
  const response = LatencyTable.of([]);
  response.addSparse(0, { indexes: Uint32Array.of(500), counts: Float64Array.of(3) });
  const named: Measured = {
    ...measuredOf(sampleResult()),
    classes: { names: ['GET /', 'GET /cart'], response },
  };
  const held = (expression: string, measured = named) =>
    evaluateThresholds([parseThreshold(expression)], [measured])[0];

  test('is held against the answers of that class', () => {
    expect(held('response{GET /}:count==3')).toMatchObject({ ok: true, actual: 3 });
    expect(held('response{GET /cart}:count==0')).toMatchObject({ ok: false, actual: null });
  });

  test('that is not there fails, and lists those that are', () => {
    expect(held('response{GET /car}:p(99)<50ms')).toMatchObject({
      ok: false,
      note: "no class 'GET /car' (did you mean 'GET /cart'?): there are GET /, GET /cart",
    });
    const none = measuredOf(sampleResult());
    expect(held('response{GET /}:p(99)<50ms', none).note).toContain('were not told apart');
  });
});

describe('repeated runs', () => {
  test('are held by the median of theirs, and of their baselines', () => {
    const runs = (means: number[]) =>
      means.map((ms) => measuredOf(sampleRun({ responseMs: [ms, ms, ms] })));
    const threshold = [parseThreshold('response:p(50)<+10%')];
    const [good] = evaluateThresholds(threshold, runs([10, 500, 10]), runs([10, 1, 10]));
    expect(good).toMatchObject({ ok: true });
    const [bad] = evaluateThresholds(threshold, runs([12, 12, 1]), runs([10, 10, 90]));
    expect(bad).toMatchObject({ ok: false });
  });
});
