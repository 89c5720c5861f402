import { Errno, errnoName } from '../sys/errno.ts';

/** Frames that the kernel would not take, by reason: totals since the sender was opened. */
export class SendFaults {
  /** No room in the socket's buffer or the device's queue, after waiting for it (ENOBUFS, EAGAIN). */
  noBuffers = 0;
  /** A firewall, a full table of connections, or a lack of privilege (EPERM, EACCES). */
  notPermitted = 0;
  /** Longer than the interface's MTU (EMSGSIZE). */
  tooLong = 0;
  /** The interface is down or has been removed (ENETDOWN, ENXIO, ENODEV). */
  interfaceDown = 0;
  other = 0;
  /** Why the last of `other` was refused, to be shown to the user; null without one. */
  lastOther: string | null = null;

  get total(): number {
    return this.noBuffers + this.notPermitted + this.tooLong + this.interfaceDown + this.other;
  }

  /** Charges one frame. */
  count(errno: number): void {
    if (isShortage(errno)) this.noBuffers++;
    else if (errno === Errno.EPERM || errno === Errno.EACCES) this.notPermitted++;
    else if (errno === Errno.EMSGSIZE) this.tooLong++;
    else if (isOfInterface(errno)) this.interfaceDown++;
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

/** A packet socket says ENXIO of an interface that was removed, a bound raw socket ENODEV. */
const isOfInterface = (errno: number): boolean =>
  errno === Errno.ENETDOWN || errno === Errno.ENXIO || errno === Errno.ENODEV;

function describe(errno: number): string {
  if (errno === Errno.EFAULT) return 'a capture file was truncated while it was replayed (EFAULT)';
  if (errno === Errno.ENETUNREACH || errno === Errno.EHOSTUNREACH) {
    return `there was no route to the target (${errnoName(errno)})`;
  }
  return `the kernel refused a frame (${errnoName(errno)})`;
}
