import { describe, expect, test } from 'vitest';
import { ReplayError } from '../../src/base/errors.ts';
import { parseThreshold } from '../../src/cli/values/thresholds.ts';
import { buildResult } from '../../src/measure/build-result.ts';
import { LatencyTable } from '../../src/measure/histograms.ts';
import { evaluateThresholds } from '../../src/measure/thresholds.ts';
import { FACTS, sampleRecord, sampleResult } from './sample-run.ts';

const refusal = (parse: () => unknown): ReplayError => {
  try {
    parse();
  } catch (error) {
    if (error instanceof ReplayError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
};

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

  test.each([
    ['', /is not METRIC:AGGREGATE/],
    ['response', /is not METRIC/],
    ['response:p(99)', /is not METRIC/],
    ['response:p(99)=20ms', /is not METRIC/],
    ['response:p(99)!=20ms', /is not METRIC/],
    [
      'latency:p(99)<20ms',
      /unknown metric; known are connect, firstByte, response, service, lag, held, err/,
    ],
    ['toString:rate<1%', /unknown metric/],
    ['response:p<20ms', /needs a percentile/],
    ['response:p(101)<20ms', /needs a percentile/],
    ['http_req_duration:p(95)<200', /unknown metric; 'response' is what it is here/],
    ['response:p101<20ms', /needs a percentile/],
    ['errors:rate<0.01', /is not a percentage/],
    ['response:rate<20ms', /response has min, mean/],
    ['response:max(5)<20ms', /takes none/],
    ['response:p(99)<0.1%', /is not a duration/],
    ['errors:rate<5', /is not a percentage/],
    ['errors:p(99)<5%', /errors has rate and count/],
    ['errors:count<5%', /'5%' is not a number/],
    ['exchanges:rate>10ms', /is not a rate/],
    ['users:gone==0', /has no such state: users has planned/],
    ['users:constructor==0', /has no such state/],
    ['response:p(99)<+10ms', /is not a percentage/],
  ])("'%s' is refused", (expression, message) => {
    const error = refusal(() => parseThreshold(expression));
    expect([error.code, error.kind]).toEqual(['ERR_THRESHOLD', 'usage']);
    expect(error.message).toMatch(message);
    expect(error.message).toContain(`'${expression}'`);
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
  const before = { result: sampleResult(), latency: sampleRecord().latency };

  test.each([
    ['response:p(99)<+10%', 1, true],
    ['response:p(99)<-10%', 1, false],
    ['response:p(99)>-10%', 1, true],
    ['exchanges:rate>-5%', 0.9, false],
    ['exchanges:rate>-5%', 0.96, true],
    ['errors:rate<=+0%', 1, true],
  ])('%s with the rate times %d holds: %s', (expression, factor, ok) => {
    const result = { ...before.result, rates: { ...before.result.rates, achieved: 198 * factor } };
    const thresholds = [parseThreshold(expression)];
    const [found] = evaluateThresholds(thresholds, { ...before, result }, before);
    expect(found.ok).toBe(ok);
  });

  test('needs one', () => {
    const thresholds = [parseThreshold('response:p(99)<+10%')];
    expect(refusal(() => evaluateThresholds(thresholds, before)).message).toMatch(/no baseline/);
  });

  test('fails when the baseline measured nothing', () => {
    const thresholds = [parseThreshold('response:p(99)<+10%')];
    const empty = { ...before, latency: new LatencyTable() };
    expect(evaluateThresholds(thresholds, before, empty)[0]).toMatchObject({
      ok: false,
      limit: null,
    });
  });
});
