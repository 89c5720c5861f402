import { describe, expect, test } from 'vitest';
import { outcomeOf } from '../../src/cli/outcome.ts';
import { sampleResult } from '../measure/sample-run.ts';

const NETWORK = {
  plan: { ...sampleResult().plan, target: '10.0.0.1:80', mode: 'local' },
};

/** Nothing of what the sample counted. */
const NONE = {
  COMPLETED: 0,
  REFUSED: 0,
  RESET: 0,
  TIMED_OUT: 0,
  ABORTED: 0,
  CONNECTED: 0,
  EXCHANGES_SENT: 0,
  EXCHANGES_ANSWERED: 0,
};

test('a run without thresholds that played something ends with 0, though some users failed', () => {
  expect(outcomeOf(sampleResult())).toEqual({ code: 0, message: null });
});

test('thresholds decide between 0 and 99, and the summary says which', () => {
  expect(outcomeOf(sampleResult(['response:max<1h']))).toEqual({ code: 0, message: null });
  const failed = sampleResult(['response:max<1h', 'response:p(99)<1ms']);
  expect(outcomeOf(failed)).toEqual({ code: 99, message: null });
});

test('an interrupted run ends with 130, whatever its thresholds and its target did', () => {
  const result = sampleResult(['response:p(99)<1ms'], { ...NETWORK, isInterrupted: true }, NONE);
  expect(outcomeOf(result)).toEqual({ code: 130, message: null });
});

test('wrong octets at the embedded target are a fault of gryphon', () => {
  expect(outcomeOf(sampleResult([], {}, { EMBEDDED_BAD_OCTETS: 1 })).code).toBe(1);
  expect(outcomeOf(sampleResult([], {}, { EMBEDDED_BAD_CHECKSUM: 1 })).code).toBe(1);
});

describe('a run that played nothing never ends with 0', () => {
  test('when the target refused everybody', () => {
    const result = sampleResult([], NETWORK, { ...NONE, REFUSED: 1000 });
    expect(outcomeOf(result)).toEqual({
      code: 5,
      message:
        'the target 10.0.0.1:80 cannot be reached: 1,000 refused; is the server running, and on this port?',
    });
  });

  test('when nothing came back', () => {
    const { code, message } = outcomeOf(sampleResult([], NETWORK, { ...NONE, TIMED_OUT: 1000 }));
    expect(code).toBe(5);
    expect(message).toContain('1,000 timed out; do packets get there');
    expect(message).toContain('198.18.0.0/15');
  });

  test('when connections were taken and nothing was answered', () => {
    const counts = { ...NONE, CONNECTED: 1000, RESET: 900, ABORTED: 100 };
    const { code, message } = outcomeOf(sampleResult([], NETWORK, counts));
    expect(code).toBe(5);
    expect(message).toContain('answered nothing; 900 reset, 100 aborted');
  });

  test('though a threshold would have held', () => {
    const result = sampleResult(['errors:rate<=100%'], NETWORK, { ...NONE, REFUSED: 1000 });
    expect(outcomeOf(result).code).toBe(5);
  });

  test('when nobody was started', () => {
    expect(outcomeOf(sampleResult([], NETWORK, { ...NONE, STARTED: 0 })).code).toBe(2);
  });
});

test('sessions without answers that end as recorded are no failure', () => {
  const counts = { ...NONE, CONNECTED: 1000, COMPLETED: 1000, EXCHANGES_SENT: 0 };
  expect(outcomeOf(sampleResult([], NETWORK, counts)).code).toBe(0);
});
