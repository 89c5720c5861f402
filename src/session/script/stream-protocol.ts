/** Recognises what a recorded client speaks, by the first octets of its stream. */
import { Prefixes } from '../../base/prefixes.ts';
import { Http1Requests } from '../../protocol/http1-requests.ts';
import type { DatedStream } from '../reading/dated-stream.ts';
import { Protocol } from './scripts.ts';
import type { ReadOctets } from './stream-view.ts';

/** How much of a client's stream is looked at. */
const PREFIX_BYTES = 8192;

/** Reads as much of one stream after another as it takes to know. */
export class StreamProtocol {
  readonly #read: ReadOctets;
  readonly #prefix = new Prefixes(PREFIX_BYTES);
  readonly #http = new Http1Requests();

  constructor(read: ReadOctets) {
    this.#read = read;
  }

  /** Of a client's stream that has been put together. */
  of(client: DatedStream): Protocol {
    let filled = 0;
    for (let i = 0; i < client.count && filled < PREFIX_BYTES; i++) {
      const bytes = Math.min(client.bytes[i], PREFIX_BYTES - filled);
      const into =
        filled === 0
          ? this.#prefix.of(bytes)
          : this.#prefix.octets.subarray(filled, filled + bytes);
      this.#read(client.offset[i], into);
      filled += bytes;
      const verdict = this.#http.recognise(this.#prefix.of(filled));
      if (verdict !== null) return verdict ? Protocol.HTTP1 : Protocol.UNKNOWN;
    }
    return Protocol.UNKNOWN;
  }
}
