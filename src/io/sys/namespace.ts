/** Moving a thread to another network namespace: setns(2). */
import { closeSync, openSync } from 'node:fs';
import { lastErrno, systemError } from './errno.ts';
import { libcFunction } from './libc.ts';

const setns = libcFunction<(fd: number, type: number) => number>('setns', 'int', ['int', 'int']);

const CLONE_NEWNET = 0x4000_0000;

/**
 * Calls `work` with this thread in the namespace of that name, and moves the thread back. Sockets
 * that `work` opens stay in it, so that one process can hold both ends of a link.
 * @throws ReplayError ERR_IO_NAMESPACE
 */
export function inNamespace<T>(name: string, work: () => T): T {
  const home = openSync('/proc/thread-self/ns/net', 'r');
  try {
    enter(`/run/netns/${name}`);
    return work();
  } finally {
    setns(home, CLONE_NEWNET);
    closeSync(home);
  }
}

/**
 * Moves this thread for good.
 * @param path `/run/netns/NAME`, or `/proc/PID/ns/net`
 * @throws ReplayError ERR_IO_NAMESPACE
 */
export function enter(path: string): void {
  const fd = openSync(path, 'r');
  try {
    if (setns(fd, CLONE_NEWNET) === 0) return;
    const errno = lastErrno();
    throw systemError({ code: 'ERR_IO_NAMESPACE', doing: `entering ${path}`, errno });
  } finally {
    closeSync(fd);
  }
}
