/** How much payload a sender's full segments have: what is shorter ended what was written. */
import { MSS_DEFAULT, PADDED_TIMESTAMPS_BYTES } from '../../wire/tcp-options.ts';
import { OFFERED_TIMESTAMPS } from './session-records.ts';

/** @param a, b what the SYNs of both sides offered (`DetailWord.OFFER`); the order does not matter */
export function fullSegmentBytes(a: number, b: number, isIpv6: boolean): number {
  const fallback = MSS_DEFAULT[isIpv6 ? 6 : 4];
  const mss = Math.min(a & 0xffff || fallback, b & 0xffff || fallback);
  const areTimestampsOn = (a & b & OFFERED_TIMESTAMPS) !== 0;
  return Math.max(1, areTimestampsOn ? mss - PADDED_TIMESTAMPS_BYTES : mss);
}
