/**
 * Framers beside naive twins: conversations written down and made at random end where the twins, which have
 * the whole stream at hand, see their ends; wherever the stream is cut, and wherever it stops.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NO_ANSWER } from '../../src/protocol/framer.ts';
import { FOLLOWED_NAMES, HTTP1_NAME } from '../../src/protocol/registry.ts';
import { follow, octets } from './follow.ts';
import { MADE_TALKS } from './made-talks.ts';
import { NAIVE_ENDS } from './naive-ends.ts';
import { entryOf, kindsOf, type Talk, talks } from './talks.ts';

const OTHERS = FOLLOWED_NAMES.filter((name) => name !== HTTP1_NAME);

/** The server's stream, its kinds, and where the twin sees the ends. */
function answersOf(talk: Talk) {
  const kinds = kindsOf(talk).filter((kind) => kind !== NO_ANSWER);
  const answered = talk.rows.filter(([, answer]) => answer !== '');
  const texts = answered.map(([, answer]) => answer);
  if (talk.greeting !== undefined) {
    texts.unshift(talk.greeting);
    kinds.unshift(0);
  }
  return { kinds, stream: texts.join(''), texts };
}

/** Where the twin sees the ends of answers; -1 of the one within which the stream stops, the last. */
function naiveEnds({ protocol, greeting, rows }: Talk, stream: string): number[] {
  const twin = NAIVE_ENDS[protocol];
  if (twin === undefined) throw new Error(`no twin for ${protocol}`);
  const ends: number[] = [];
  let at = 0;
  for (let asked = greeting === undefined ? 1 : 0; asked <= rows.length; asked++) {
    if (asked > 0 && rows[asked - 1]?.[1] === '') continue;
    const requests = rows.slice(0, asked).map(([request]) => request);
    const end = twin(stream, at, requests);
    ends.push(end ?? -1);
    if (end === null) break;
    at = end;
  }
  return ends;
}

function expectAlike(talk: Talk, cuts: readonly number[], stop: number): void {
  const { kinds, stream, texts } = answersOf(talk);
  let at = 0;
  const made = texts.map((text) => {
    at += text.length;
    return at;
  });
  expect(naiveEnds(talk, stream), 'the twin').toEqual(made);
  const framer = entryOf(talk.protocol).answers();
  const sorted = [...new Set(cuts)].sort((a, b) => a - b);
  const followed = follow(framer, octets(stream), kinds, { cuts: sorted });
  expect(
    followed.map(({ end }) => end),
    'the framer',
  ).toEqual(made);
  const part = stream.slice(0, stop % stream.length);
  const ahead = follow(framer, octets(part), kinds, { cuts: sorted }).map(({ end }) => end);
  // A framer may say an end before it has come: then it is the right one.
  for (const [i, end] of ahead.entries()) if (end > part.length) expect(end).toBe(made[i]);
  const stopped = ahead.map((end) => (end > part.length ? -1 : end));
  expect(stopped, 'the framer of a part').toEqual(naiveEnds(talk, part));
}

test('every protocol that is followed has a twin and conversations made at random', () => {
  expect(Object.keys(NAIVE_ENDS).toSorted()).toEqual(OTHERS.toSorted());
  expect(Object.keys(MADE_TALKS).toSorted()).toEqual(OTHERS.toSorted());
});

describe('answers end where the naive twin sees their ends', () => {
  test.each(talks)('$protocol: $title', (talk) => {
    const { stream } = answersOf(talk);
    for (let stop = 0; stop < stream.length; stop++) expectAlike(talk, [], stop);
  });

  test.each(OTHERS)('%s, made at random', (protocol) => {
    const made = MADE_TALKS[protocol];
    if (made === undefined) throw new Error(`no conversations of ${protocol}`);
    fc.assert(
      fc.property(made, fc.array(fc.nat(600), { maxLength: 12 }), fc.nat(), (talk, cuts, stop) => {
        expectAlike({ protocol, title: 'made', ...talk }, cuts, stop);
      }),
      { numRuns: 200 },
    );
  });
});
