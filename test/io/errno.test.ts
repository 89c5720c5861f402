import { expect, test } from 'vitest';
import { SendFaults } from '../../src/io/send/send-faults.ts';
import { Errno, errnoName, systemError } from '../../src/io/sys/errno.ts';

test.each([
  { errno: Errno.EPERM, code: 'ERR_IO_NOT_PERMITTED', hint: /sudo/ },
  { errno: Errno.EACCES, code: 'ERR_IO_NOT_PERMITTED', hint: /setcap/ },
  { errno: Errno.ENODEV, code: 'ERR_IO_TEST', hint: /^plug it in$/ },
])('errno $errno becomes $code', ({ errno, code, hint }) => {
  const call = { code: 'ERR_IO_TEST', doing: 'opening a door', hint: 'plug it in' };
  const error = systemError({ ...call, errno });
  expect(error).toMatchObject({ code, kind: 'environment' });
  expect(error.message).toBe(`opening a door failed: ${errnoName(errno)}`);
  expect(error.hint).toMatch(hint);
});

test('an errno without a name is its number', () => {
  expect(errnoName(4711)).toBe('errno 4711');
});

test.each([
  { errno: Errno.ENOBUFS, reason: 'noBuffers' },
  { errno: Errno.EAGAIN, reason: 'noBuffers' },
  { errno: Errno.ENOMEM, reason: 'noBuffers' },
  { errno: Errno.EPERM, reason: 'notPermitted' },
  { errno: Errno.EACCES, reason: 'notPermitted' },
  { errno: Errno.EMSGSIZE, reason: 'tooLong' },
  { errno: Errno.EFAULT, reason: 'other' },
  { errno: Errno.ENETDOWN, reason: 'interfaceDown' },
  { errno: Errno.ENXIO, reason: 'interfaceDown' },
  { errno: Errno.ENODEV, reason: 'interfaceDown' },
  { errno: Errno.EINVAL, reason: 'other' },
] as const)('errno $errno is counted under $reason', ({ errno, reason }) => {
  const faults = new SendFaults();
  faults.count(errno);
  expect(faults).toMatchObject({ [reason]: 1, total: 1 });
  expect(faults.lastOther !== null).toBe(reason === 'other');
});
