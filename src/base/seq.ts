/**
 * Sequence numbers: arithmetic modulo 2^32 (RFC 9293, section 3.4).
 *
 * A sequence number is an unsigned 32-bit integer in a `number`. Comparisons hold while the two
 * numbers are less than 2^31 apart, which TCP's windows guarantee.
 */
export type Seq = number;

/** `seq + octets`, modulo 2^32; `octets` may be negative. */
export const seqAdd = (seq: Seq, octets: number): Seq => (seq + octets) >>> 0;

/** How far `a` lies after `b`: a signed distance in -2^31..2^31-1. */
export const seqDiff = (a: Seq, b: Seq): number => (a - b) | 0;

/** Whether `a` lies before `b`. */
export const seqBefore = (a: Seq, b: Seq): boolean => ((a - b) | 0) < 0;

/** Whether `a` lies after `b`. */
export const seqAfter = (a: Seq, b: Seq): boolean => ((a - b) | 0) > 0;
