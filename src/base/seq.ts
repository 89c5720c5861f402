/**
 * Sequence numbers: arithmetic modulo 2^32 (RFC 9293, section 3.4).
 *
 * A sequence number is a 32-bit integer in a `number`, with a sign: V8 makes an object of a number from 2^31 on
 * wherever it is handed to a function. So are other words that count modulo 2^32 (timestamps). Comparisons hold
 * while the two numbers are less than 2^31 apart, which TCP's windows guarantee.
 */
export type Seq = number;

/** `seq + octets`, modulo 2^32; `octets` may be negative. */
export const seqAdd = (seq: Seq, octets: number): Seq => (seq + octets) | 0;

/** How many octets `seq` lies behind `first`, the beginning of a stream: up to 2^32 of them. */
export const seqOffset = (seq: Seq, first: Seq): number => (seq - first) >>> 0;

/** How far `a` lies after `b`: a signed distance in -2^31..2^31-1. */
export const seqDiff = (a: Seq, b: Seq): number => (a - b) | 0;

/** Whether `a` lies before `b`. */
export const seqBefore = (a: Seq, b: Seq): boolean => ((a - b) | 0) < 0;

/** Whether `a` lies after `b`. */
export const seqAfter = (a: Seq, b: Seq): boolean => ((a - b) | 0) > 0;
