import { expect, test } from 'vitest';
import { HandoverPace } from '../../src/intercept/handover-pace.ts';

const EVERY_NS = 100_000;

/** Takes packets at a time, and says what becomes of it. */
function turn(pace: HandoverPace, nowNs: number, packets: number) {
  pace.onTaken(packets);
  return { isDue: pace.isDue(nowNs), restNs: pace.restNs(nowNs) };
}

test('what comes after a pause is handed over at once, and the source is watched', () => {
  const pace = new HandoverPace();
  expect(turn(pace, 0, 1)).toEqual({ isDue: true, restNs: 0 });
  expect(turn(pace, 1_000_000, 1)).toEqual({ isDue: true, restNs: 0 });
});

test('what comes soon behind waits for its time, in which the source is left alone', () => {
  const pace = new HandoverPace();
  turn(pace, 0, 1);
  expect(turn(pace, 30_000, 1)).toEqual({ isDue: false, restNs: 70_000 });
  expect(turn(pace, EVERY_NS, 0)).toEqual({ isDue: true, restNs: 0 });
});

test('where several came together, the source is left alone until the next time', () => {
  const pace = new HandoverPace();
  expect(turn(pace, 0, 2)).toEqual({ isDue: true, restNs: EVERY_NS });
  expect(turn(pace, EVERY_NS, 5)).toEqual({ isDue: true, restNs: EVERY_NS });
  expect(turn(pace, 2 * EVERY_NS, 1)).toEqual({ isDue: true, restNs: 0 });
});

test('many are handed over half as often, until they are few', () => {
  const pace = new HandoverPace();
  expect(turn(pace, 0, 16)).toEqual({ isDue: true, restNs: 2 * EVERY_NS });
  expect(turn(pace, EVERY_NS, 3)).toEqual({ isDue: false, restNs: EVERY_NS });
  expect(turn(pace, 2 * EVERY_NS, 3)).toEqual({ isDue: true, restNs: EVERY_NS });
});
