import { describe, expect, test } from 'vitest';
import { alsoFailed, ReplayError, undoAfter } from '../../src/base/errors.ts';

const refused = new ReplayError({
  code: 'ERR_IO_RULES',
  kind: 'environment',
  message: 'the rules are refused',
  hint: 'use --mode sink',
});
const left = new ReplayError({
  code: 'ERR_IO_LEFT_BEHIND',
  kind: 'internal',
  message: 'one rule is left',
  hint: 'iptables -D OUTPUT 1',
});

describe('what fails after a failure', () => {
  test('is told with it: the first one’s code, the second one’s hint', () => {
    expect(alsoFailed(refused, left)).toMatchObject({
      code: 'ERR_IO_RULES',
      kind: 'environment',
      message: 'the rules are refused; then one rule is left',
      hint: 'iptables -D OUTPUT 1',
      cause: refused,
    });
  });

  test('may be no error of ours', () => {
    expect(alsoFailed(new TypeError('no function'), 'no reason')).toMatchObject({
      kind: 'internal',
      message: 'no function; then no reason',
      hint: null,
    });
  });

  test('is nothing where the undoing succeeds', () => {
    let undone = 0;
    expect(undoAfter(refused, () => undone++)).toBe(refused);
    expect(undone).toBe(1);
  });

  test('is found by undoing', () => {
    const fault = undoAfter(refused, () => {
      throw left;
    });
    expect(fault).toMatchObject({ message: 'the rules are refused; then one rule is left' });
  });
});
