/**
 * Mends what the records say of one direction's segments, a list: row + 1 of its first in
 * `DetailWord.FIRST_SEGMENT`, of the next in each record.
 */
import type { Records } from '../../base/records.ts';
import { SEGMENT_WORDS, SegmentFlag, SegmentFloat, SegmentWord } from './session-records.ts';

/**
 * Lets no segment be earlier than the one of its direction captured before it. Between the
 * directions acknowledgments tell the order, and a clock of another tap proves nothing.
 */
export function mendClock({ u32: words, f64: floats }: Records, first: number): void {
  let latestNs = Number.NEGATIVE_INFINITY;
  for (let next = first; next !== 0; ) {
    const at = (next - 1) * SEGMENT_WORDS;
    const ns = (at >>> 1) + SegmentFloat.NS;
    latestNs = Math.max(latestNs, floats[ns]);
    floats[ns] = latestNs;
    next = words[at + SegmentWord.NEXT];
  }
}

/**
 * Says anew which segments end a write: who offered what may have been captured after what was sent
 * upon it.
 * @param fullBytes payload of a full segment
 */
export function mendWrites({ u32: words }: Records, first: number, fullBytes: number): void {
  for (let next = first; next !== 0; ) {
    const at = (next - 1) * SEGMENT_WORDS;
    const isShort = words[at + SegmentWord.BYTES] % fullBytes !== 0;
    next = words[at + SegmentWord.NEXT];
    const after = next === 0 ? 0 : words[(next - 1) * SEGMENT_WORDS + SegmentWord.FLAGS];
    // Of what lay in several fragments the whole had to be short, and keeps what it was taken for.
    if (((words[at + SegmentWord.FLAGS] | after) & SegmentFlag.CONTINUES) !== 0) continue;
    const flags = words[at + SegmentWord.FLAGS] & ~SegmentFlag.ENDS_WRITE;
    words[at + SegmentWord.FLAGS] = flags | (isShort ? SegmentFlag.ENDS_WRITE : 0);
  }
}
