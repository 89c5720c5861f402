/** Answers of a protocol that nobody here knows, whose ends a module tells. */
import { describe, expect, test } from 'vitest';
import { NS_PER_MS } from '../../src/base/time.ts';
import { Counter } from '../../src/measure/counters.ts';
import { Latency } from '../../src/measure/histograms.ts';
import type { ProtocolModule } from '../../src/rewrite/module.ts';
import { StreamEnd } from '../../src/session/script/scripts.ts';
import { type RecordedSession, said } from '../helpers/recorded.ts';
import { type Answer, talk } from './talking.ts';

const FIN = { how: StreamEnd.FIN } as const;
const textOf = (all: Uint8Array): string => Buffer.from(all).toString('latin1');

/** An answer says in four digits how many octets follow. */
const framed = (text: string): string => `${String(text.length).padStart(4, '0')}${text}`;
const DIGITS = 4;

type AnswerEnd = NonNullable<ProtocolModule['answerEnd']>;
const byLength: AnswerEnd = (_, __, octets) =>
  octets.length < DIGITS ? undefined : DIGITS + Number(textOf(octets.subarray(0, DIGITS)));
/** Knows only when it has seen the end. */
const byDot: AnswerEnd = (_, __, octets, seen) => {
  const at = octets.indexOf('.'.charCodeAt(0), seen);
  return at < 0 ? undefined : at + 1;
};

const moduleOf = (answerEnd: AnswerEnd): ProtocolModule => ({
  name: 'framed',
  plan: () => ({ plan: 'planned', rewrites: [], reads: [] }),
  client: () => null,
  connection: () => null,
  answerEnd,
});

const sessionOf = (...talks: readonly (readonly [string, string])[]): RecordedSession => ({
  messages: talks.flatMap(([asked, answer]) => [
    said('client', `${asked}\n`, NS_PER_MS),
    said('server', answer, NS_PER_MS),
  ]),
  clientEnd: FIN,
  serverEnd: { ...FIN, afterPeer: true },
});

/** In pieces of `bytes`, each of which comes later than the one before. */
const inPieces = (text: string, bytes: number): Answer[] =>
  Array.from({ length: Math.ceil(text.length / bytes) }, (_, i) => ({
    text: text.slice(i * bytes, (i + 1) * bytes),
    delayMs: 1 + i,
  }));

const ended = (counters: Float64Array) => ({
  completed: counters[Counter.COMPLETED],
  answered: counters[Counter.EXCHANGES_ANSWERED],
  byProtocol: counters[Counter.ANSWER_BY_PROTOCOL],
  byLength: counters[Counter.ANSWER_BY_LENGTH],
  byQuiet: counters[Counter.ANSWER_BY_QUIET],
  unfollowed: counters[Counter.ANSWERS_UNFOLLOWED],
});
const NONE = { byProtocol: 0, byLength: 0, byQuiet: 0, unfollowed: 0 };

describe('answers of other lengths than recorded', () => {
  const recorded = sessionOf(['a', framed('recorded.')], ['b', framed('of this length.')]);
  test.each([
    ['shorter', 'x.'],
    ['longer', `${'y'.repeat(40)}.`],
    ['longer than a packet', `${'z'.repeat(300)}.`],
  ])('%s end where the module says, however they are cut', (_, body) => {
    for (const tell of [byLength, byDot]) {
      for (const bytes of [1, 2, 3, DIGITS, 5, 7, 49, 50]) {
        const { counters, endMs, failures } = talk({
          sessions: [recorded],
          modules: [moduleOf(tell)],
          server: (text) => (text === '' ? [] : inPieces(framed(body), bytes)),
          options: { users: 2 },
        });
        expect([...failures.keys()]).toEqual([]);
        expect(ended(counters)).toEqual({ ...NONE, completed: 2, answered: 4, byProtocol: 4 });
        // Quiet would take 10 ms more at the least.
        expect(endMs).toBeLessThan(2 * (framed(body).length / bytes + 2) + 12);
      }
    }
  });

  test('without the function they end by quiet', () => {
    const { answerEnd: _, ...module } = moduleOf(byLength);
    const { counters } = talk({
      sessions: [recorded],
      modules: [module],
      server: (text) => (text === '' ? [] : [framed('x.')]),
    });
    expect(ended(counters)).toEqual({ ...NONE, completed: 1, answered: 2, byQuiet: 2 });
  });
});

describe('requests that are sent in one go', () => {
  const pipelined = (answers: string): RecordedSession => ({
    ...sessionOf(),
    messages: [
      said('client', 'a\n', NS_PER_MS),
      said('client', 'b\n', NS_PER_MS),
      said('client', 'c\n', NS_PER_MS),
      said('server', answers, NS_PER_MS),
      said('client', 'd\n', NS_PER_MS),
      said('server', framed('D.'), NS_PER_MS),
    ],
  });

  test.each(['think', 'schedule'] as const)('each has an answer of its own (%s)', (pace) => {
    const asked: number[] = [];
    const { counters, latency } = talk({
      sessions: [pipelined(framed('A.') + framed('B.') + framed('C.'))],
      modules: [
        moduleOf((plan, message, octets, seen) => {
          expect(plan).toBe('planned');
          asked.push(message);
          return byLength(plan, message, octets, seen);
        }),
      ],
      server: (text) =>
        [...text.replaceAll('\n', '')].map((each, i) => ({
          text: framed(`${each.repeat(9)}.`),
          delayMs: 2 * i + 1,
        })),
      options: { pace },
    });
    expect(ended(counters)).toEqual({ ...NONE, completed: 1, answered: 4, byProtocol: 4 });
    expect(latency.row(Latency.SERVICE).count).toBe(4);
    // Of the recording, then of the run.
    expect(asked).toEqual([0, 1, 2, 3, 0, 1, 2, 3]);
  });

  test('all have one together, which is that of the last', () => {
    const asked: number[] = [];
    const { counters } = talk({
      sessions: [pipelined(framed('ABC.'))],
      modules: [
        moduleOf((plan, message, octets, seen) => {
          asked.push(message);
          return byLength(plan, message, octets, seen);
        }),
      ],
      server: (text) => {
        if (text.endsWith('c\n')) return [framed('all of them.')];
        return text === 'd\n' ? [framed('that, too.')] : [];
      },
    });
    expect(ended(counters)).toEqual({ ...NONE, completed: 1, answered: 2, byProtocol: 2 });
    expect(asked.slice(-2)).toEqual([2, 3]);
  });
});

test('what the server says first ends where the module says', () => {
  const greeted = sessionOf(['a', framed('A.')]);
  const asked: number[] = [];
  const { counters, endMs } = talk({
    sessions: [
      { ...greeted, messages: [said('server', framed('welcome, 2026.')), ...greeted.messages] },
    ],
    modules: [
      moduleOf((plan, message, octets, seen) => {
        asked.push(message);
        return byLength(plan, message, octets, seen);
      }),
    ],
    server: (text) => [framed(text === '' ? 'hi.' : 'AAAA.')],
  });
  expect(asked).toEqual([-1, 0, -1, 0]);
  expect(ended(counters)).toEqual({ ...NONE, completed: 1, answered: 1, byProtocol: 1 });
  expect(endMs).toBeLessThan(12);
});

test('an answer that the client half-closed before has its end, too', () => {
  const { counters } = talk({
    sessions: [
      {
        messages: [said('client', 'a\n', NS_PER_MS), said('server', framed('A.'), 20 * NS_PER_MS)],
        clientEnd: { ...FIN, awaits: 0 },
        serverEnd: { ...FIN, afterPeer: true },
      },
    ],
    modules: [moduleOf(byLength)],
    server: (text) => (text === '' ? [] : [framed('AAAA.')]),
  });
  expect(ended(counters)).toMatchObject({ completed: 1, byProtocol: 1, byQuiet: 0 });
});

describe('what the module does not know', () => {
  test('of the recording: those answers end as in any unknown protocol', () => {
    const { counters } = talk({
      sessions: [sessionOf(['a', 'no framing'], ['b', framed('B.')])],
      modules: [
        moduleOf((plan, message, octets, seen) =>
          message === 0 ? undefined : byLength(plan, message, octets, seen),
        ),
      ],
      server: (text) => (text === '' ? [] : [text === 'a\n' ? 'no framing' : framed('BBB.')]),
    });
    expect(ended(counters)).toEqual({
      ...NONE,
      ...{ completed: 1, answered: 2, byLength: 1, byProtocol: 1, unfollowed: 1 },
    });
  });

  test('of an answer that is longer than may be kept: it is left to the other rules', () => {
    const long = `${'z'.repeat(300)}.`;
    const given = {
      sessions: [sessionOf(['a', framed('recorded.')], ['b', framed('B.')])],
      server: (text: string): Answer[] => {
        if (text === '') return [];
        return text === 'a\n' ? inPieces(framed(long), 50) : [framed('BB.')];
      },
      rewriting: { answerBytesMax: 100 },
    };
    const late = talk({ ...given, modules: [moduleOf(byDot)] });
    expect(ended(late.counters)).toMatchObject({ completed: 1, answered: 2, unfollowed: 1 });
    // Who says it beforehand need not see all.
    const early = talk({ ...given, modules: [moduleOf(byLength)] });
    expect(ended(early.counters)).toEqual({ ...NONE, completed: 1, answered: 2, byProtocol: 2 });
  });

  test('where nobody has captured the server: all that it says is new', () => {
    const { counters } = talk({
      sessions: [sessionOf(['a', framed('A.')], ['b', framed('B.')])],
      modules: [moduleOf(byLength)],
      scripts: { areAnswersUnheard: Uint8Array.of(1) },
      server: (text) => (text === '' ? [] : inPieces(framed('what nobody knew.'), 8)),
    });
    expect(ended(counters)).toEqual({ ...NONE, completed: 1, answered: 2, byProtocol: 2 });
  });
});

describe('a module that fails there ends the connection alone, under its reason', () => {
  const nonsense = (value: unknown): AnswerEnd => value as unknown as AnswerEnd;
  test.each<[string, AnswerEnd, RegExp]>([
    [
      'it throws',
      () => {
        throw new Error('lost\nits way');
      },
      /^framed: lost$/,
    ],
    ['it returns 0', () => 0, /answerEnd has returned 0, which is no number of octets$/],
    ['less', () => -3, /returned -3, which is no number of octets$/],
    ['half an octet', () => 4.5, /returned 4.5, which/],
    ['NaN', () => Number.NaN, /returned NaN, which/],
    ['infinity', () => Number.POSITIVE_INFINITY, /returned Infinity, which/],
    ['a text', nonsense(() => '9'), /returned string, and no number$/],
    ['null', nonsense(() => null), /returned object, and no number$/],
    ['a promise', nonsense(async () => 9), /returned object, and no number$/],
    [
      'an end before which it had said nothing',
      (_, __, octets) => (octets.length > 8 ? 3 : undefined),
      /returned 3, and no end when it was shown 8 octets$/,
    ],
  ])('%s', (_, broken, reason) => {
    let isRun = false;
    const { counters, failures } = talk({
      sessions: [sessionOf(['a', framed('A.')], ['b', framed('B.')])],
      modules: [
        moduleOf((plan, message, octets, seen) =>
          isRun && message === 1
            ? broken(plan, message, octets, seen)
            : byLength(plan, message, octets, seen),
        ),
      ],
      server: (text) => {
        isRun = true;
        return text === '' ? [] : inPieces(framed('sixteen octets..'), 8);
      },
      options: { users: 2, iterations: 2 },
    });
    expect(counters[Counter.ABORTED_MODULE]).toBe(4);
    expect(counters[Counter.ABORTED]).toBe(4);
    expect([...failures.keys()]).toEqual([expect.stringMatching(reason)]);
    expect([...failures.values()]).toEqual([4]);
  });

  test('before the run: it names the session', () => {
    const refused = (answerEnd: AnswerEnd) => () =>
      talk({
        sessions: [sessionOf(['a', framed('A.')])],
        modules: [moduleOf(answerEnd)],
        server: () => [],
      });
    expect(refused(() => -1)).toThrow(/plan of session 0: message 0: answerEnd has returned -1/);
    const thrower = () => {
      throw new Error('not today');
    };
    expect(refused(thrower)).toThrow(/session 0: answerEnd, message 0: not today/);
  });
});
