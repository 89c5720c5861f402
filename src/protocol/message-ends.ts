/** Where the messages of a stored stream end: a framer is fed with it, bodies are stepped over. */
import { type Framer, Outcome } from './framer.ts';

/** A stream of which any part can be read. */
export interface StoredStream {
  readonly bytes: number;
  /** Fills `into` with the octets from `at`; all of them are there. */
  read(at: number, into: Uint8Array): void;
}

/** Most headers fit in; more is read where one goes on. */
const BUFFER_BYTES = 4096;

/** Finds the ends of messages in streams that can be read anywhere; keeps a buffer. */
export class MessageEnds {
  readonly #octets = new Uint8Array(BUFFER_BYTES);
  readonly #data = new DataView(this.#octets.buffer);

  /**
   * Offset just past the message that begins at `start`; -1 where the framer cannot follow it, or
   * where the stream ends before it does.
   * @param kind as in `Framer.begin`
   */
  endOf(framer: Framer, stream: StoredStream, start: number, kind: number): number {
    framer.begin(kind);
    for (let at = start; ; ) {
      const skipped = Math.min(framer.skipBytes, stream.bytes - at);
      const bytes = skipped > 0 ? skipped : Math.min(BUFFER_BYTES, stream.bytes - at);
      if (bytes > 0 && skipped === 0) stream.read(at, this.#octets.subarray(0, bytes));
      const outcome =
        bytes === 0 ? framer.close() : framer.feed(this.#data, 0, skipped > 0 ? 0 : bytes, bytes);
      if (outcome === Outcome.MORE) {
        at += bytes;
        continue;
      }
      if (outcome === Outcome.UNTIL_CLOSE) return stream.bytes;
      const end = at + framer.endBytes;
      return outcome === Outcome.ENDS && end <= stream.bytes ? end : -1;
    }
  }
}
