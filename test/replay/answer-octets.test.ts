/** What is kept of answers for modules, from packets of which only a beginning, or nothing, is at hand. */

import { expect, test } from 'vitest';
import { Instant } from '../../src/base/instant.ts';
import { AnswerOctets } from '../../src/replay/answer-octets.ts';
import type { Delivery } from '../../src/transport/transport.ts';

/** A packet of which so many octets are at hand, at the end of its buffer. */
function deliveryOf(bytes: number, atHandBytes: number): Delivery {
  const data = new DataView(Uint8Array.from({ length: 40 + atHandBytes }, (_, i) => i).buffer);
  return { bytes, atHandBytes, data, dataStart: 40, isPushed: true, arrived: new Instant(0) };
}

test('octets of several packets are kept in order', () => {
  const kept = new AnswerOctets(100);
  kept.add(7, deliveryOf(4, 4), 0, 4);
  kept.add(7, deliveryOf(6, 6), 2, 6);
  expect([...kept.of(7)]).toEqual([40, 41, 42, 43, 42, 43, 44, 45]);
  expect(kept.isWhole(7)).toBe(true);
});

test.each([
  ['nothing of it is at hand', 0, 10, 50],
  ['all that is at hand lies before', 8, 20, 50],
  ['its end is not at hand', 8, 4, 50],
])('%s: what there is is kept, and not called whole', (_, atHand, from, to) => {
  const kept = new AnswerOctets(100);
  kept.add(7, deliveryOf(50, atHand), from, to);
  expect(kept.of(7)).toHaveLength(Math.max(0, atHand - from));
  expect(kept.isWhole(7)).toBe(false);
});

test('no more is kept than may be', () => {
  const kept = new AnswerOctets(5);
  kept.add(7, deliveryOf(8, 8), 0, 8);
  kept.add(7, deliveryOf(8, 8), 0, 8);
  expect([...kept.of(7)]).toEqual([40, 41, 42, 43, 44]);
  expect(kept.isWhole(7)).toBe(false);
});
