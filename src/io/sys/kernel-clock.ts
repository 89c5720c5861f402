/** adjtimex(2): what the kernel says of its clock. */
import { NS_PER_US } from '../../base/time.ts';
import { libcFunction, OCTETS } from './libc.ts';

/** struct timex (linux/timex.h) on 64-bit machines, and where in it fields are. */
const TIMEX_BYTES = 208;
const MAX_ERROR = 24;
const ESTIMATED_ERROR = 32;
const STATUS = 40;
const STA_UNSYNC = 0x40;

const adjtimex = libcFunction<(timex: Uint8Array) => number>('adjtimex', 'int', [OCTETS]);

/** How well the kernel takes its clock to be kept. */
export interface KernelClock {
  /** Whether something (NTP, PTP) keeps it. */
  readonly isSynchronised: boolean;
  /** How far it may be off at most, and as whoever keeps it estimates. */
  readonly maxErrorNs: number;
  readonly estimatedErrorNs: number;
}

/** Asks and sets nothing, which needs no privilege; null where it is not allowed all the same. */
export function readKernelClock(): KernelClock | null {
  const timex = new Uint8Array(TIMEX_BYTES);
  if (adjtimex(timex) < 0) return null;
  const data = new DataView(timex.buffer);
  return {
    isSynchronised: (data.getInt32(STATUS, true) & STA_UNSYNC) === 0,
    maxErrorNs: Number(data.getBigInt64(MAX_ERROR, true)) * NS_PER_US,
    estimatedErrorNs: Number(data.getBigInt64(ESTIMATED_ERROR, true)) * NS_PER_US,
  };
}
