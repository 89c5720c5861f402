/**
 * The port between a transport and what users have to say. A stream's octets lie in places that the
 * sender can point the kernel at (extents): in the capture for a recorded stream
 * (recorded-stream.ts), elsewhere for one that is made as it is played.
 */
import type { FrameBatch } from '../wire/frame-batch.ts';

/** What users have to say, and how far they may by now. Offsets count from 0, the first octet. */
export interface ClientStream {
  /**
   * The user begins to play a session: nothing of it may be sent yet.
   * @returns whether there is room for what it may have to say; where there is none it must not begin
   */
  open(user: number, session: number): boolean;
  /** What the user says next, up to and with `message` (a row of the scripts), may be sent now. */
  advance(user: number, message: number): void;
  /** Stream offset up to which the user may send now. */
  streamLimit(user: number): number;
  /** Stream offset at which the user's stream ends, as far as that is known. */
  endOf(user: number): number;
  /** Stream offset at which `message` begins. */
  messageStart(user: number, message: number): number;
  /**
   * Stream offset at which the segment that begins at or contains `offset` ends: where it was cut
   * beforehand, so that its checksum is known. Above `offset`, not above the limit, at most `mss`
   * octets on, and not beyond the message: where messages are packets, `mss` is as large as they are.
   */
  segmentEnd(user: number, offset: number, mss: number): number;
  /**
   * Points the batch's next frame at the octets `[offset, offset + bytes)`.
   * @param mss the segment size for which they were cut
   * @returns their sum as `sumOctets` gives it
   */
  put(user: number, offset: number, bytes: number, mss: number, batch: FrameBatch): number;
}
