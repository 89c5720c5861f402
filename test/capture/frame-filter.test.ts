import { expect, test } from 'vitest';
import { FrameFilter } from '../../src/capture/frame-filter.ts';

const instruction = (code: number, k = 0, jt = 0, jf = 0) => ({ code, jt, jf, k });
const ACCEPT = instruction(0x06, 0xffff);
const REJECT = instruction(0x06, 0);
/** Accepts when the accumulator is `k`. */
const equals = (k: number) => [instruction(0x15, k, 0, 1), ACCEPT, REJECT];

const FRAME = Uint8Array.of(0x11, 0x22, 0x33, 0x44, 0x45, 0xff, 0x80, 0x01);

function matches(
  program: readonly ReturnType<typeof instruction>[],
  { captured = FRAME.length, original = 99 } = {},
): boolean {
  const memory = new Uint8Array(32).fill(0xee);
  memory.set(FRAME, 8);
  return new FrameFilter(program).matches(new DataView(memory.buffer), 8, captured, original);
}

test.each([
  { name: 'a word', program: [instruction(0x20, 0), ...equals(0x1122_3344)] },
  { name: 'a half-word', program: [instruction(0x28, 5), ...equals(0xff80)] },
  { name: 'an octet', program: [instruction(0x30, 7), ...equals(1)] },
  {
    name: 'an octet at X',
    program: [instruction(0x01, 5), instruction(0x50, 1), ...equals(0x80)],
  },
  { name: 'a constant', program: [instruction(0x00, 7), ...equals(7)] },
  { name: 'the original length', program: [instruction(0x80), ...equals(99)] },
  {
    name: 'four times a nibble',
    program: [instruction(0xb1, 4), instruction(0x87), ...equals(20)],
  },
  {
    name: 'memory',
    program: [
      instruction(0x00, 7),
      instruction(0x02, 3),
      instruction(0x00, 0),
      instruction(0x60, 3),
      ...equals(7),
    ],
  },
  {
    name: 'X and back',
    program: [
      instruction(0x00, 7),
      instruction(0x07),
      instruction(0x00, 0),
      instruction(0x87),
      ...equals(7),
    ],
  },
  {
    name: 'a sum that wraps',
    program: [instruction(0x00, 0xffff_ffff), instruction(0x04, 2), ...equals(1)],
  },
  {
    name: 'a difference that wraps',
    program: [instruction(0x00, 1), instruction(0x14, 2), ...equals(0xffff_ffff)],
  },
  {
    name: 'a product that wraps',
    program: [instruction(0x00, 0x1_0001), instruction(0x24, 0x1_0001), ...equals(0x2_0001)],
  },
  {
    name: 'a quotient',
    program: [instruction(0x00, 0xffff_ffff), instruction(0x34, 0x1_0000), ...equals(0xffff)],
  },
  {
    name: 'a remainder',
    program: [instruction(0x00, 0xffff_fffe), instruction(0x94, 0x1_0000), ...equals(0xfffe)],
  },
  {
    name: 'bits',
    program: [
      instruction(0x00, 0xf0f0_f0f0),
      instruction(0x54, 0xff00_0000),
      instruction(0x44, 1),
      instruction(0xa4, 3),
      ...equals(0xf000_0002),
    ],
  },
  {
    name: 'shifts',
    program: [
      instruction(0x00, 0x8000_0001),
      instruction(0x64, 4),
      instruction(0x74, 3),
      ...equals(2),
    ],
  },
  {
    name: 'a negation',
    program: [instruction(0x00, 1), instruction(0x84), ...equals(0xffff_ffff)],
  },
  { name: 'a jump', program: [instruction(0x05, 1), REJECT, ACCEPT] },
  {
    name: 'greater, unsigned',
    program: [instruction(0x00, 0x8000_0000), instruction(0x25, 1, 0, 1), ACCEPT, REJECT],
  },
  {
    name: 'not greater',
    program: [instruction(0x00, 5), instruction(0x25, 5, 1, 0), ACCEPT, REJECT],
  },
  {
    name: 'greater or equal',
    program: [instruction(0x00, 5), instruction(0x35, 5, 0, 1), ACCEPT, REJECT],
  },
  {
    name: 'a set bit, the highest',
    program: [instruction(0x00, 0x8000_0000), instruction(0x45, 0x8000_0000, 0, 1), ACCEPT, REJECT],
  },
  { name: 'the accumulator as the answer', program: [instruction(0x00, 1), instruction(0x16)] },
])('a program finds $name', ({ program }) => {
  expect(matches(program)).toBe(true);
});

test.each([
  { name: 'a word past the end', program: [instruction(0x20, 5), ACCEPT] },
  { name: 'an octet past the end', program: [instruction(0x30, 8), ACCEPT] },
  { name: 'an octet before the beginning', program: [instruction(0x50, 0xffff_ffff), ACCEPT] },
  { name: 'a nibble past the end', program: [instruction(0xb1, 8), ACCEPT] },
  { name: 'a division by zero', program: [instruction(0x34, 0), ACCEPT] },
  { name: 'a remainder of zero', program: [instruction(0x9c), ACCEPT] },
  { name: 'the answer 0', program: [instruction(0x06, 0)] },
  { name: 'no answer', program: [instruction(0x00, 1)] },
])('a program rejects by $name', ({ program }) => {
  expect(matches(program)).toBe(false);
});

test('what is not captured cannot be loaded, though the frame had it', () => {
  const program = [instruction(0x30, 7), ACCEPT];
  expect(matches(program, { captured: 8 })).toBe(true);
  expect(matches(program, { captured: 7 })).toBe(false);
});
