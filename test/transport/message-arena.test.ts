/** Memory for what is written: no two blocks overlap, and what was given back is whole again. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { blockBytes, MessageArena, NO_PLACE } from '../../src/transport/message-arena.ts';
import '../helpers/property-seed.ts';

const takeAll = (arena: MessageArena, bytes: number): number[] => {
  const places: number[] = [];
  for (let place = arena.take(bytes); place !== NO_PLACE; place = arena.take(bytes)) {
    places.push(place);
  }
  return places;
};

describe('blocks', () => {
  test.each([64, 100, 4096, 4096 + 64, 7 * 64, 10_000])('of 64 octets fill %i', (bytes) => {
    const places = takeAll(new MessageArena(new Uint8Array(bytes)), 1);
    expect(places.toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: Math.floor(bytes / 64) }, (_, i) => 64 * i),
    );
  });

  test('small ones that were given back are a large one again', () => {
    const arena = new MessageArena(new Uint8Array(1 << 12));
    for (const place of takeAll(arena, 64)) arena.free(place, 64);
    expect(arena.take(64)).toBe(NO_PLACE);
    arena.settle();
    expect(arena.take(1 << 12)).toBe(0);
  });

  test('what is longer than all of it has no place', () => {
    const arena = new MessageArena(new Uint8Array(1 << 10));
    expect(arena.take((1 << 10) + 1)).toBe(NO_PLACE);
    expect(arena.reserve(1 << 10)).toBe(NO_PLACE);
    expect(new MessageArena(new Uint8Array(0)).take(1)).toBe(NO_PLACE);
  });
});

describe('what is reserved', () => {
  test('leaves an eighth to others', () => {
    const arena = new MessageArena(new Uint8Array(1 << 10));
    const reserved = Array.from({ length: 16 }, () => arena.reserve(64));
    expect(reserved.filter((place) => place !== NO_PLACE)).toHaveLength(14);
    expect(takeAll(arena, 64)).toHaveLength(2);
  });

  test('may be what was given back a moment ago, which is not written to yet', () => {
    const arena = new MessageArena(new Uint8Array(1 << 10));
    const [first = NO_PLACE] = Array.from({ length: 14 }, () => arena.reserve(64));
    arena.free(first, 64);
    expect(arena.reserve(64)).toBe(first);
    expect(arena.reserve(64)).toBe(NO_PLACE);
    arena.settle();
    expect(arena.usedBytes).toBe(14 * 64);
  });
});

test('whatever is taken and given back: blocks are apart, and all of it is one in the end', () => {
  const act = fc.record({
    how: fc.constantFrom('take', 'reserve', 'free', 'settle'),
    bytes: fc.integer({ min: 1, max: 3000 }),
    which: fc.nat(),
  });
  const property = fc.property(
    fc.integer({ min: 1, max: 1 << 14 }),
    fc.array(act, { maxLength: 200 }),
    (bytes, acts) => {
      const arena = new MessageArena(new Uint8Array(bytes));
      const held: { readonly place: number; readonly bytes: number }[] = [];
      for (const each of acts) {
        if (each.how === 'settle') arena.settle();
        else if (each.how === 'free') {
          const [block] = held.splice(each.which % Math.max(1, held.length), 1);
          if (block !== undefined) arena.free(block.place, block.bytes);
        } else {
          const place = arena[each.how](each.bytes);
          if (place === NO_PLACE) continue;
          const end = place + blockBytes(each.bytes);
          expect(end).toBeLessThanOrEqual(bytes);
          for (const other of held) {
            const otherEnd = other.place + blockBytes(other.bytes);
            expect(end <= other.place || otherEnd <= place, `${place} to ${end}`).toBe(true);
          }
          held.push({ place, bytes: each.bytes });
        }
      }
      for (const block of held) arena.free(block.place, block.bytes);
      arena.settle();
      expect(arena.usedBytes).toBe(0);
      const largest = 2 ** Math.floor(Math.log2(bytes));
      if (bytes >= 64) expect(arena.take(largest)).toBe(0);
    },
  );
  fc.assert(property, { numRuns: 300 });
});
