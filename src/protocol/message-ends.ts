/** Where the messages of a stored stream end: a framer is fed with it, bodies are stepped over. */
import { Prefixes } from '../base/prefixes.ts';
import { type Framer, Outcome } from './framer.ts';

/** A stream of which any part can be read; it stays as it is. */
export interface StoredStream {
  readonly bytes: number;
  /** Fills `into` with the octets from `at`; all of them are there. */
  read(at: number, into: Uint8Array): void;
  /**
   * Of how many octets from `at` on it is known what they were, up to `most`: the stream is as long as it was, but
   * the capture may lack some. All of them, where this is absent.
   */
  knownFrom?(at: number, most: number): number;
}

/** Most headers fit in; more is read where one goes on. */
const BUFFER_BYTES = 4096;

/**
 * Finds the ends of messages in streams that can be read anywhere; keeps a buffer. A message that lies in
 * what was read for the one before is not read again, so that whoever follows two streams in turn has one of
 * these for each.
 */
export class MessageEnds {
  readonly #prefixes = new Prefixes(BUFFER_BYTES);
  readonly #data = new DataView(this.#prefixes.octets.buffer);
  /** What the buffer holds: octets `[from, to)` of this stream. */
  #stream: StoredStream | null = null;
  #from = 0;
  #to = 0;

  /**
   * Offset just past the message that begins at `start`; -1 where the framer cannot follow it, or
   * where the stream ends before it does.
   * @param kind as in `Framer.begin`
   */
  endOf(framer: Framer, stream: StoredStream, start: number, kind: number): number {
    framer.begin(kind);
    for (let at = start; ; ) {
      const skipped = Math.min(framer.skipBytes, stream.bytes - at);
      const held = skipped > 0 || at >= stream.bytes ? 0 : this.#hold(stream, at);
      // Whoever has to read an octet that nobody knows cannot follow.
      const bytes = skipped > 0 ? skipped : Math.max(held, at < stream.bytes ? 1 : 0);
      const outcome =
        bytes === 0 ? framer.close() : framer.feed(this.#data, at - this.#from, held, bytes);
      if (outcome === Outcome.MORE) {
        at += bytes;
        continue;
      }
      if (outcome === Outcome.UNTIL_CLOSE) return stream.bytes;
      const end = at + framer.endBytes;
      return outcome === Outcome.ENDS && end <= stream.bytes ? end : -1;
    }
  }
  /** Octets from `at` on come to lie in the buffer, at `at - #from`. @returns how many: 0 where nobody knows them */
  #hold(stream: StoredStream, at: number): number {
    if (stream !== this.#stream || at < this.#from || at >= this.#to) {
      const most = Math.min(BUFFER_BYTES, stream.bytes - at);
      const bytes = stream.knownFrom?.(at, most) ?? most;
      if (bytes === 0) return 0;
      // Nothing is held where reading fails.
      this.#stream = null;
      stream.read(at, this.#prefixes.of(bytes));
      this.#stream = stream;
      this.#from = at;
      this.#to = at + bytes;
    }
    return this.#to - at;
  }
}
