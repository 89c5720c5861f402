import { expect, test } from 'vitest';
import { nearest } from '../../src/base/nearest.ts';

const NAMES = ['users', 'rate', 'ramp', 'max-gap', 'timeout', 'timestamps', 'out'];

test.each([
  { mistyped: 'user', name: 'users', reason: 'a letter left out' },
  { mistyped: 'userss', name: 'users', reason: 'one too many' },
  { mistyped: 'usres', name: 'users', reason: 'two swapped' },
  { mistyped: 'rete', name: 'rate', reason: 'another letter' },
  { mistyped: 'maxgap', name: 'max-gap', reason: 'no dash' },
  { mistyped: 'USERS', name: 'users', reason: 'capitals' },
  { mistyped: 'timest', name: 'timestamps', reason: 'a start of it' },
  { mistyped: 'out-dir', name: 'out', reason: 'it is a start' },
  { mistyped: 'xyzzy', name: null, reason: 'nothing like it' },
  { mistyped: 'q', name: null, reason: 'too short to guess from' },
  { mistyped: '', name: null, reason: 'nothing' },
])('$mistyped gives $name: $reason', ({ mistyped, name }) => {
  expect(nearest(mistyped, NAMES)).toBe(name);
});
