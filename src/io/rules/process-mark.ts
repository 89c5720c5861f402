/**
 * Marks on what a process installs in the kernel, so that what a killed one left behind can be told
 * from what a living one needs: `gryphon:PID:START`, START in clock ticks since the machine's start
 * (proc(5), field 22 of stat), because process ids are used again.
 *
 * /proc knows the processes of one pid namespace alone, while containers may share a network: so a
 * living one also has an abstract Unix socket by its mark's name (unix(7)), which belongs to the
 * network namespace as the rules do, and goes with its process however that ends.
 */
import { readFileSync } from 'node:fs';
import { AF_UNIX, SOCK_DGRAM, Socket, unixAddress } from '../sys/socket.ts';
import { readUnixSockets } from '../way/unix-sockets.ts';

/** Fields behind the command's name, which may itself hold blanks: starttime is number 22 - 2. */
const START_FIELD = 19;

/** A mark within a line of text. */
export const MARK_PATTERN = /gryphon:(\d+):(\d+)/;

/** Before the mark in the name of its socket. */
const SOCKET_PREFIX = 'gryphon-mark/';

/** The socket is there; nobody closes it before the process ends. */
let isHeld = false;

/** This process's mark, which others of this network namespace know for a living one's from now on. */
export function ownMark(): string {
  const mark = `gryphon:${process.pid}:${startOf(process.pid) ?? 0}`;
  if (!isHeld) {
    isHeld = true;
    // Another thread of this process may have it already.
    new Socket(AF_UNIX, SOCK_DGRAM, 0).tryBind(unixAddress(`${SOCKET_PREFIX}${mark}`));
  }
  return mark;
}

/** Whether the text bears the mark of a process that has ended. */
export function bearsDeadMark(text: string): boolean {
  const [mark, pid, start] = MARK_PATTERN.exec(text) ?? [];
  if (pid === undefined || startOf(Number(pid)) === start) return false;
  return !readUnixSockets()
    .split('\n')
    .some((line) => line.endsWith(`@${SOCKET_PREFIX}${mark}`));
}

/** When a process began; undefined when there is none of this id. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .at(START_FIELD);
  } catch {
    return undefined;
  }
}
