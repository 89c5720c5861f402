import { describe, expect, test } from 'vitest';
import { outcomeOf } from '../../src/cli/outcome.ts';
import type { Difference } from '../../src/measure/differences.ts';
import { textReport } from '../../src/report/text.ts';
import { NOTHING_COUNTED, sampleResult } from '../measure/sample-run.ts';

const NETWORK = {
  plan: { ...sampleResult().plan, target: '10.0.0.1:80', mode: 'local' },
};

const NONE = NOTHING_COUNTED;

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
    const { code, message } = outcomeOf(
      sampleResult([], NETWORK, { ...NONE, TIMED_OUT: 1000, TIMED_OUT_CONNECTING: 1000 }),
    );
    expect(code).toBe(5);
    expect(message).toContain('1,000 timed out; do packets get there');
    expect(message).toContain('198.18.0.0/15');
  });

  test('when connections were taken and nothing was answered', () => {
    const counts = {
      ...NONE,
      CONNECTED: 1000,
      RESET: 900,
      RESET_BEFORE_ANSWER: 900,
      ABORTED: 100,
      ABORTED_CLOSED_EARLY: 100,
    };
    const { code, message } = outcomeOf(sampleResult([], NETWORK, counts));
    expect(code).toBe(5);
    expect(message).toContain('took connections but answered nothing; 900 reset, 100 aborted');
    const greeted = { ...counts, PAYLOAD_BYTES_RECEIVED: 12_000 };
    const unasked = outcomeOf(sampleResult([], NETWORK, greeted)).message;
    expect(unasked).toContain('and said 12,000 bytes, but let nobody ask anything; 900 reset');
    const asked = { ...greeted, EXCHANGES_PLANNED: 1000, EXCHANGES_SENT: 1000 };
    const unanswered = outcomeOf(sampleResult([], NETWORK, asked)).message;
    expect(unanswered).toContain('and said 12,000 bytes, but answered no request to its end; 900');
  });

  test('when answers came and nobody got to the end', () => {
    const answered = { CONNECTED: 1000, EXCHANGES_PLANNED: 2000, EXCHANGES_SENT: 1000 };
    const counts = { ...NONE, ...answered, EXCHANGES_ANSWERED: 500, ANSWER_BY_LENGTH: 500 };
    const ends = { ABORTED: 1000, ABORTED_CLOSED_EARLY: 1000 };
    const { code, message } = outcomeOf(sampleResult([], NETWORK, { ...counts, ...ends }));
    expect(code).toBe(5);
    expect(message).toContain('let no user come to the end of a session: 1,000 aborted');
    expect(message).toContain('; it closed each connection before the recorded server did: does');
    const bdat = { session: 1, number: 4, request: 'BDAT 129', gotBytes: 30 };
    const refused: Difference = {
      ...{ kind: 'status', requestClass: 'BDAT', count: 500 },
      example: { ...bdat, recorded: '250', got: '500' },
    };
    const greeted: Difference = {
      ...{ kind: 'status', requestClass: 'EHLO', count: 600 },
      example: { ...bdat, number: 1, request: 'EHLO', recorded: '250', got: '220' },
    };
    const length = { ...refused, kind: 'length' as const };
    const differing = { seen: [length, greeted, refused], left: 0 };
    const closed = sampleResult([], NETWORK, { ...counts, ...ends });
    expect(outcomeOf({ ...closed, differences: differing }).message).toContain(
      "recorded server did, and answered '500' to BDAT 129 instead of '250': does it know such",
    );
    const reset = { ABORTED: 999, ABORTED_CLOSED_EARLY: 999, RESET: 1, RESET_DURING_ANSWER: 1 };
    const others = outcomeOf(sampleResult([], NETWORK, { ...counts, ...reset }));
    expect(others.message).toContain('999 aborted; can these sessions be repeated there');
  });

  test('though a threshold would have held', () => {
    const result = sampleResult(['errors:rate<=100%'], NETWORK, { ...NONE, REFUSED: 1000 });
    expect(outcomeOf(result).code).toBe(5);
  });

  test('when nobody was started', () => {
    expect(outcomeOf(sampleResult([], NETWORK, { ...NONE, STARTED: 0 })).code).toBe(2);
  });
});

test('a run whose way was cut off ends with 5, by what is gone', () => {
  const failure = 'the intercept at 10.0.0.9:36524 was lost and did not come back within 30 s';
  expect(outcomeOf(sampleResult([], { failure }))).toEqual({ code: 5, message: failure });
});

test('a run whose sums do not come out even is a fault of gryphon', () => {
  const { code, message } = outcomeOf(sampleResult([], {}, { EXCHANGES_OF_COMPLETED: 1981 }));
  expect(code).toBe(1);
  expect(message).toBe(
    'a fault of gryphon itself: exchanges of completed users: 1981, but answered: 1980; ' +
      'please report it',
  );
});

test('the first line bears a ✗ exactly when the code is not 0', () => {
  const unlike = { EXCHANGES_FAILED: 1980, STATUS_5XX: 1980, COMPLETED_WITH_FAILURES: 990 };
  const results = [
    sampleResult(),
    sampleResult(['response:max<1h']),
    sampleResult(['response:p(99)<1ms']),
    sampleResult([], { isInterrupted: true }),
    sampleResult([], { failure: 'the intercept is gone' }),
    sampleResult([], {}, unlike),
    sampleResult(['errors:rate<1%'], {}, unlike),
    sampleResult([], {}, { EMBEDDED_BAD_OCTETS: 1 }),
    sampleResult([], NETWORK, { ...NONE, REFUSED: 1000 }),
    sampleResult([], NETWORK, { ...NONE, STARTED: 0 }),
  ];
  for (const result of results) {
    const [firstLine] = textReport(result, { color: false }).split('\n');
    expect([firstLine, firstLine.startsWith('✗')]).toEqual([
      firstLine,
      outcomeOf(result).code !== 0,
    ]);
  }
});

test('sessions without answers that end as recorded are no failure', () => {
  const counts = { ...NONE, CONNECTED: 1000, COMPLETED: 1000, EXCHANGES_SENT: 0 };
  expect(outcomeOf(sampleResult([], NETWORK, counts)).code).toBe(0);
});

describe('a run that was cut off', () => {
  test.each([
    { failureKind: 'unreachable', code: 5 },
    { failureKind: 'environment', code: 4 },
    // Of an older document.
    { failureKind: null, code: 5 },
  ] as const)('by what is $failureKind ends with $code', ({ failureKind, code }) => {
    const failure = 'the interface eth1 was removed 2 s after the start';
    const result = sampleResult([], { ...NETWORK, failure, failureKind });
    expect(outcomeOf(result)).toEqual({ code, message: failure });
    expect(textReport(result, { color: false }).split('\n')[0]).toMatch(/^✗/);
  });
});
