/** Waiting: ppoll(2), and the timer slack of the calling thread (prctl(2)). */
import { ADDRESS, libcFunction } from './libc.ts';

/** Events of poll(2) (asm-generic/poll.h). */
export const POLLIN = 0x001;
export const POLLOUT = 0x004;
export const POLLERR = 0x008;

/** struct pollfd: int fd, short events, short revents. */
export const POLLFD_BYTES = 8;
/** struct timespec: two 64-bit words. */
export const TIMESPEC_BYTES = 16;

/** `ppoll(fds, count, timeout, 0, 0)`: how many are ready, or -1 and errno. */
export const ppoll = libcFunction<
  (fds: number, count: number, timeout: number, signals: number, signalBytes: number) => number
>('ppoll', 'int', [ADDRESS, 'size_t', ADDRESS, ADDRESS, 'size_t']);

const prctl = libcFunction<(option: number, value: number) => number>('prctl', 'int', [
  'int',
  'size_t',
]);

const PR_SET_TIMERSLACK = 29;

/** Timers of this thread fire on time and not up to 50 microseconds later. */
export function useExactTimers(): void {
  prctl(PR_SET_TIMERSLACK, 1);
}
