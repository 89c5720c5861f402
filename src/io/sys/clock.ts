/** clock_gettime(2). */
import { libcFunction, OCTETS } from './libc.ts';

/** Clocks of clock_gettime(2) (linux/time.h). */
export const CLOCK_REALTIME = 0;
const CLOCK_THREAD_CPUTIME_ID = 3;

/** struct timespec as 32-bit words: seconds in words 0 and 1, nanoseconds in word 2. */
export const TIMESPEC_WORDS = 4;

/** Fills a struct timespec of `TIMESPEC_WORDS` words. */
export const clockGettime = libcFunction<(clock: number, timespec: Uint32Array) => number>(
  'clock_gettime',
  'int',
  ['int', OCTETS],
);

/** The processor's time that the calling thread has had: ms. */
export function threadCpuMs(): number {
  const timespec = new Uint32Array(TIMESPEC_WORDS);
  clockGettime(CLOCK_THREAD_CPUTIME_ID, timespec);
  return timespec[0] * 1e3 + timespec[2] / 1e6;
}
