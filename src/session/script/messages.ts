/** Where one message of a stream ends and the next begins, and how long its side thought about it. */
import type { DatedStream } from '../reading/dated-stream.ts';
import { SEGMENT_WORDS, SegmentFlag, SegmentWord } from '../reading/session-records.ts';

/**
 * The extent with which the message behind this one begins; past the last one: there is none.
 * @param words those of the segments' table
 * @param extent with which a message begins
 */
export function nextMessage(words: Uint32Array, stream: DatedStream, extent: number): number {
  const acked = stream.acked[extent];
  let next = extent + 1;
  while (next < stream.count && !beginsMessage(words, stream, next, acked)) next++;
  return next;
}

/** @param acked octets of the other stream that the message before it had received */
function beginsMessage(
  words: Uint32Array,
  stream: DatedStream,
  extent: number,
  acked: number,
): boolean {
  if (stream.acked[extent] > acked) return true;
  const { segment } = stream;
  if (segment[extent] === segment[extent - 1]) return false;
  const before = words[segment[extent - 1] * SEGMENT_WORDS + SegmentWord.FLAGS];
  const flags = words[segment[extent] * SEGMENT_WORDS + SegmentWord.FLAGS];
  if ((flags & SegmentFlag.CONTINUES) !== 0) return false;
  return (before & SegmentFlag.ENDS_WRITE) !== 0 || (flags & SegmentFlag.AFTER_PAUSE) !== 0;
}

/** From what was waited for to what was done; a clock that went back is no wait. */
export const thinkNs = (doneNs: number, beforeNs: number, arrivalNs: number): number =>
  Math.max(0, doneNs - Math.max(beforeNs, arrivalNs));
