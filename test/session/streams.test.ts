/** The octets of a stream, whatever the capture did to its segments, against a naive twin. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PSH } from '../helpers/packets.ts';
import { handshake, record, type SentSegment } from '../helpers/recording.ts';

interface Piece {
  readonly at: number;
  readonly payload: string;
}

/** One octet at a time: the first copy of each counts, what lies before 0 does not. */
function naive(pieces: readonly Piece[]): { text: string; unique: number; hasHole: boolean } {
  const octets = new Map<number, string>();
  for (const { at, payload } of pieces) {
    for (const [i, octet] of [...payload].entries()) {
      if (at + i >= 0 && !octets.has(at + i)) octets.set(at + i, octet);
    }
  }
  const end = Math.max(0, ...[...octets.keys()].map((at) => at + 1));
  let text = '';
  for (let at = 0; at < end && octets.has(at); at++) text += octets.get(at);
  return { text, unique: octets.size, hasHole: octets.size < end };
}

const sent = (pieces: readonly Piece[], clientIsn: number): SentSegment[] => [
  ...handshake({ clientIsn }),
  ...pieces.map(({ at, payload }, i): SentSegment => {
    return { from: 'client', atMs: 30 + i, at, acked: 0, flags: PSH, payload, clientIsn };
  }),
];

describe('segments', () => {
  test.each([
    {
      name: 'in order',
      pieces: [
        { at: 0, payload: 'abc' },
        { at: 3, payload: 'def' },
      ],
      text: 'abcdef',
    },
    {
      name: 'out of order',
      pieces: [
        { at: 3, payload: 'def' },
        { at: 0, payload: 'abc' },
      ],
      text: 'abcdef',
    },
    {
      name: 'repeated',
      pieces: [
        { at: 0, payload: 'abc' },
        { at: 0, payload: 'abc' },
      ],
      text: 'abc',
    },
    {
      name: 'repeated with other octets',
      pieces: [
        { at: 0, payload: 'abc' },
        { at: 0, payload: 'xyz' },
      ],
      text: 'abc',
    },
    {
      name: 'overlapping at their end',
      pieces: [
        { at: 0, payload: 'abc' },
        { at: 2, payload: 'XYZ' },
      ],
      text: 'abcYZ',
    },
    {
      name: 'overlapping at their start',
      pieces: [
        { at: 2, payload: 'cde' },
        { at: 0, payload: 'abXY' },
      ],
      text: 'abcde',
    },
    {
      name: 'around another',
      pieces: [
        { at: 2, payload: 'c' },
        { at: 0, payload: 'abXde' },
      ],
      text: 'abcde',
    },
    {
      name: 'a keep-alive before the first',
      pieces: [
        { at: -1, payload: '!' },
        { at: 0, payload: 'abc' },
      ],
      text: 'abc',
    },
    {
      name: 'a keep-alive in the middle',
      pieces: [
        { at: 0, payload: 'abc' },
        { at: 2, payload: '!' },
        { at: 3, payload: 'd' },
      ],
      text: 'abcd',
    },
    {
      name: 'beginning before the stream does',
      pieces: [{ at: -2, payload: '!!abc' }],
      text: 'abc',
    },
  ])('$name', ({ pieces, text }) => {
    expect(record(sent(pieces, 1000)).text('client')).toBe(text);
  });
});

test('any segments give what one octet at a time gives', () => {
  const piece = fc.record({
    at: fc.integer({ min: -3, max: 25 }),
    payload: fc.string({ minLength: 1, maxLength: 8, unit: fc.constantFrom(...'abcdefgh') }),
  });
  // Both sides of the wrap, and far from it.
  const isn = fc.constantFrom(1000, 0xffff_fff0, 0xffff_ffff, 0x7fff_fffa);
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 12 }), isn, (pieces, clientIsn) => {
      const recording = record(sent(pieces, clientIsn));
      const expected = naive(pieces);
      const { resolver } = recording.catalog;
      resolver.resolve(0, 0);
      expect(resolver.uniqueBytes).toBe(expected.unique);
      expect(resolver.measure(0, 0)).toBe(expected.unique);
      expect(resolver.hasHole).toBe(expected.hasHole);
      expect(resolver.isWhole).toBe(!expected.hasHole);
      if (recording.reasons()[0] === null) expect(recording.text('client')).toBe(expected.text);
      else
        expect(recording.reasons()[0]).toBe(
          expected.unique === 0 ? 'no-client-data' : 'client-hole',
        );
    }),
    { numRuns: 500 },
  );
});

test('extents lie one after another and never overlap', () => {
  const piece = fc.record({
    at: fc.integer({ min: -3, max: 400 }),
    payload: fc.string({ minLength: 1, maxLength: 90 }),
  });
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 60 }), (pieces) => {
      const { catalog } = record(sent(pieces, 1000));
      const { resolver } = catalog;
      resolver.resolve(0, 0);
      let end = 0;
      for (let i = 0; i < resolver.count; i++) {
        expect(resolver.bytes[i]).toBeGreaterThan(0);
        expect(resolver.start[i]).toBeGreaterThanOrEqual(end);
        end = resolver.start[i] + resolver.bytes[i];
      }
      expect(end).toBeLessThanOrEqual(resolver.endOffset);
    }),
  );
});
