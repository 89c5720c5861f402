import { describe, expect, test } from 'vitest';
import { type FailureKind, ReplayError } from '../../src/base/errors.ts';
import { describeFailure } from '../../src/cli/failure.ts';
import { UsageError } from '../../src/cli/usage-error.ts';

const failure = (kind: FailureKind, more: { hint?: string; cause?: unknown } = {}) =>
  new ReplayError({ code: 'ERR_TEST_IT', kind, message: 'it broke', ...more });

test.each([
  { kind: 'internal', code: 1 },
  { kind: 'usage', code: 2 },
  { kind: 'capture', code: 3 },
  { kind: 'environment', code: 4 },
  { kind: 'unreachable', code: 5 },
  { kind: 'interrupted', code: 130 },
] as const)('a failure of kind $kind ends with $code and one line', ({ kind, code }) => {
  expect(describeFailure(failure(kind, { hint: 'mend it' }), false)).toEqual({
    text: 'gryphon: it broke; mend it\n',
    code,
  });
});

test('several faults of the command line are a line each', () => {
  const error = new UsageError([
    { what: '--a is wrong', hint: null },
    { what: '--b is wrong', hint: 'write c' },
  ]);
  expect(describeFailure(error, false)).toEqual({
    text: 'gryphon: --a is wrong\ngryphon: --b is wrong; write c\n',
    code: 2,
  });
});

test('a message with line ends is still one line', () => {
  const error = new ReplayError({ code: 'ERR_A', kind: 'capture', message: 'first\n  second\n' });
  expect(describeFailure(error, false).text).toBe('gryphon: first second\n');
});

test.each([{ thrown: new TypeError('x is not a function') }, { thrown: 'x is not a function' }])(
  'what is none of our errors is a fault of gryphon: $thrown',
  ({ thrown }) => {
    const { text, code } = describeFailure(thrown, false);
    expect(code).toBe(1);
    expect(text).toContain('a fault of gryphon itself: x is not a function');
    expect(text.trimEnd()).not.toContain('\n');
  },
);

describe('--verbose', () => {
  test('adds the stack, the code and every cause', () => {
    const cause = new Error('EACCES', { cause: 'the disk' });
    const { text } = describeFailure(failure('environment', { cause }), true);
    expect(text).toMatch(/^gryphon: it broke\n/);
    expect(text).toContain('[ERR_TEST_IT]');
    expect(text).toContain('caused by Error: EACCES');
    expect(text).toContain('caused by the disk');
  });
});
