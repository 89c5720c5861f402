/** How much payload a sender's full segments have: what is shorter ended what was written. */
import { OFFERED_TIMESTAMPS } from './session-records.ts';

/** What a side may send when it offered no MSS (RFC 9293, section 3.7.1). */
const MSS_DEFAULT_IPV4 = 536;
const MSS_DEFAULT_IPV6 = 1220;
/** What the timestamps take of each full segment. */
const TIMESTAMPS_BYTES = 12;

/** @param a, b what the SYNs of both sides offered (`DetailWord.OFFER`); the order does not matter */
export function fullSegmentBytes(a: number, b: number, isIpv6: boolean): number {
  const fallback = isIpv6 ? MSS_DEFAULT_IPV6 : MSS_DEFAULT_IPV4;
  const mss = Math.min(a & 0xffff || fallback, b & 0xffff || fallback);
  const areTimestampsOn = (a & b & OFFERED_TIMESTAMPS) !== 0;
  return Math.max(1, areTimestampsOn ? mss - TIMESTAMPS_BYTES : mss);
}
