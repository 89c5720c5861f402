import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { foldChecksum, foldSum, sumOctets, sumSwapped } from '../../src/wire/checksum.ts';
import { naiveSum } from './naive.ts';

const octetsOf = (maxLength: number) => fc.uint8Array({ maxLength });

describe('sumOctets', () => {
  test('RFC 1071, section 3: the example of the standard', () => {
    const octets = Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7);
    expect(sumOctets(octets, 0, octets.length)).toBe(0xddf2);
    expect(foldChecksum(0xddf2)).toBe(0x220d);
  });

  test('any piece of any length equals the sum octet by octet', () => {
    fc.assert(
      fc.property(octetsOf(200), fc.nat(200), fc.nat(200), (octets, a, b) => {
        const from = Math.min(a, b, octets.length);
        const to = Math.min(Math.max(a, b), octets.length);
        expect(sumOctets(octets, from, to)).toBe(naiveSum(octets.subarray(from, to)));
      }),
    );
  });

  test('the sum of a whole is the sum of its parts, the second swapped after an odd first', () => {
    fc.assert(
      fc.property(octetsOf(100), octetsOf(100), (first, second) => {
        const whole = Uint8Array.of(...first, ...second);
        const tail = sumOctets(second, 0, second.length);
        const parts =
          sumOctets(first, 0, first.length) + (first.length % 2 === 1 ? sumSwapped(tail) : tail);
        expect(foldChecksum(parts)).toBe(foldChecksum(naiveSum(whole)));
      }),
    );
  });

  test('long runs, at any start, length and place in a larger buffer, equal it too', () => {
    const memory = new Uint8Array(3000);
    const draw = fc.uint8Array({ minLength: 2000, maxLength: 2000 });
    fc.assert(
      fc.property(draw, fc.nat(999), fc.nat(40), fc.nat(1900), (values, shift, from, bytes) => {
        const octets = memory.subarray(shift, shift + 2000);
        octets.set(values);
        const to = Math.min(2000, from + bytes);
        expect(sumOctets(octets, from, to)).toBe(naiveSum(octets.subarray(from, to)));
      }),
    );
  });

  test('twenty million octets of 255 do not overflow', () => {
    const octets = new Uint8Array(20_000_000).fill(0xff);
    expect(sumOctets(octets, 0, octets.length)).toBe(0xffff);
    octets[octets.length - 1] = 0xfe;
    expect(sumOctets(octets, 0, octets.length)).toBe(0xfffe);
  });
});

describe('foldSum', () => {
  test.each([
    [0, 0],
    [0xffff, 0xffff],
    [0x1_0000, 1],
    [0xffff_ffff, 0xffff],
    [0x1_0000_0000, 1],
    [2 ** 52, 16],
  ])('%i folds to %i', (sum, folded) => {
    expect(foldSum(sum)).toBe(folded);
  });
});
