import { Errno, errnoName } from '../sys/errno.ts';

/** Frames that the kernel would not take, by reason: totals since the sender was opened. */
export class SendFaults {
  /** No room in the socket's buffer or the device's queue, after waiting for it (ENOBUFS, EAGAIN). */
  noBuffers = 0;
  /** A firewall or a lack of privilege (EPERM, EACCES). */
  notPermitted = 0;
  /** Longer than the interface's MTU (EMSGSIZE). */
  tooLong = 0;
  other = 0;
  /** Why the last of `other` was refused, to be shown to the user; null without one. */
  lastOther: string | null = null;

  get total(): number {
    return this.noBuffers + this.notPermitted + this.tooLong + this.other;
  }

  /** Charges one frame. */
  count(errno: number): void {
    if (isShortage(errno)) this.noBuffers++;
    else if (errno === Errno.EPERM || errno === Errno.EACCES) this.notPermitted++;
    else if (errno === Errno.EMSGSIZE) this.tooLong++;
    else this.countOther(describe(errno));
  }

  /** Charges one frame under a reason that no errno tells. */
  countOther(reason: string): void {
    this.other++;
    this.lastOther = reason;
  }
}

/** Whether the same frame may be taken a moment later. */
export const isShortage = (errno: number): boolean =>
  errno === Errno.ENOBUFS || errno === Errno.EAGAIN || errno === Errno.ENOMEM;

function describe(errno: number): string {
  if (errno === Errno.EFAULT) return 'a capture file was truncated while it was replayed (EFAULT)';
  if (errno === Errno.ENETDOWN || errno === Errno.ENXIO) {
    return `the interface went down or is gone (${errnoName(errno)})`;
  }
  return `the kernel refused a frame (${errnoName(errno)})`;
}
