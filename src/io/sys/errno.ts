/** errno and what it means to a user: the kernel's refusals become ReplayErrors here. */
import koffi from 'koffi';
import { type FailureKind, ReplayError } from '../../base/errors.ts';

/** Values of include/uapi/asm-generic/errno-base.h and errno.h. */
export const Errno = {
  EPERM: 1,
  EINTR: 4,
  ENXIO: 6,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  ENODEV: 19,
  EINVAL: 22,
  EMSGSIZE: 90,
  EAFNOSUPPORT: 97,
  ENETDOWN: 100,
  ENETUNREACH: 101,
  ENOBUFS: 105,
  EHOSTUNREACH: 113,
} as const;
export type Errno = (typeof Errno)[keyof typeof Errno];

/** errno of this thread; only meaningful right after a call that failed. */
export const lastErrno = (): number => koffi.errno();

/** `EPERM` for 1; `errno 4711` for one that has no name. */
export function errnoName(errno: number): string {
  for (const [name, value] of Object.entries(koffi.os.errno)) {
    if (value === errno) return name;
  }
  return `errno ${errno}`;
}

/** What a packet socket asks for, as a line that can be typed. */
export const PRIVILEGE_HINT =
  'run it as root (sudo), or once: sudo setcap cap_net_raw+ep "$(readlink -f "$(command -v node)")"';

/** As a line of help for programs that gryphon calls, which file capabilities of node do not reach. */
export const ROOT_HINT = 'run it as root (sudo)';

/** A system call that failed, as an error is to tell it. */
export interface FailedCall {
  readonly code: string;
  /** What was being done, so that `<doing> failed: EPERM` reads well. */
  readonly doing: string;
  readonly errno: number;
  /** Defaults to `environment`. */
  readonly kind?: FailureKind;
  readonly hint?: string;
  /** In place of PRIVILEGE_HINT, for what takes more than packets do. */
  readonly deniedHint?: string;
}

/** A system call that failed, with a hint of its own when it was a lack of privilege. */
export function systemError(call: FailedCall): ReplayError {
  const denied = call.errno === Errno.EPERM || call.errno === Errno.EACCES;
  const hint = denied ? (call.deniedHint ?? PRIVILEGE_HINT) : call.hint;
  return new ReplayError({
    code: denied ? 'ERR_IO_NOT_PERMITTED' : call.code,
    kind: call.kind ?? 'environment',
    message: `${call.doing} failed: ${errnoName(call.errno)}`,
    ...(hint === undefined ? {} : { hint }),
  });
}
