/** Recorded messages without those answers in them that users give themselves, kept for all who play them. */
import { withoutReplies } from '../protocol/mqtt-replies.ts';
import type { RecordedTexts } from './recorded-text.ts';

/** So many octets are kept; what does not fit is read anew each time. */
const KEPT_BYTES_MAX = 1 << 24;

/** By row; read from the capture when they are first played. */
export class StrippedMessages {
  readonly #texts: RecordedTexts;
  readonly #kept = new Map<number, Uint8Array>();
  #keptBytes = 0;

  constructor(texts: RecordedTexts) {
    this.#texts = texts;
  }

  /** The message's octets; all of them where they are not understood, or fewer where they were not captured. */
  of(session: number, row: number): Uint8Array {
    const kept = this.#kept.get(row);
    if (kept !== undefined) return kept;
    const octets = withoutReplies(this.#texts.message(session, row));
    if (this.#keptBytes + octets.length <= KEPT_BYTES_MAX) {
      this.#kept.set(row, octets);
      this.#keptBytes += octets.length;
    }
    return octets;
  }
}
