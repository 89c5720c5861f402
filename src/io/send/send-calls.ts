/** The system calls that send a batch, as one object, so that a test can refuse frames as a kernel does. */
import { lastErrno } from '../sys/errno.ts';
import { ppoll } from '../sys/poll.ts';
import { sendmmsg } from '../sys/socket.ts';

/** What a batch is sent by. */
export interface SendCalls {
  /** `sendmmsg(2)`: how many messages were taken, or -1 where the first one was refused. */
  readonly sendmmsg: typeof sendmmsg;
  /** Why: of the last call that failed. */
  readonly lastErrno: typeof lastErrno;
  /** Waits until there may be room. */
  readonly ppoll: typeof ppoll;
}

/** The kernel's own. */
export const KERNEL_SEND_CALLS: SendCalls = { sendmmsg, lastErrno, ppoll };
