/** eventfd(2): a number in the kernel that one thread raises and another waits for. */
import { lastErrno, systemError } from './errno.ts';
import { libcFunction, OCTETS } from './libc.ts';

const EFD_NONBLOCK = 0o4000;
const EFD_CLOEXEC = 0o2000000;

type Transfer = (fd: number, octets: Uint8Array, bytes: number) => number;
const eventfd = libcFunction<(value: number, flags: number) => number>('eventfd', 'int', [
  'uint32_t',
  'int',
]);
const read = libcFunction<Transfer>('read', 'intptr_t', ['int', OCTETS, 'size_t']);
const write = libcFunction<Transfer>('write', 'intptr_t', ['int', OCTETS, 'size_t']);
const close = libcFunction<(fd: number) => number>('close', 'int', ['int']);

const EVENT_BYTES = 8;
const one = new Uint8Array(EVENT_BYTES);
one[0] = 1;
const taken = new Uint8Array(EVENT_BYTES);

/**
 * Makes one, at 0. Descriptors belong to the process: any thread may raise it, take it and wait.
 * @throws ReplayError ERR_IO_EVENTFD
 */
export function openEventFd(): number {
  const fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (fd >= 0) return fd;
  throw systemError({ code: 'ERR_IO_EVENTFD', doing: 'making an eventfd', errno: lastErrno() });
}

/** It can be read from now on. */
export function raiseEvent(fd: number): void {
  write(fd, one, EVENT_BYTES);
}

/** It cannot be read any more, until it is raised again. Does not block. */
export function takeEvent(fd: number): void {
  read(fd, taken, EVENT_BYTES);
}

/** Closes the descriptor: nobody may wait on it any more. */
export function closeEventFd(fd: number): void {
  close(fd);
}
