import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  AnswersSeen,
  addSeenRequests,
  createAnswersSeen,
  REQUESTS_MAX,
  type SeenAnswer,
  type SeenRequest,
  seenRequests,
} from '../../src/measure/answers-seen.ts';
import { compareAnswers, EXAMPLES_MAX } from '../../src/measure/compare-answers.ts';

const answer = (code: number, more: Partial<SeenAnswer> = {}): SeenAnswer => ({
  ...{ replyClass: Math.floor(code / 100), code, bytes: -1, low: 0, high: 0 },
  ...more,
});

/** What a thread keeps of these answers to requests. */
function seen(
  answers: readonly (readonly [exchange: number, answer: SeenAnswer])[],
): readonly SeenRequest[] {
  const table = createAnswersSeen(100);
  const recorder = new AnswersSeen(table);
  for (const [exchange, each] of answers) recorder.record(exchange, each);
  return seenRequests(table);
}

/** Both sides' answers to request 7. */
const compared = (base: readonly SeenAnswer[], next: readonly SeenAnswer[]) =>
  compareAnswers(seen(base.map((each) => [7, each])), seen(next.map((each) => [7, each])));

const times = (count: number, each: SeenAnswer): SeenAnswer[] =>
  Array.from({ length: count }, () => each);

const varying = (of: (i: number) => Partial<SeenAnswer>): SeenAnswer[] =>
  Array.from({ length: 5 }, (_, i) => answer(200, of(i)));

describe('a request', () => {
  test.each<[string, SeenAnswer[], SeenAnswer[], 'status' | 'length' | 'body' | 'varies' | null]>([
    ['that both answer alike', times(3, answer(200)), times(5, answer(200)), null],
    ['of which one target says something else', [answer(200)], [answer(503)], 'status'],
    [
      'that fails once, at the new target',
      times(9, answer(200)),
      [answer(200), answer(500)],
      'status',
    ],
    ['that failed once, at the base', [answer(200), answer(500)], times(9, answer(200)), 'status'],
    [
      'that fails now and then at both',
      [answer(200), answer(500)],
      [answer(500), answer(200)],
      null,
    ],
    [
      'of another length',
      times(2, answer(200, { bytes: 9 })),
      [answer(200, { bytes: 8 })],
      'length',
    ],
    [
      'whose length varies at both',
      varying((i) => ({ bytes: i })),
      varying((i) => ({ bytes: 9 + i })),
      'varies',
    ],
    [
      'whose length varies at one',
      times(5, answer(200, { bytes: 1 })),
      varying((i) => ({ bytes: 1 + i })),
      'length',
    ],
    [
      'that was answered once, by a length that varies',
      [answer(200, { bytes: 1 })],
      varying((i) => ({ bytes: 1 + i })),
      null,
    ],
    [
      'with another body',
      times(2, answer(200, { low: 1 })),
      times(2, answer(200, { low: 2 })),
      'body',
    ],
    [
      'with the same body',
      times(2, answer(200, { high: 1 })),
      times(2, answer(200, { high: 1 })),
      null,
    ],
    ['whose body is known at one', times(2, answer(200, { low: 1 })), times(2, answer(200)), null],
    [
      'whose body holds the time',
      varying((i) => ({ low: i + 1 })),
      varying((i) => ({ low: i + 70 })),
      'varies',
    ],
    [
      'of more statuses than are told apart',
      [200, 201, 202, 203].map((code) => answer(code)),
      [answer(200)],
      'varies',
    ],
  ])('%s', (_, base, next, kind) => {
    for (const [one, other] of [
      [base, next],
      [next, base],
    ] as const) {
      const found = compared(one, other);
      expect(found.requests).toBe(1);
      expect(found.first.at(0)?.kind ?? null).toBe(kind === 'varies' ? null : kind);
      expect(found.varying).toBe(kind === 'varies' ? 1 : 0);
    }
  });

  test('is shown with what only one of them says, and how often', () => {
    const { first } = compared([...times(9, answer(200)), answer(404)], times(8, answer(200)));
    expect(first).toMatchObject([
      { exchange: 7, base: { code: 404, count: 1 }, baseOf: 10, next: { code: 200 }, nextOf: 8 },
    ]);
  });

  test('that one of them has not answered is left out', () => {
    const both = compareAnswers(seen([[1, answer(200)]]), seen([[2, answer(500)]]));
    expect(both).toMatchObject({ requests: 0, unlike: 0 });
  });
});

test('all differences are counted, the first are shown, those of status before others', () => {
  const side = (bytes: number, code: number) =>
    seen(Array.from({ length: 60 }, (_, i) => [i, i < 55 ? answer(200, { bytes }) : answer(code)]));
  const { unlike, unlikeBy, first } = compareAnswers(side(1, 200), side(2, 500));
  expect({ unlike, unlikeBy }).toEqual({
    unlike: 60,
    unlikeBy: { status: 5, length: 55, body: 0 },
  });
  expect(first).toHaveLength(EXAMPLES_MAX);
  expect(first.slice(0, 6).map(({ exchange }) => exchange)).toEqual([55, 56, 57, 58, 59, 0]);
});

test('the answers that threads kept add up to those of one, wherever each was answered', () => {
  const anAnswer = fc.record({
    replyClass: fc.constant(2),
    code: fc.constantFrom(200, 204, 404),
    bytes: fc.integer({ min: -1, max: 2 }),
    low: fc.integer({ min: 0, max: 2 }),
    high: fc.constant(0),
  });
  const played = fc.array(fc.tuple(fc.nat(4), anAnswer, fc.nat(2)), { maxLength: 40 });
  fc.assert(
    fc.property(played, (all) => {
      const sorted = (rows: readonly SeenRequest[]) =>
        rows.map((row) => ({
          ...row,
          statuses: [...row.statuses].sort((a, b) => a.code - b.code),
        }));
      const whole = seen(all.map(([exchange, each]) => [exchange, each]));
      const threads = [0, 1, 2].map((thread) =>
        seen(all.flatMap(([exchange, each, of]) => (of === thread ? [[exchange, each]] : []))),
      );
      expect(sorted(addSeenRequests(threads))).toEqual(sorted(whole));
      expect(sorted(addSeenRequests(threads.reverse()))).toEqual(sorted(whole));
    }),
  );
});

test('what has no row takes no memory', () => {
  const table = createAnswersSeen(10 * REQUESTS_MAX);
  expect(table.length).toBe(createAnswersSeen(REQUESTS_MAX).length);
  new AnswersSeen(table).record(REQUESTS_MAX, answer(200));
  expect(seenRequests(table)).toEqual([]);
});
