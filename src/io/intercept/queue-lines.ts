/** The kernel's netfilter queues as /proc lists them (nfnetlink_queue.c, seq_show): who has which. */
import { readFileSync } from 'node:fs';
import { ReplayError } from '../../base/errors.ts';
import { Errno, ROOT_HINT, systemError } from '../sys/errno.ts';

/** A queue that somebody has. */
export interface QueueLine {
  readonly queue: number;
  /** The netlink port of whoever has the queue: usually a process id. */
  readonly port: number;
  /** Packets without a verdict. */
  readonly waiting: number;
  /** Packets that there was no room for: in the queue, and in the listener's buffer. */
  readonly dropped: number;
  readonly userDropped: number;
  /** The last packet's id. */
  readonly id: number;
}

/** The queues of this thread's network namespace that somebody has. */
export function queueLines(): QueueLine[] {
  const lines = readQueueFile()
    .split('\n')
    .filter((line) => line !== '');
  return lines.map((line) => {
    const [queue, port, waiting, , , dropped, userDropped, id] = line
      .trim()
      .split(/\s+/)
      .map(Number);
    return { queue, port, waiting, dropped, userDropped, id };
  });
}

function readQueueFile(): string {
  try {
    return readFileSync('/proc/thread-self/net/netfilter/nfnetlink_queue', 'utf8');
  } catch {
    // The kernel's module is not loaded yet: nobody has a queue.
    return '';
  }
}

/**
 * Why a queue cannot be had. The kernel says EPERM for both: no privilege, and a queue that is
 * somebody else's.
 * @returns ERR_IO_QUEUE_TAKEN or ERR_IO_QUEUE
 */
export function queueFault(queue: number, errno: number): ReplayError {
  const taken = queueLines().find((line) => line.queue === queue);
  const isDenied = errno === Errno.EPERM || errno === Errno.EBUSY;
  if (isDenied && taken !== undefined) {
    return new ReplayError({
      code: 'ERR_IO_QUEUE_TAKEN',
      kind: 'environment',
      message: `queue ${queue} is taken by another program (netlink port ${taken.port}, mostly its process id)`,
      hint: 'choose another with --queue, or end that program',
    });
  }
  return systemError({
    code: 'ERR_IO_QUEUE',
    doing: `taking queue ${queue}`,
    errno,
    deniedHint: ROOT_HINT,
    hint: 'the kernel needs nfnetlink_queue (modprobe nfnetlink_queue); --mode sink does without',
  });
}
